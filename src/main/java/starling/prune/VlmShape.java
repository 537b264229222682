package starling.prune;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;

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
   * @param size N, the number of its candidates
   * @param tokens those of the image
   */
  public record Group(int image, int crop, int size, ImageTokens tokens) {
    /** Its candidates among the image's, ascending. */
    public int[] members() {
      return IntStream.range(0, tokens.candidates())
          .filter(j -> crop < 0 || tokens.crop()[j] == crop)
          .toArray();
    }

    /** What it is, in messages. */
    String noun() {
      return crop < 0 ? "an image" : "a crop";
    }
  }

  /**
   * The groups of all images, in order: {@link CutPoint#kept} counts them from 0. A crop without
   * candidates is none.
   */
  public List<Group> groups() {
    var groups = new ArrayList<Group>();
    for (int image = 0; image < images.size(); image++) {
      ImageTokens tokens = images.get(image);
      int crops = tokens.crops().size();
      if (budget == Budget.IMAGE || crops == 1) {
        groups.add(new Group(image, -1, tokens.candidates(), tokens));
        continue;
      }
      for (int crop = 0; crop < crops; crop++) {
        int size = tokens.candidates(crop);
        if (size > 0) { // a tile may hold nothing of a thin image
          groups.add(new Group(image, crop, size, tokens));
        }
      }
    }
    return groups;
  }

  /** A count for each group. */
  public List<Integer> counts(ToIntFunction<Group> count) {
    return groups().stream().map(count::applyAsInt).toList();
  }
}
