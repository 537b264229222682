package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.indices;
import static starling.device.TensorChecks.sameType;
import static starling.device.TensorChecks.vectors;
import static starling.device.TensorChecks.writable;

/** Arguments of attention and of the sums that keys receive from it. */
final class AttentionArguments {
  private final TensorChecks check;
  private final SegmentArguments segments;

  AttentionArguments(TensorChecks check, SegmentArguments segments) {
    this.check = check;
    this.segments = segments;
  }

  void attention(Tensor out, Tensor lse, AttentionInputs in) {
    Tensor q = in.q();
    inputs(in);
    check.cube("out", out, null, q.rows(), q.dim(1), q.dim(2));
    sameType("out", out, q);
    output("out", out, in);
    if (lse != null) {
      check.matrix("lse", lse, DType.F32, q.dim(1), q.rows());
      output("lse", lse, in);
      apart("out", out, "lse", lse);
    }
    SegmentArguments.rowsAndKeys(q, in.kv(), in.mask().hidden());
  }

  /** Room for the attention of a step, {@code [T, H·d]}, and what it is computed from. */
  void attended(Tensor attended, AttentionInputs in) {
    inputs(in);
    check.matrix("attended", attended, null, in.q().rows(), in.q().width());
    sameType("attended", attended, in.q());
    SegmentArguments.rowsAndKeys(in.q(), in.kv(), in.mask().hidden());
  }

  /** Queries, a cache and a mask that every device can take. */
  private void inputs(AttentionInputs in) {
    Tensor q = in.q();
    Kv kv = in.kv();
    Tensor hidden = in.mask().hidden();
    check.cube("q", q, null, -1, -1, -1);
    if (hidden != null) {
      check.vector("hidden", hidden, DType.U8, -1);
    }
    cache(q, kv);
    check.headSize("q", q);
    vectors("q", q, q.dim(2));
    vectors("k", kv.k(), q.dim(2));
    vectors("v", kv.v(), q.dim(2));
    if (hidden != null && kv.segments() == null && hidden.rows() < kv.k().rows()) {
      throw new IllegalArgumentException(
          "hidden: " + hidden + ", which is shorter than the " + kv.k().rows() + " keys of k");
    }
    if (!Float.isFinite(in.scale())) {
      throw new IllegalArgumentException("q: " + q + " with a scale of " + in.scale());
    }
  }

  /** Queries and the keys and values that go with them. */
  void cache(Tensor q, Kv kv) {
    int heads = q.dim(1);
    if (heads < 1 || heads > Arguments.MAX_HEADS || q.dim(2) < 1) {
      throw new IllegalArgumentException(
          "q: " + q + ", expected 1 to " + Arguments.MAX_HEADS + " heads of at least 1 channel");
    }
    check.cube("k", kv.k(), null, -1, -1, q.dim(2));
    check.cube("v", kv.v(), null, kv.k().rows(), kv.k().dim(1), q.dim(2));
    sameType("k", kv.k(), q);
    sameType("v", kv.v(), q);
    int keyHeads = kv.k().dim(1);
    if (keyHeads < 1 || heads % keyHeads != 0) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + ", whose heads do not divide the " + heads + " query heads");
    }
    if (kv.segments() != null) {
      segments.table(kv.segments());
    } else if (q.rows() > kv.k().rows()) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + ", which has no room for the " + q.rows() + " rows of the call");
    }
  }

  /** An output of an attention lies apart from all that it is given. */
  static void output(String role, Tensor out, AttentionInputs in) {
    writable(role, out);
    apart(role, out, "q", in.q());
    apart(role, out, "k", in.kv().k());
    apart(role, out, "v", in.kv().v());
    apart(role, out, "segments", SegmentArguments.table(in.kv()));
    apart(role, out, "hidden", in.mask().hidden());
  }

  // ---- column sums ----

  void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    columnSums(in, lse, rows, candidates);
    check.matrix("sums", sums, DType.F32, in.q().dim(1), candidates.count());
    columnSumsOutput("sums", sums, in, lse, candidates);
    columnSumsFit(in, rows, candidates);
  }

  /** An attention that was computed, whose rows are summed over the candidates among its keys. */
  void columnSums(AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    Tensor q = in.q();
    Segments segments = in.kv().segments();
    inputs(in);
    check.matrix("lse", lse, DType.F32, q.dim(1), q.rows());
    if (segments != null && segments.count() != 1) {
      throw new IllegalArgumentException(
          "segments: " + segments.table() + "; column sums are of one segment");
    }
    int most = segments == null ? q.rows() : Math.min(segments.rows(), q.rows());
    int keys = segments == null ? most : Math.min(segments.keys(), in.kv().k().rows());
    if (rows.to() > most) {
      throw new IllegalArgumentException(
          "rows: %s to %s of at most %s, where %s".formatted(rows.from(), rows.to(), most, q));
    }
    if (candidates.at() < 0 || candidates.count() < 0) {
      throw outside(candidates, keys, in);
    }
    among(candidates, keys, in);
    if (candidates.index() != null) {
      check.vector("candidates", candidates.index(), DType.I32, candidates.count());
    }
  }

  /** The same with the rows and keys that the one segment has, where Java can read them. */
  static void columnSumsFit(AttentionInputs in, Span rows, Candidates candidates) {
    Segments segments = in.kv().segments();
    SegmentArguments.rowsAndKeys(in.q(), in.kv(), in.mask().hidden());
    int of = in.q().rows();
    int keys = of;
    if (segments != null && segments.table().isReadable()) {
      of = segments.table().index(0, Segments.ROWS);
      keys = of == 0 ? 0 : segments.table().index(0, Segments.LENGTH) + of;
    } else if (segments != null) {
      keys = Math.min(segments.keys(), in.kv().k().rows());
    }
    if (rows.to() > of) {
      throw new IllegalArgumentException(
          "rows: %s to %s of %s, where %s".formatted(rows.from(), rows.to(), of, in.q()));
    }
    among(candidates, keys, in);
    if (candidates.index() != null) {
      indices("candidates", candidates.index(), keys - candidates.at());
    }
  }

  /** Candidates without a list lie one after the other; those of a list begin within the keys. */
  private static void among(Candidates candidates, int keys, AttentionInputs in) {
    long next = candidates.index() != null ? 0 : candidates.count();
    if (candidates.at() + next > keys) {
      throw outside(candidates, keys, in);
    }
  }

  private static IllegalArgumentException outside(
      Candidates candidates, int keys, AttentionInputs in) {
    return new IllegalArgumentException(
        "candidates: %s from key %s on, of %s keys, where %s"
            .formatted(candidates.count(), candidates.at(), keys, in.kv().k()));
  }

  /** An output of column sums, or of a selection by them. */
  static void columnSumsOutput(
      String role, Tensor out, AttentionInputs in, Tensor lse, Candidates candidates) {
    output(role, out, in);
    apart(role, out, "lse", lse);
    apart(role, out, "candidates", candidates.index());
  }
}
