package starling.device;

import java.util.List;

/**
 * Checks of an operator's arguments: types, shapes and open memory, before anything is computed.
 * What lies in device memory (lengths, indices) is checked by the device that can read it. Nothing
 * is allocated unless a check fails.
 */
public final class Arguments {
  private Arguments() {}

  /** Any type and rank up to 3. */
  public static void any(String role, Tensor t) {
    switch (t.rank()) {
      case 1 -> t.expect(role, t.dtype(), -1);
      case 2 -> t.expect(role, t.dtype(), -1, -1);
      default -> t.expect(role, t.dtype(), -1, -1, -1);
    }
  }

  public static void patchify(Tensor out, Tensor pixels, int patch) {
    pixels.expect("pixels", DType.F32, 3, -1, -1);
    int across = pixels.dim(2) / patch;
    out.expect("out", null, pixels.dim(1) / patch * across, 3 * patch * patch);
  }

  public static void embed(Tensor out, Tensor ids, Tensor table) {
    ids.expect("ids", DType.I32, -1);
    table.expect("table", null, -1, -1);
    out.expect("out", null, ids.rows(), table.width());
  }

  public static void layernorm(Tensor out, Tensor x, Norm norm) {
    norm(out, x, norm);
    norm.bias().expect("bias", null, x.width());
  }

  public static void rmsnorm(Tensor out, Tensor x, Norm norm) {
    norm(out, x, norm);
    if (norm.bias() != null) {
      throw new IllegalArgumentException("norm: an RMS norm has no bias");
    }
  }

  private static void norm(Tensor out, Tensor x, Norm norm) {
    x.expect("x", null, -1, -1);
    out.expect("out", null, x.rows(), x.width());
    norm.weight().expect("weight", null, x.width());
  }

  public static void gemm(
      Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    x.expect("x", null, -1, w.in());
    y.expect("y", null, x.rows(), activation == Activation.SILU_MUL ? w.out() / 2 : w.out());
    if (residual != null) {
      residual.expect("residual", null, x.rows(), y.width());
    }
    if (before != null) {
      before.weight().expect("before", null, w.in());
    }
    for (int i = 0; i < w.parts().size(); i++) {
      w.parts().get(i).expect("w", null, -1, w.in());
    }
  }

