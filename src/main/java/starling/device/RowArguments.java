package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.apartOrSame;
import static starling.device.TensorChecks.indices;
import static starling.device.TensorChecks.sameType;
import static starling.device.TensorChecks.size;
import static starling.device.TensorChecks.vectors;
import static starling.device.TensorChecks.writable;

/** Arguments of what works on rows of channels: inputs, norms and products. */
final class RowArguments {
  private final TensorChecks check;

  RowArguments(TensorChecks check) {
    this.check = check;
  }

  void patchify(Tensor out, Tensor pixels, int patch) {
    check.cube("pixels", pixels, DType.F32, 3, -1, -1);
    if (patch < 1 || patch > pixels.dim(1) || patch > pixels.dim(2)) {
      throw new IllegalArgumentException(
          "pixels: " + pixels + ", in which no patch of " + patch + " fits");
    }
    int patches = size((long) (pixels.dim(1) / patch) * (pixels.dim(2) / patch));
    check.matrix("out", out, null, patches, size(3L * patch * patch));
    writable("out", out);
    apart("out", out, "pixels", pixels);
  }

  void embed(Tensor out, Tensor ids, Tensor table) {
    check.vector("ids", ids, DType.I32, -1);
    check.matrix("table", table, null, -1, -1);
    check.matrix("out", out, null, ids.rows(), table.width());
    sameType("table", table, out);
    writable("out", out);
    apart("out", out, "ids", ids);
    apart("out", out, "table", table);
    indices("ids", ids, table.rows());
  }

  // ---- norms ----

  void layernorm(Tensor out, Tensor x, Norm norm) {
    if (norm.bias() == null) {
      throw new IllegalArgumentException("norm: a layer norm needs a bias");
    }
    normalise(out, x, norm);
  }

  void rmsnorm(Tensor out, Tensor x, Norm norm) {
    if (norm.bias() != null) {
      throw new IllegalArgumentException("norm: an RMS norm has no bias");
    }
    normalise(out, x, norm);
  }

  private void normalise(Tensor out, Tensor x, Norm norm) {
    check.matrix("x", x, null, -1, -1);
    if (x.width() == 0) {
      throw new IllegalArgumentException("x: " + x + ", rows without elements");
    }
    check.matrix("out", out, null, x.rows(), x.width());
    norm("weight", "bias", x, norm, out);
    sameType("out", out, x);
    vectors("x", x);
    writable("out", out);
    apartOrSame("out", out, "x", x);
  }

  /** A norm of {@code x}'s rows, whose result goes to {@code out}. */
  private void norm(String weightRole, String biasRole, Tensor x, Norm norm, Tensor out) {
    perChannel(weightRole, norm.weight(), x, out);
    if (norm.bias() != null) {
      perChannel(biasRole, norm.bias(), x, out);
    }
    if (!(norm.eps() >= 0 && norm.eps() <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException(
          weightRole + ": " + norm.weight() + " with an eps of " + norm.eps());
    }
  }

  /** One number for each channel of {@code x}. */
  private void perChannel(String role, Tensor t, Tensor x, Tensor out) {
    check.vector(role, t, null, x.width());
    sameType(role, t, x);
    vectors(role, t);
    apart("out", out, role, t);
  }

  // ---- products ----

  void gemm(
      Tensor y,
      Tensor x,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    product(y, x, w, activation, residual, around.rows(), around.statistics());
    if (before != null) {
      norm("before", "before's bias", x, before, y);
    }
    Tensor statistics = around.statistics();
    if (around.known() != null) {
      known(around.known(), y, x, before);
      apart("statistics", statistics, "known", around.known());
    }
    if (before != null) {
      apart("statistics", statistics, "before", before.weight());
      apart("statistics", statistics, "before's bias", before.bias());
    }
  }

  /** A product without a norm. */
  void product(
      Tensor y,
      Tensor x,
      Linear w,
      Activation activation,
      Tensor residual,
      Tensor rows,
      Tensor statistics) {
    check.matrix("x", x, null, -1, w.in());
    boolean gated = activation == Activation.SILU_MUL;
    if (gated && w.out() % 2 != 0) {
      throw new IllegalArgumentException("w: " + w + ", an odd number of gates and ups");
    }
    if (rows != null) {
      check.vector("rows", rows, DType.I32, -1);
    }
    weights(w, x, y);
    int of = rows == null ? x.rows() : rows.rows();
    check.matrix("y", y, null, of, gated ? w.out() / 2 : w.out());
    if (y.type() != DType.F32) {
      sameType("y", y, x);
    }
    vectors("x", x);
    writable("y", y);
    apart("y", y, "x", x);
    apart("y", y, "rows", rows);
    if (residual != null) {
      check.matrix("residual", residual, null, x.rows(), y.width());
      sameType("residual", residual, y);
      if (rows == null) {
        apartOrSame("y", y, "residual", residual);
      } else {
        apart("y", y, "residual", residual);
      }
    }
    if (statistics != null) {
      statistics(statistics, y, x, w, residual, rows);
    }
    if (rows != null) {
      indices("rows", rows, x.rows());
    }
  }

  // ---- statistics ----

  void rowStatistics(Tensor statistics, Tensor x) {
    check.matrix("x", x, null, -1, -1);
    if (x.width() == 0) {
      throw new IllegalArgumentException("x: " + x + ", rows without elements");
    }
    vectors("x", x);
    parts("statistics", statistics, x.rows(), x);
    writable("statistics", statistics);
    apart("statistics", statistics, "x", x);
  }

  /** Pairs of numbers of rows like those of {@code x}, of parts that all have columns. */
  private void parts(String role, Tensor statistics, int rows, Tensor x) {
    check.matrix(role, statistics, DType.F32, rows, -1);
    int parts = statistics.width() / 2;
    if (statistics.width() % 2 != 0 || parts < 1 || !ProductRows.fit(parts, x.width())) {
      throw new IllegalArgumentException(
          role + ": " + statistics + ", which are no pairs of numbers for each part of " + x);
    }
  }

  private void known(Tensor known, Tensor y, Tensor x, Norm before) {
    if (before == null) {
      throw new IllegalArgumentException("known: " + known + ", and no norm that they are for");
    }
    parts("known", known, y.rows(), x);
    apart("y", y, "known", known);
  }

  /** Those that a product leaves of {@code y}. */
  private void statistics(
      Tensor statistics, Tensor y, Tensor x, Linear w, Tensor residual, Tensor rows) {
    int parts = ProductRows.parts(y.rows(), y.width());
    check.matrix("statistics", statistics, DType.F32, y.rows(), 2 * parts);
    writable("statistics", statistics);
    apart("y", y, "statistics", statistics);
    apart("statistics", statistics, "x", x);
    apart("statistics", statistics, "residual", residual);
    apart("statistics", statistics, "rows", rows);
    for (int i = 0; i < w.parts().size(); i++) {
      apart("statistics", statistics, "w", w.parts().get(i));
    }
    apart("statistics", statistics, "bias", w.bias());
  }

  /** Its shapes are as they were when a device made it; its memory may be closed since then. */
  private void weights(Linear w, Tensor x, Tensor y) {
    for (int i = 0; i < w.parts().size(); i++) {
      check.open("w", w.parts().get(i));
      apart("y", y, "w", w.parts().get(i));
    }
    if (w.activations() != x.type()) {
      throw new IllegalArgumentException("w: " + w + ", but " + x);
    }
    if (w.bias() != null) {
      check.open("bias", w.bias());
      apart("y", y, "bias", w.bias());
    }
  }
}
