package starling.nvidia;

import java.lang.foreign.MemorySegment;
import java.util.List;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * The operator {@code attention} around cuDNN's: lengths before it, and after it the row statistics
 * to base 2, which column sums read. The first result of every shape is held against our own
 * kernel's, so that a library that computes something else is not believed.
 */
public final class LibraryAttention implements AutoCloseable {
  /** Fewer are our own kernel's that splits the keys: DECODE_ROWS of {@code attention_decode.h}. */
  static final int MIN_ROWS = 5;

  private final LibraryHost host;
  private final TensorArena arena;
  private final Tensor lengths; // queries, keys
  private final CudnnAttention library;

  /**
   * @throws InputException if the library is not there, too old or cannot start, with the reason
   */
  public LibraryAttention(LibraryHost host) {
    this.host = host;
    this.library = new CudnnAttention(host);
    this.arena = host.arena("cudnn");
    try {
      this.lengths = arena.alloc("lengths", DType.I32, 2);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Places where cuDNN was looked for, one line each with what came of it. */
  public static List<String> tried() {
    return CudnnAttention.library().lines();
  }

  /** "cuDNN 9.24.0"; a library is loaded. */
  public static String version() {
    return CudnnAttention.version();
  }

  /**
   * Whether this attention is the library's. Hidden keys, f32, few rows, and a segment beside
   * others are left to our own kernel; with older versions every mask, too.
   */
  public boolean takes(AttentionInputs in) {
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

  /**
   * Attends, as {@code Device.attention} says.
   *
   * @param lse f32 {@code [H, T]}, or null
   * @throws InputException if the library has no kernel for the shape
   * @throws IllegalStateException if the library refuses, or gives something else than our kernel
   */
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    Kv kv = in.kv();
    if (kv.segments() != null) {
      host.sequenceLengths(lengths, kv.segments());
    }
    CudnnAttention.Shape shape = CudnnAttention.Shape.of(out, lse, in);
    boolean first =
        library.attend(
            shape,
            new CudnnAttention.Call(
                host.address(out),
                host.address(lse),
                host.address(in.q()),
                host.address(kv.k()),
                host.address(kv.v()),
                host.address(lengths),
                in.scale()));
    if (lse != null) {
      host.lseFromNatural(lse);
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
    try (TensorArena own = host.arena("cudnn check")) {
      Tensor expected = own.alloc("out", q.dtype(), q.rows(), q.dim(1), q.dim(2));
      Tensor expectedLse = own.alloc("lse", DType.F32, q.dim(1), q.rows());
      host.attention(expected, expectedLse, in);
      // Probabilities and results are rounded to the type on either side.
      double bound = q.dtype() == DType.BF16 ? 0x1p-6 : 0x1p-9;
      compare("output", floats(expected), floats(out), bound, q);
      if (lse != null) {
        compare("row statistics", floats(expectedLse), floats(lse), 0x1p-10, q);
      }
    }
  }

  /** Downloaded, row by row. */
  private float[] floats(Tensor t) {
    float[] values = new float[t.rows() * t.width()];
    if (t.dtype() == DType.F32) {
      host.download(MemorySegment.ofArray(values), t);
      return values;
    }
    short[] bits = new short[values.length];
    host.download(MemorySegment.ofArray(bits), t);
    for (int i = 0; i < bits.length; i++) {
      values[i] = t.dtype().value(bits[i]);
    }
    return values;
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
          ("cuDNN's attention differs from our kernel's: its %s for %s by %s, where the largest value"
                  + " is %s; choose --attention own")
              .formatted(what, q, difference, largest));
    }
  }

  @Override
  public void close() {
    library.close();
    arena.close();
  }
}