  public static void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    q.expect("q", null, -1, -1, -1);
    cache(q, kv);
    qkv.expect("qkv", null, q.rows(), (q.dim(1) + 2 * kv.k().dim(1)) * q.dim(2));
    positions.expect("positions", DType.I32, q.rows());
    table.cos().expect("cos", DType.F32, -1, -1);
    table.sin().expect("sin", DType.F32, table.cos().rows(), table.cos().width());
    if (kv.length() == null) {
      throw new IllegalArgumentException("kv: a cache needs a length");
    }
  }

  private static void cache(Tensor q, Kv kv) {
    kv.k().expect("k", null, -1, -1, q.dim(2));
    kv.v().expect("v", null, kv.k().rows(), kv.k().dim(1), q.dim(2));
    if (q.dim(1) % kv.k().dim(1) != 0) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + " does not divide the " + q.dim(1) + " query heads");
    }
    if (kv.length() != null) {
      kv.length().expect("length", DType.I32, 1);
    }
    room(q, kv, 0);
  }

  /** Whether {@code length} cached rows and those of the call fit. */
  public static void room(Tensor q, Kv kv, int length) {
    if (length + q.rows() > kv.k().rows()) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + " has no room for " + q.rows() + " rows behind " + length);
    }
  }

  private static void mask(Tensor q, Mask mask) {
    if (mask.hidden() != null) {
      mask.hidden().expect("hidden", DType.U8, -1);
      reach(mask, q.rows());
    }
  }

  /** Whether the mask covers {@code keys}. */
  public static void reach(Mask mask, int keys) {
    if (mask.hidden() != null && mask.hidden().rows() < keys) {
      throw new IllegalArgumentException(
          "hidden: " + mask.hidden() + " is shorter than the " + keys + " keys");
    }
  }

  public static void attention(Tensor out, Tensor lse, Tensor q, Kv kv, Mask mask) {
    q.expect("q", null, -1, -1, -1);
    out.expect("out", null, q.rows(), q.dim(1), q.dim(2));
    cache(q, kv);
    mask(q, mask);
    if (lse != null) {
      lse.expect("lse", DType.F32, q.dim(1), q.rows());
    }
  }

  /**
   * @param sums null where they are kept by the device
   */
  public static void attentionColsum(
      Tensor sums, Tensor q, Kv kv, Tensor lse, Mask mask, Span rows, Keys keys) {
    q.expect("q", null, -1, -1, -1);
    cache(q, kv);
    mask(q, mask);
    lse.expect("lse", DType.F32, q.dim(1), q.rows());
    if (sums != null) {
      sums.expect("sums", DType.F32, q.dim(1), keys.count());
    }
    if (rows.to() > q.rows()) {
      throw new IllegalArgumentException("rows: " + rows + " of " + q);
    }
    if (keys.index() == null) {
      keyRows(keys, kv.k().rows());
    } else {
      keys.index().expect("keys", DType.I32, keys.count());
    }
  }

  /** Whether consecutive candidates lie among {@code keys} keys. */
  public static void keyRows(Keys candidates, int keys) {
    if (candidates.at() + candidates.count() > keys) {
      throw new IllegalArgumentException(
          "keys: " + candidates.at() + " + " + candidates.count() + " of " + keys);
    }
  }

  public static void tokenSelect(Tensor keep, Tensor score, Tensor sums, Tensor fault) {
    sums.expect("sums", DType.F32, -1, -1);
    selection(keep, score, sums.width(), fault);
  }

  public static void selection(Tensor keep, Tensor score, int candidates, Tensor fault) {
    score.expect("score", DType.F32, candidates);
    keep.expect("keep", DType.I32, -1);
    fault.expect("fault", DType.I32, 1);
    if (keep.rows() > candidates) {
      throw new IllegalArgumentException("keep: " + keep + " of " + candidates + " candidates");
    }
  }

  public static void visprunerDedup(
      Tensor keep, Tensor score, Tensor features, int important, Tensor fault) {
    features.expect("features", null, -1, -1);
    selection(keep, score, features.rows(), fault);
    if (important < 0 || important > keep.rows()) {
      throw new IllegalArgumentException("important is " + important + " of " + keep.rows());
    }
  }

  public static void rowMap(Tensor rows, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts) {
    positionsIn.expect("positionsIn", DType.I32, -1);
    int stay = positionsIn.rows() - cuts(cuts, positionsIn.rows());
    rows.expect("rows", DType.I32, stay);
    positionsOut.expect("positionsOut", DType.I32, stay);
  }

  /** Returns how many rows they drop. */
  private static int cuts(List<Cut> cuts, int rows) {
    int dropped = 0;
    int end = 0;
    for (int i = 0; i < cuts.size(); i++) {
      Cut cut = cuts.get(i);
      cut.keep().expect("keep", DType.I32, -1);
      if (cut.at() < end || cut.at() + cut.count() > rows) {
        throw new IllegalArgumentException(
            "cuts: rows "
                + cut.at()
                + " + "
                + cut.count()
                + " do not follow "
                + end
                + " within "
                + rows);
      }
      end = cut.at() + cut.count();
      dropped += cut.count() - cut.keep().rows();
    }
    return dropped;
  }

  public static void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    rows.expect("rows", DType.I32, -1);
    for (int n = 0; n < out.size(); n++) {
      in.get(n).expect("in", in.get(n).dtype(), -1, -1);
      out.get(n).expect("out", in.get(n).dtype(), rows.rows(), in.get(n).width());
    }
  }

  public static void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    in.expect("in", null, -1, -1);
    index.expect("index", DType.I32, -1, -1);
    weight.expect("weight", DType.F32, index.rows(), index.width());
    out.expect("out", null, index.rows(), in.width());
  }

  public static void compactRows(List<Kv> kv, Tensor rows) {
    rows.expect("rows", DType.I32, -1);
    for (int l = 0; l < kv.size(); l++) {
      Kv layer = kv.get(l);
      layer.k().expect("k", null, -1, -1, -1);
      layer.v().expect("v", null, layer.k().rows(), layer.k().dim(1), layer.k().dim(2));
    }
  }

  public static void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts) {
    positionsIn.expect("positionsIn", DType.I32, -1);
    positionsOut.expect("positionsOut", DType.I32, positionsIn.rows());
    hidden.expect("hidden", DType.U8, -1);
    if (hidden.rows() < positionsIn.rows()) {
      throw new IllegalArgumentException(
          "hidden: " + hidden + " is shorter than the " + positionsIn.rows() + " rows");
    }
    cuts(cuts, positionsIn.rows());
  }

  public static void sample(Tensor id, Tensor logits, Tensor step, Tensor fault) {
    id.expect("id", DType.I32, 1);
    logits.expect("logits", DType.F32, 1, -1);
    step.expect("step", DType.I32, 1);
    fault.expect("fault", DType.I32, 1);
  }

  /** Host memory of an upload or a download: large enough, open, and of this thread. */
  public static void host(String role, java.lang.foreign.MemorySegment segment, long bytes) {
    if (segment.byteSize() < bytes) {
      throw new IllegalArgumentException(
          role + " has " + segment.byteSize() + " bytes, " + bytes + " are needed");
    }
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException(role + ": its memory is already closed");
    }
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(role + ": its memory belongs to another thread");
    }
  }
}
