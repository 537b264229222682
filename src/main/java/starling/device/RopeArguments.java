package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.sameType;
import static starling.device.TensorChecks.size;
import static starling.device.TensorChecks.writable;

import java.util.Arrays;

/** Arguments of {@link Device#rope}. */
final class RopeArguments {
  private final TensorChecks check;
  private final AttentionArguments attention;

  RopeArguments(TensorChecks check, AttentionArguments attention) {
    this.check = check;
    this.attention = attention;
  }

  void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    check.cube("q", q, null, -1, -1, -1);
    attention.cache(q, kv);
    check.matrix("qkv", qkv, null, q.rows(), size((q.dim(1) + 2L * kv.k().dim(1)) * q.dim(2)));
    sameType("qkv", qkv, q);
    check.matrix("cos", table.cos(), DType.F32, -1, -1);
    check.matrix("sin", table.sin(), DType.F32, table.cos().rows(), table.cos().width());
    if (2L * table.cos().width() > q.dim(2)) {
      throw new IllegalArgumentException(
          "cos: " + table.cos() + ", which is wider than half a head, where " + q);
    }
    sections(table);
    positions(positions, q.rows(), kv.segments(), table);
    output("q", q, kv, qkv, positions, table);
    output("k", kv.k(), kv, qkv, positions, table);
    output("v", kv.v(), kv, qkv, positions, table);
    apart("q", q, "k", kv.k());
    apart("q", q, "v", kv.v());
    apart("k", kv.k(), "v", kv.v());
    SegmentArguments.rowsAndKeys(q, kv, null);
    SegmentArguments.positions(positions, kv.segments(), table.cos().rows());
  }

  /** Angles for each axis, which together are all columns of the table. */
  private static void sections(Rope table) {
    int[] s = table.sections();
    if (s == null) {
      return;
    }
    boolean fit = s.length == Segments.AXES;
    long sum = 0;
    for (int i = 0; i < s.length; i++) {
      fit &= s[i] >= 0;
      sum += s[i];
    }
    if (!fit || sum != table.cos().width()) {
      throw new IllegalArgumentException(
          "sections: %s are not three numbers that add up to the columns, where %s"
              .formatted(Arrays.toString(s), table.cos()));
    }
  }

  private void positions(Tensor positions, int rows, Segments segments, Rope table) {
    if (positions == null && segments == null) {
      throw new IllegalArgumentException(
          "positions: null, and no segments that say where the rows stand");
    }
    if (positions != null && positions.rank() == 1) {
      check.vector("positions", positions, DType.I32, rows);
    } else if (positions != null) {
      check.matrix("positions", positions, DType.I32, Segments.AXES, rows);
      if (table.sections() == null) {
        throw new IllegalArgumentException(
            "positions: " + positions + ", on three axes, but the table of angles has no sections");
      }
    }
  }

  private static void output(
      String role, Tensor out, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    writable(role, out);
    apart(role, out, "segments", SegmentArguments.table(kv));
    apart(role, out, "qkv", qkv);
    apart(role, out, "positions", positions);
    apart(role, out, "cos", table.cos());
    apart(role, out, "sin", table.sin());
  }
}
