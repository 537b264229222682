package starling.cpu;

import java.lang.foreign.ValueLayout;
import java.util.List;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.Tensor;

/** Which rows stay after a cut, and moving or hiding them. */
final class Compaction {
  private Compaction() {}

  static void rowMap(
      Tensor rows, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    int to = 0;
    int row = 0;
    for (int c = 0; c <= cuts.size(); c++) {
      int end = c < cuts.size() ? cuts.get(c).at() : positionsIn.rows();
      for (; row < end; row++, to++) {
        stay(rows, positionsOut, positionsIn, to, row, rule);
      }
      if (c < cuts.size()) {
        Cut cut = cuts.get(c);
        for (int i = 0; i < cut.keep().rows(); i++, to++) {
          stay(rows, positionsOut, positionsIn, to, cut.at() + Rows.index(cut.keep(), i), rule);
        }
        row = cut.at() + cut.count();
      }
    }
  }

  private static void stay(
      Tensor rows, Tensor positionsOut, Tensor positionsIn, int to, int row, PositionRule rule) {
    Rows.setIndex(rows, to, row);
    Rows.setIndex(positionsOut, to, rule == PositionRule.KEEP ? Rows.index(positionsIn, row) : to);
  }

  static void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    for (int c = 0; c < cuts.size(); c++) {
      Cut cut = cuts.get(c);
      int kept = 0;
      for (int i = 0; i < cut.count(); i++) {
        boolean stays = kept < cut.keep().rows() && Rows.index(cut.keep(), kept) == i;
        kept += stays ? 1 : 0;
        if (!stays) {
          hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(cut.at() + i), (byte) 1);
        }
      }
    }
    int rank = 0;
    for (int row = 0; row < positionsIn.rows(); row++) {
      boolean visible = hidden.memory().get(ValueLayout.JAVA_BYTE, hidden.offset(row)) == 0;
      boolean renumber = visible && rule == PositionRule.CONTIGUOUS;
      Rows.setIndex(positionsOut, row, renumber ? rank : Rows.index(positionsIn, row));
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
      java.util.Arrays.fill(sum, 0);
      for (int j = 0; j < index.width(); j++) {
        int source = index.memory().get(ValueLayout.JAVA_INT_UNALIGNED, index.offset(i) + 4L * j);
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
