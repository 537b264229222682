package starling.model;

import java.util.List;
import java.util.stream.IntStream;
import starling.input.InputException;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.VlmShape;

/**
 * Checks the cuts that a method asks for. One that cannot be made is refused in a sentence that
 * begins with the method.
 *
 * @param name the method as reports write it
 */
record CheckedCuts(String name, VlmShape shape) {
  static List<CutPoint> of(Method method, VlmShape shape) {
    String name = method.spec(shape);
    if (name == null) {
      throw new InputException(method.getClass().getName() + ": its spec is null");
    }
    return new CheckedCuts(name, shape).checked(method.cuts(shape));
  }

  private List<CutPoint> checked(List<CutPoint> cuts) {
    check(cuts != null && cuts.stream().allMatch(c -> c != null), "a cut is null");
    CutPoint before = null;
    for (CutPoint cut : cuts) {
      check(cut.where() != null && cut.positions() != null, "a cut says no place or no positions");
      checkShown(cut);
      checkPlace(cut, before);
      checkCounts(cut);
      checkCandidates(cut, before);
      before = cut;
    }
    boolean needsTower = cuts.stream().anyMatch(c -> c.where() != CutSite.DECODER && c.scored());
    check(
        shape.visionBlocks() > 0 || !needsTower,
        "vision_feature_layer selects the embeddings, which have no attention");
    return List.copyOf(cuts);
  }

  /** A row of a table is not there before the decoder, and belongs to no crop. */
  private void checkShown(CutPoint cut) {
    boolean all = shape.images().stream().allMatch(i -> i.shown() == i.candidates());
    check(
        all || cut.where() == CutSite.DECODER,
        "a cut before the decoder cannot choose among newline rows, which the tower does not see;"
            + " with --newline compete only cuts inside the decoder are possible");
    check(
        all || shape.groups().stream().allMatch(group -> group.crop() < 0),
        "newline rows belong to no crop; with --newline compete a method counts over the image"
            + " (budget=image)");
  }

  private void checkPlace(CutPoint cut, CutPoint before) {
    boolean decoder = cut.where() == CutSite.DECODER;
    check(
        !decoder || (cut.layer() >= 1 && cut.layer() < shape.layers()),
        "a cut in the decoder behind "
            + cut.layer()
            + " layers; it must be at least 1 and below the model's "
            + shape.layers());
    if (before != null) {
      boolean both = decoder && before.where() == CutSite.DECODER;
      boolean flows =
          both ? cut.layer() > before.layer() : cut.where().compareTo(before.where()) >= 0;
      check(
          flows,
          "a cut at "
              + cut.where()
              + (decoder ? " behind " + cut.layer() : "")
              + " comes after one at "
              + before.where()
              + (before.where() == CutSite.DECODER ? " behind " + before.layer() : "")
              + "; cuts are in order of flow, at most one behind each decoder layer");
    }
  }

  private void checkCounts(CutPoint cut) {
    check(cut.sources() >= 1, "a row is made of " + cut.sources() + " others");
    List<VlmShape.Group> groups = shape.groups();
    for (int group : IntStream.range(0, groups.size()).toArray()) {
      int kept = kept(cut, group);
      int size = groups.get(group).size();
      check(
          kept >= 1 && kept <= size,
          "a cut at "
              + cut.where()
              + " keeps "
              + kept
              + " of the "
              + size
              + " visual tokens of image "
              + groups.get(group).image());
    }
  }

  /** What is left before a cut that the device counts is known there. */
  private void checkCandidates(CutPoint cut, CutPoint before) {
    boolean known = before == null || !before.counted();
    for (int group = 0; cut.scored() && known && group < shape.groups().size(); group++) {
      VlmShape.Group all = shape.groups().get(group);
      int n = before == null ? all.size() : before.kept(group);
      check(
          n <= cut.mostCandidates(),
          "a cut at "
              + cut.where()
              + " would choose among "
              + n
              + " visual tokens of image "
              + all.image()
              + "; at most "
              + cut.mostCandidates()
              + " are compared");
    }
  }

  private int kept(CutPoint cut, int group) {
    try {
      return cut.kept(group);
    } catch (IndexOutOfBoundsException e) { // of a list that is too short
      throw new InputException(
          name
              + ": a cut at "
              + cut.where()
              + " has no count for group "
              + group
              + " of "
              + shape.groups().size(),
          e);
    }
  }

  private void check(boolean fine, String otherwise) {
    if (!fine) {
      throw new InputException(name + ": " + otherwise);
    }
  }
}
