package starling.prune;

/** The places of a LLaVA forward pass where a method can act, in order of flow. */
public enum Where {
  /**
   * After the attention of the vision block whose output is the feature, before its output
   * projection and MLP.
   */
  VISION("vision"),
  /** On the vision feature, before the projector. */
  PROJECTOR_INPUT("projector"),
  /** On the projected rows, before the decoder. */
  PROJECTOR_OUTPUT("projector"),
  /** After the attention of a decoder layer, before its output projection and MLP. */
  DECODER("decoder");

  private final String label;

  Where(String label) {
    this.label = label;
  }

  /** The name in reports and traces. */
  public String label() {
    return label;
  }
}
