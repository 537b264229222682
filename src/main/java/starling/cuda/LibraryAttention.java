package starling.cuda;

import java.lang.foreign.MemorySegment;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The operator {@code attention} around cuDNN's: lengths before it, and after it the row statistics
 * to base 2, which column sums read. The first result of every shape is held against our own
 * kernel's, so that a library that computes something else is not believed.
 */
final class LibraryAttention implements AutoCloseable {
  /** Fewer are our own kernel's that splits the keys: DECODE_ROWS of {@code attention_decode.h}. */
  static final int MIN_ROWS = 5;

  private final NativeDevice device;
  private final TensorArena arena;
  private final Tensor lengths; // queries, keys
  private final CudnnAttention library;

  /**
   * @param stream the device's own, as cuDNN takes it
   */
  LibraryAttention(NativeDevice device, MemorySegment stream) {
    this.device = device;
    this.library = new CudnnAttention(device, stream);
    this.arena = device.arena("cudnn");
    try {
      this.lengths = arena.alloc("lengths", DType.I32, 2);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * Hidden keys, f32, few rows and segments beside others are our own kernel's, and with older
   * versions every mask.
   */
  boolean takes(AttentionInputs in) {
    Tensor q = in.q();
    Segments segments = in.kv().segments();
    boolean plain = !in.mask().causal() && segments == null;
    return q.rows() >= MIN_ROWS
        && q.dtype() != DType.F32
        && in.mask().hidden() == null
        && (segments == null || alone(in, segments))
        && (plain || CudnnAttention.masks());
  }

  /** The one segment of q, whose keys are all of k: it begins at their first row. */
  private static boolean alone(AttentionInputs in, Segments segments) {
    return segments.count() == 1
        && segments.rows() == in.q().rows()
        && segments.keys() >= in.kv().k().rows();
  }

  void attention(Tensor out, Tensor lse, AttentionInputs in) {
    Tensor q = in.q();
    Kv kv = in.kv();
    if (kv.segments() != null) {
      device.sequenceLengths(lengths, kv.segments());
    }
    var shape =
        new CudnnAttention.Shape(
            q.rows(),
            kv.segments() == null ? q.rows() : kv.k().rows(),
            q.dim(1),
            kv.k().dim(1),
            q.dim(2),
            q.rowStride(),
            kv.k().rowStride(),
            kv.v().rowStride(),
            out.rowStride(),
            lse == null ? 0 : lse.rowStride(),
            in.mask().causal(),
            kv.segments() != null,
            q.dtype());
    boolean first =
        library.attend(
            shape,
            new CudnnAttention.Call(
                device.address(out),
                device.address(lse),
                device.address(q),
                device.address(kv.k()),
                device.address(kv.v()),
                device.address(lengths),
                in.scale()));
    if (lse != null) {
      device.lseFromNatural(lse);
    }
    if (first) {
      try {
        compare(out, lse, in);
      } catch (RuntimeException e) {
        library.forget(shape);
        throw e;
      }
    }
  }

  private void compare(Tensor out, Tensor lse, AttentionInputs in) {
    Tensor q = in.q();
    try (TensorArena own = device.arena("cudnn check")) {
      Tensor expected = own.alloc("out", q.dtype(), q.rows(), q.dim(1), q.dim(2));
      Tensor expectedLse = own.alloc("lse", DType.F32, q.dim(1), q.rows());
      device.ownAttention(expected, expectedLse, in);
      // Probabilities and results are rounded to the type on either side.
      double bound = q.dtype() == DType.BF16 ? 0x1p-6 : 0x1p-9;
      compare("output", device.floats(expected), device.floats(out), bound, q);
      if (lse != null) {
        compare("row statistics", device.floats(expectedLse), device.floats(lse), 0x1p-10, q);
      }
    }
  }

  /**
   * By the largest difference, as a part of the largest value. Where ours is not finite the weights
   * are at fault, which is found elsewhere.
   */
  private static void compare(String what, float[] own, float[] theirs, double bound, Tensor q) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < own.length; i++) {
      if (!Float.isFinite(own[i])) {
        continue;
      }
      largest = Math.max(largest, Math.abs(own[i]));
      double d = Math.abs(own[i] - theirs[i]);
      difference = d >= difference || Double.isNaN(d) ? d : difference;
    }
    if (!(difference <= bound * largest)) {
      throw new IllegalStateException(
          "cuDNN's attention is not ours: its "
              + what
              + " for "
              + q
              + " differs by "
              + difference
              + " where the largest is "
              + largest);
    }
  }

  @Override
  public void close() {
    library.close();
    arena.close();
  }
}
