package starling;

/** Who says a {@link Message}. */
public enum Role {
  /** What the model is told before everything else, in place of its template's own words. */
  SYSTEM,
  /** The one who asks. */
  USER,
  /** The model. */
  ASSISTANT
}
