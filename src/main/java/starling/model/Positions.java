package starling.model;

import starling.device.Tensor;

/**
 * The positions of a prompt's rows.
 *
 * @param axes numbers that make up a position
 * @param values {@code [axes, T]}, row-major; null for one axis that counts 0, 1, 2 …
 * @param next that of the first generated token, the same on all axes
 */
public record Positions(int axes, int[] values, int next) {
  /**
   * The positions on the device, i32 {@code [T]} or {@code [axes, T]}; null if they simply count.
   *
   * @param from where {@code tables} holds them
   */
  Tensor on(Tables tables, int from) {
    if (values == null) {
      return null;
    }
    Tensor all = tables.at(from, values.length);
    return axes == 1 ? all : all.fold(values.length / axes);
  }

  /** 0, 1, 2 … on one axis. */
  public static Positions counted(int rows) {
    return new Positions(1, null, rows);
  }
}
