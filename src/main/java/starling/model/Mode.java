package starling.model;

/** What happens to the rows of dropped visual tokens. */
public enum Mode {
  /** They leave the sequence. */
  COMPACT,
  /** They stay but nobody attends them; the same answer as {@link #COMPACT}, for checking it. */
  MASK
}
