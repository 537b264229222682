package starling.device;

import static starling.device.TensorChecks.vectors;
import static starling.device.TensorChecks.writable;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;

/** Arguments of what brings data to a device and back: tables, weights, uploads and downloads. */
final class MemoryArguments {
  private final TensorChecks check;

  MemoryArguments(TensorChecks check) {
    this.check = check;
  }

  void table(TensorArena arena, DType dtype, StoredTensor stored) {
    check.arena(arena, stored.name());
    floats(dtype, stored);
    if (stored.shape().isEmpty()) {
      throw new IllegalArgumentException(stored.name() + ": a table has at least one dimension");
    }
  }

  void linear(TensorArena arena, DType dtype, Linear.Source source) {
    int weights = source.weights().size();
    int biases = source.biases().size();
    if (weights == 0 || weights != biases) {
      throw new IllegalArgumentException(
          "source: %s weights with %s biases; each has one or null".formatted(weights, biases));
    }
    StoredTensor first = source.weights().get(0);
    check.arena(arena, first.name());
    for (int i = 0; i < weights; i++) {
      StoredTensor w = source.weights().get(i);
      floats(dtype, w);
      if (w.shape().size() != 2
          || w.elements() == 0
          || !w.shape().get(1).equals(first.shape().get(1))) {
        throw new IllegalArgumentException(
            w.name() + ": a weight of shape " + w.shape() + " beside one of " + first.shape());
      }
      heads(w, w.shape().get(0), source.outHead(), "rows");
      heads(w, w.shape().get(1), source.inHead(), "columns");
      bias(dtype, source.biases().get(i), w);
    }
  }

  private static void bias(DType dtype, StoredTensor bias, StoredTensor w) {
    if (bias == null) {
      return;
    }
    floats(dtype, bias);
    if (!bias.shape().equals(List.of(w.shape().get(0)))) {
      throw new IllegalArgumentException(
          bias.name() + ": a bias of shape " + bias.shape() + " for a weight of " + w.shape());
    }
  }

  private static void floats(DType dtype, StoredTensor stored) {
    boolean whole = stored.format() instanceof PlainFormat plain && !plain.dtype().isFloat();
    if (whole || !dtype.isFloat()) {
      String type = stored.format().name().toUpperCase(Locale.ROOT);
      throw new IllegalArgumentException(
          stored.name() + ": " + type + " as " + dtype + "; both must be float types");
    }
  }

  private static void heads(StoredTensor weight, int n, int head, String what) {
    if (head < 0 || (head > 0 && n % head != 0)) {
      throw new IllegalArgumentException(
          weight.name() + ": " + n + " " + what + " cannot be divided into heads of " + head);
    }
  }

  void asLinear(Tensor weight, Tensor bias) {
    check.matrix("w", weight, null, -1, -1);
    if (weight.rows() < 1 || weight.width() < 1) {
      throw new IllegalArgumentException("w: " + weight + ", a matrix without elements");
    }
    vectors("w", weight);
    if (bias != null) {
      check.vector("bias", bias, DType.F32, weight.rows());
    }
  }

  void upload(Tensor dst, MemorySegment src) {
    check.open("dst", dst);
    writable("dst", dst);
    host("src", src, hostBytes(dst));
  }

  void download(MemorySegment dst, Tensor src) {
    check.open("src", src);
    host("dst", dst, hostBytes(src));
    if (dst.isReadOnly()) {
      throw new IllegalArgumentException("dst: its memory is read-only");
    }
  }

  private static long hostBytes(Tensor t) {
    return (long) t.rows() * t.width() * t.dtype().bytes();
  }

  /** Host memory of an upload or a download: large enough, open, and of this thread. */
  private static void host(String role, MemorySegment segment, long bytes) {
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
