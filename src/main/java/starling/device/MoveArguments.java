package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.ascending;
import static starling.device.TensorChecks.indices;
import static starling.device.TensorChecks.sameType;
import static starling.device.TensorChecks.vectors;
import static starling.device.TensorChecks.writable;

import java.util.List;

/** Arguments of what moves rows or adds them up, by index. */
final class MoveArguments {
  private final TensorChecks check;

  MoveArguments(TensorChecks check) {
    this.check = check;
  }

  void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    check.vector("rows", rows, DType.I32, -1);
    if (out.isEmpty() || out.size() > Arguments.MAX_GATHERS || out.size() != in.size()) {
      throw new IllegalArgumentException(
          "out: %s tensors for %s; they come in pairs, 1 to %s"
              .formatted(out.size(), in.size(), Arguments.MAX_GATHERS));
    }
    for (int n = 0; n < out.size(); n++) {
      Tensor to = out.get(n);
      Tensor from = in.get(n);
      check.matrix("out", to, from.type(), rows.rows(), from.width());
      check.matrix("in", from, from.type(), -1, -1);
      writable("out", to);
      apart("out", to, "rows", rows);
      indices("rows", rows, from.rows());
    }
    for (int n = 0; n < out.size(); n++) {
      for (int i = 0; i < in.size(); i++) {
        apart("out", out.get(n), "in", in.get(i));
        if (i < n) {
          apart("out", out.get(n), "another out", out.get(i));
        }
      }
    }
  }

  void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    check.matrix("in", in, null, -1, -1);
    check.matrix("index", index, DType.I32, -1, -1);
    check.matrix("weight", weight, DType.F32, index.rows(), index.width());
    check.matrix("out", out, null, index.rows(), in.width());
    sameType("out", out, in);
    writable("out", out);
    apart("out", out, "in", in);
    apart("out", out, "index", index);
    apart("out", out, "weight", weight);
    indices("index", index, in.rows());
  }

  void compactRows(List<Kv> kv, Tensor rows) {
    check.vector("rows", rows, DType.I32, -1);
    if (kv.isEmpty()) {
      return;
    }
    Tensor first = kv.get(0).k();
    check.cube("k", first, null, -1, -1, -1);
    for (int l = 0; l < kv.size(); l++) {
      Tensor k = kv.get(l).k();
      Tensor v = kv.get(l).v();
      cache("k", k, first, rows);
      cache("v", v, first, rows);
      if (v.rows() != k.rows()) {
        throw new IllegalArgumentException("v: " + v + ", but " + k);
      }
      ascending("rows", rows, k.rows());
      apart("k", k, "v", v);
      for (int before = 0; before < l; before++) {
        apartFrom(kv.get(before), "k", k);
        apartFrom(kv.get(before), "v", v);
      }
    }
    check.headSize("k", first);
  }

  /** Keys or values of a layer, whose rows are of one kind with those of the first layer. */
  private void cache(String role, Tensor t, Tensor first, Tensor rows) {
    check.cube(role, t, null, -1, first.dim(1), first.dim(2));
    vectors(role, t, t.dim(2));
    writable(role, t);
    apart(role, t, "rows", rows);
    if (t.type() != first.type() || t.rowStride() != first.rowStride()) {
      throw new IllegalArgumentException("kv: " + t + " and " + first + " differ in their rows");
    }
    if (rows.rows() > t.rows()) {
      throw new IllegalArgumentException(
          "rows: " + rows + ", more than " + role + " has, where " + t);
    }
  }

  private static void apartFrom(Kv earlier, String role, Tensor t) {
    apart(role, t, "another k", earlier.k());
    apart(role, t, "another v", earlier.v());
  }
}
