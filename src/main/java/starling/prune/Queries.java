package starling.prune;

/**
 * Whose attention counts: the query rows that a score is a mean over. The first three are rows of
 * the vision tower, the others of the decoder.
 */
public enum Queries {
  /** The patch rows of the vision tower, CLS left out. */
  PATCHES,
  /** All rows of the vision tower, CLS included. */
  PATCHES_AND_CLS,
  /** The CLS row of the vision tower. */
  CLS,
  /** The text rows after the last image. */
  TEXT,
  /** The last row of the prompt. */
  LAST
}
