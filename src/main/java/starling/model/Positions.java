package starling.model;

/**
 * The positions of a prompt's rows.
 *
 * @param axes numbers that make up a position
 * @param values {@code [axes, T]}, row-major; null for one axis that counts 0, 1, 2 …
 * @param next that of the first generated token, the same on all axes
 */
public record Positions(int axes, int[] values, int next) {
  /** 0, 1, 2 … on one axis. */
  public static Positions counted(int rows) {
    return new Positions(1, null, rows);
  }
}
