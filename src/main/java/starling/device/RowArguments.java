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

  void gemm(Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    check.matrix("x", x, null, -1, w.in());
    boolean gated = activation == Activation.SILU_MUL;
    if (gated && w.out() % 2 != 0) {
      throw new IllegalArgumentException("w: " + w + ", an odd number of gates and ups");
    }
    weights(w, x, y);
    check.matrix("y", y, null, x.rows(), gated ? w.out() / 2 : w.out());
    if (y.type() != DType.F32) {
      sameType("y", y, x);
    }
    vectors("x", x);
    writable("y", y);
    apart("y", y, "x", x);
    if (residual != null) {
      check.matrix("residual", residual, null, x.rows(), y.width());
      sameType("residual", residual, y);
      apartOrSame("y", y, "residual", residual);
    }
    if (before != null) {
      norm("before", "before's bias", x, before, y);
    }
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
