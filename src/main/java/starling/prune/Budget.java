package starling.prune;

/** What the numbers of a method count over. */
public enum Budget {
  /** The candidates of an image. */
  IMAGE,
  /** The candidates of each crop of an image. */
  CROP
}
