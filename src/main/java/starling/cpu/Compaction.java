package starling.cpu;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;

/** Which rows stay after a cut, and moving or hiding them. */
final class Compaction {
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;
  private static final byte FIXED = 0;
  private static final byte DROPPED = 1;
  private static final byte KEPT = 2;

  private Compaction() {}

  /** What becomes of every row; one that is no candidate of any cut is fixed. */
  private static byte[] fates(int rows, List<Cut> cuts) {
    byte[] fates = new byte[rows];
    for (Cut cut : cuts) {
      for (int j = 0; j < cut.size(); j++) {
        fates[candidate(cut, j)] = DROPPED;
      }
      for (int i = 0; i < cut.keep().rows(); i++) {
        fates[candidate(cut, Rows.index(cut.keep(), i))] = KEPT;
      }
    }
    return fates;
  }

  private static int candidate(Cut cut, int j) {
    return cut.at() + (cut.candidates() == null ? j : Rows.index(cut.candidates(), j));
  }

  static void rowMap(RowMapping map) {
    byte[] fates = fates(all(map.positionsIn()), map.cuts());
    int fixed = 0;
    // In sources the kept stand behind the fixed.
    int kept = fates.length - map.cuts().stream().mapToInt(Cut::size).sum();
    for (int row = 0, to = 0; row < fates.length; row++) {
      if (fates[row] == DROPPED) {
        continue;
      }
      Rows.setIndex(map.rows(), to, row);
      int number = map.rule() == PositionRule.KEEP ? -1 : to;
      position(map.positionsOut(), to, map.positionsIn(), row, number);
      if (map.sources() != null) {
        Rows.setIndex(map.sources(), to, fates[row] == FIXED ? fixed : kept);
      }
      fixed += fates[row] == FIXED ? 1 : 0;
      kept += fates[row] == KEPT ? 1 : 0;
      to++;
    }
  }

  /**
   * Writes a position on every axis.
   *
   * @param number the new position, or -1 for the one that {@code row} had
   */
  private static void position(Tensor out, int to, Tensor in, int row, int number) {
    for (int axis = 0; axis < axes(in); axis++) {
      int position = number < 0 ? in.memory().get(I32, at(in, axis, row)) : number;
      out.memory().set(I32, at(out, axis, to), position);
    }
  }

  private static int axes(Tensor positions) {
    return positions.rank() == 1 ? 1 : positions.rows();
  }

  /** How many rows have a position. */
  private static int all(Tensor positions) {
    return positions.rank() == 1 ? positions.rows() : positions.width();
  }

  private static long at(Tensor positions, int axis, int row) {
    return positions.rank() == 1 ? positions.offset(row) : positions.offset(axis) + 4L * row;
  }

  static void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    byte[] fates = fates(all(positionsIn), cuts);
    for (int row = 0, rank = 0; row < fates.length; row++) {
      if (fates[row] == DROPPED) {
        hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(row), (byte) 1);
      }
      boolean visible = hidden.memory().get(ValueLayout.JAVA_BYTE, hidden.offset(row)) == 0;
      boolean renumber = visible && rule == PositionRule.CONTIGUOUS;
      position(positionsOut, row, positionsIn, row, renumber ? rank : -1);
      rank += visible ? 1 : 0;
    }
  }

  static void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    for (int i = 0; i < rows.rows(); i++) {
      for (int n = 0; n < out.size(); n++) {
        Rows.copy(in.get(n), Rows.index(rows, i), out.get(n), i);
      }
    }
  }

  /**
   * Rows only move towards the front, so walking upward never overwrites one that is still needed.
   */
  static void compactRows(List<Kv> kv, Tensor rows) {
    for (Kv layer : kv) {
      for (int i = 0; i < rows.rows(); i++) {
        Rows.copy(layer.k(), Rows.index(rows, i), layer.k(), i);
        Rows.copy(layer.v(), Rows.index(rows, i), layer.v(), i);
      }
    }
  }

  static void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    float[] sum = new float[in.width()];
    float[] row = new float[in.width()];
    for (int i = 0; i < out.rows(); i++) {
      Arrays.fill(sum, 0);
      for (int j = 0; j < index.width(); j++) {
        int source = Rows.index(index, i, j);
        Rows.load(in, source, row, 0);
        float w = Rows.get(weight, i, j);
        for (int c = 0; c < row.length; c++) {
          sum[c] += w * row[c];
        }
      }
      Rows.store(sum, 0, out, i, 0, sum.length);
    }
  }
}
