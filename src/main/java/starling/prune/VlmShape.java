package starling.prune;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * What a method may know before anything runs: the sizes its counts follow from.
 *
 * @param images the visual tokens of each image of the prompt
 * @param budget what a count of the method is over
 * @param visionBlocks blocks of the vision tower that run
 * @param layers decoder layers
 * @param textRows rows of the prompt after the last image
 */
public record VlmShape(
    List<ImageTokens> images, Budget budget, int visionBlocks, int layers, int textRows) {

  /**
   * The candidates that a method chooses from at a time; it is asked once for each group.
   *
   * @param image number of the image in the prompt, from 0
   * @param crop number of the crop in the image, or −1 if the group is the whole image
   * @param members its candidates among the image's, ascending
   */
  public record Group(int image, int crop, int[] members) {
    /** N, the number of its candidates. */
    public int size() {
      return members.length;
    }

    /** What it is, in messages. */
    String noun() {
      return crop < 0 ? "a picture" : "a crop";
    }
  }

  /** The groups of all images, in order: {@link CutPoint#kept} counts them from 0. */
  public List<Group> groups() {
    var groups = new ArrayList<Group>();
    for (int image = 0; image < images.size(); image++) {
      List<int[]> own = images.get(image).groups(budget);
      for (int g = 0; g < own.size(); g++) {
        groups.add(new Group(image, own.size() == 1 ? -1 : g, own.get(g)));
      }
    }
    return groups;
  }

  /** A count for each group. */
  public List<Integer> counts(ToIntFunction<Group> count) {
    return groups().stream().map(count::applyAsInt).toList();
  }
}
