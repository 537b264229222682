package starling.prune;

/** The places of a forward pass where a method can act, in order of flow. */
public enum CutSite {
  /**
   * After the attention of the vision block whose output is the feature, before its output
   * projection and MLP, which run on what is left. The attention is all there is to choose by.
   */
  VISION("vision"),
  /** On the vision feature, before the projector, whose rows a method can choose by. */
  PROJECTOR_INPUT("projector"),
  /** On the projected rows, before the decoder; a method can choose by them. */
  PROJECTOR_OUTPUT("projector"),
  /**
   * After the attention of a decoder layer, before its output projection and MLP. Text has been
   * read there, so its attention can count.
   */
  DECODER("decoder");

  private final String label;

  CutSite(String label) {
    this.label = label;
  }

  /** The name in reports and traces. */
  public String label() {
    return label;
  }
}
