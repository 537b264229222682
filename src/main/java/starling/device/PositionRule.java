package starling.device;

/** Which positions the rows have that stay after a cut. */
public enum PositionRule {
  /** 0, 1, 2 … over the shortened sequence. */
  CONTIGUOUS,
  /** Every row keeps the position it had. */
  KEEP
}
