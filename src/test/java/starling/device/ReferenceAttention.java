package starling.device;

import static starling.device.ReferenceDevice.get;
import static starling.device.ReferenceDevice.index;
import static starling.device.ReferenceDevice.set;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Rope, attention and the sums that keys receive from it, by their definitions. */
final class ReferenceAttention {
  private static final double LOG2_E = 1 / Math.log(2);

  private ReferenceAttention() {}

  /** A segment of a call, from its table or, without one, all rows. */
  private record Part(int row, int rows, int at, int length, int hidden, int[] position) {
    int key(int j) {
      return at + j;
    }
  }

  private static List<Part> parts(Segments segments, int rows, int keys) {
    if (segments == null) {
      return List.of(new Part(0, rows, 0, 0, 0, null));
    }
    var parts = new ArrayList<Part>();
    for (int s = 0; s < segments.table().rows(); s++) {
      int[] n = new int[16];
      for (int c = 0; c < 16; c++) {
        n[c] = index(segments.table(), s, c);
      }
      if (n[1] > 0) {
        assertInside(n[2] + n[4] + n[1], keys, n[3] - n[4] - n[1]);
        parts.add(new Part(n[0], n[1], n[2], n[4], n[5], Arrays.copyOfRange(n, 6, 9)));
      }
    }
    return parts;
  }

  private static void assertInside(int end, int keys, int left) {
    if (end > keys || left < 0) {
      throw new IllegalArgumentException("a segment beyond its keys");
    }
  }

  static void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    for (Part part : parts(kv.segments(), q.rows(), kv.k().rows())) {
      for (int i = 0; i < part.rows; i++) {
        rope(q, kv, qkv, positions, table, part, i);
      }
    }
  }

  private static void rope(
      Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table, Part part, int row) {
    int heads = q.dim(1);
    int keyHeads = kv.k().dim(1);
    int d = q.dim(2);
    int half = table.cos().width();
    int t = part.row + row;
    int key = part.key(part.length + row);
    for (int h = 0; h < heads + 2 * keyHeads; h++) {
      for (int i = 0; i < d; i++) {
        double value = get(qkv, t, h * d + i);
        if (h < heads + keyHeads && i < 2 * half) {
          int axis = axis(table, i % half);
          int position =
              positions == null
                  ? part.position[axis] + row
                  : positions.rank() == 1 ? index(positions, t) : index(positions, axis, t);
          double cos = get(table.cos(), position, i % half);
          double sin = get(table.sin(), position, i % half);
          int partner = i < half ? i + half : i - half;
          value = value * cos + (i < half ? -1 : 1) * get(qkv, t, h * d + partner) * sin;
        }
        if (h < heads) {
          set(q, t, h * d + i, value);
        } else if (h < heads + keyHeads) {
          set(kv.k(), key, (h - heads) * d + i, value);
        } else {
          set(kv.v(), key, (h - heads - keyHeads) * d + i, value);
        }
      }
    }
  }

  private static int axis(Rope table, int frequency) {
    if (table.sections() == null || frequency < table.sections()[0]) {
      return 0;
    }
    return frequency < table.sections()[0] + table.sections()[1] ? 1 : 2;
  }

  /** {@code scale·q·k} of one row and head over the keys it may see, -∞ elsewhere. */
  private static double[] logits(AttentionInputs in, Part part, int row, int h) {
    Tensor q = in.q();
    Tensor k = in.kv().k();
    Tensor hidden = in.mask().hidden();
    int d = q.dim(2);
    int keyHead = h / (q.dim(1) / k.dim(1));
    double[] s = new double[part.length + part.rows];
    for (int j = 0; j < s.length; j++) {
      boolean seen =
          !(in.mask().causal() && j > part.length + row)
              && !(hidden != null && part.hidden >= 0 && hidden(hidden, part.hidden + j));
      for (int i = 0; i < d && seen; i++) {
        s[j] +=
            in.scale() * get(q, part.row + row, h * d + i) * get(k, part.key(j), keyHead * d + i);
      }
      s[j] = seen ? s[j] : Double.NEGATIVE_INFINITY;
    }
    return s;
  }

  /** Whether the mask hides that byte's row. */
  static boolean hidden(Tensor hidden, int row) {
    return hidden.memory().get(ValueLayout.JAVA_BYTE, hidden.offset(row)) != 0;
  }

  private static double logSum(double[] s) {
    double max = Arrays.stream(s).max().orElse(Double.NEGATIVE_INFINITY);
    return max == Double.NEGATIVE_INFINITY
        ? Double.POSITIVE_INFINITY
        : max + Math.log(Arrays.stream(s).map(v -> Math.exp(v - max)).sum());
  }

  static void attention(Tensor out, Tensor lse, AttentionInputs in) {
    for (Part part : parts(in.kv().segments(), in.q().rows(), in.kv().k().rows())) {
      for (int i = 0; i < part.rows; i++) {
        for (int h = 0; h < in.q().dim(1); h++) {
          attention(out, lse, in, part, i, h);
        }
      }
    }
  }

  private static void attention(
      Tensor out, Tensor lse, AttentionInputs in, Part part, int row, int h) {
    Tensor q = in.q();
    Tensor v = in.kv().v();
    int d = q.dim(2);
    double[] s = logits(in, part, row, h);
    double sum = logSum(s);
    for (int i = 0; i < d; i++) {
      double o = 0;
      for (int j = 0; j < s.length; j++) {
        double p = Math.exp(s[j] - sum);
        o += p == 0 ? 0 : p * get(v, part.key(j), h / (q.dim(1) / v.dim(1)) * d + i);
      }
      set(out, part.row + row, h * d + i, o);
    }
    if (lse != null) {
      set(lse, h, part.row + row, sum * LOG2_E);
    }
  }

  static void attentionColsum(Tensor sums, AttentionInputs in, Span rows, Candidates candidates) {
    Part part = parts(in.kv().segments(), in.q().rows(), in.kv().k().rows()).get(0);
    for (int h = 0; h < in.q().dim(1); h++) {
      double[] received = new double[candidates.count()];
      for (int i = rows.from(); i < rows.to(); i++) {
        double[] s = logits(in, part, i, h);
        double sum = logSum(s);
        for (int j = 0; j < received.length; j++) {
          int key =
              candidates.at() + (candidates.index() == null ? j : index(candidates.index(), j));
          received[j] += Math.exp(s[key] - sum);
        }
      }
      for (int j = 0; j < received.length; j++) {
        set(sums, h, j, received[j]);
      }
    }
  }
}
