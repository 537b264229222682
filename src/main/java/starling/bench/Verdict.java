package starling.bench;

import java.util.Locale;

/** What {@link Compare} says of a row. */
public enum Verdict {
  /** Any change is too small to be told from what two runs of one build show. */
  SAME,

  /** By more than 5 % with 99 % certainty, and by more than the machine itself. */
  FASTER,

  /** The same in the other direction. */
  SLOWER,

  /** The samples show neither a change nor that there is none. */
  UNSURE,

  /** Less work was counted, and nowhere more. */
  SHRANK,

  /** A counter is higher. */
  GREW,

  /** Only A has the row. */
  MISSING,

  /** Only B has the row. */
  NEW,

  /** A has figures of the row, and in B it failed. */
  ERROR;

  /** Whether it fails the comparison. */
  boolean regression() {
    return this == SLOWER || this == GREW || this == MISSING || this == ERROR;
  }

  /** Lower-case name, as reports write it. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
