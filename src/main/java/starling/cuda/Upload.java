package starling.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import starling.device.DType;
import starling.device.Device;
import starling.device.Linear;
import starling.device.PlainFormat;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Puts what a checkpoint stores on the device: blocks decoded, rounded to the run's type, heads
 * widened with zeros, a few rows at a time through one piece of host memory. No address inside a
 * mapped file reaches a kernel.
 */
final class Upload {
  private static final long PIECE_BYTES = 4 << 20;

  private final Device device;
  private final Set<String> decoded = new ConcurrentSkipListSet<>();

  Upload(Device device) {
    this.device = device;
  }

  /**
   * "q8_0 to bf16": what matrices were stored in that no kernel reads; empty if there were none.
   */
  String decoded() {
    return String.join(", ", decoded);
  }

  Tensor table(TensorArena arena, DType dtype, StoredTensor stored) {
    int[] shape = stored.shape().stream().mapToInt(d -> d).toArray();
    Tensor table = arena.alloc(stored.name(), dtype, shape);
    copy(table, stored, Heads.NONE, Heads.NONE);
    return table;
  }

  /** All parts in one matrix, one below the other. */
  Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    List<StoredTensor> weights = source.weights();
    var in = Heads.of(source.inHead(), device);
    var out = Heads.of(source.outHead(), device);
    int columns = in.padded(width(weights.get(0)));
    int rows = weights.stream().mapToInt(w -> out.padded(w.shape().get(0))).sum();
    Tensor matrix = arena.alloc(weights.get(0).name(), dtype, rows, columns);
    int at = 0;
    for (StoredTensor weight : weights) {
      int count = out.padded(weight.shape().get(0));
      copy(matrix.rows(at, at + count), weight, out, in);
      at += count;
      if (!weight.format().isPlain()) {
        decoded.add(weight.format().name() + " to " + dtype.label());
      }
    }
    boolean biased = source.biases().stream().anyMatch(b -> b != null);
    Tensor bias = biased ? bias(arena, dtype, source, out, rows) : null;
    return new NativeLinear(matrix, bias);
  }

  private static int width(StoredTensor weight) {
    return (int) (weight.elements() / weight.shape().get(0));
  }

  /** f32, of values rounded to the run's type. */
  private Tensor bias(TensorArena arena, DType dtype, Linear.Source source, Heads heads, int rows) {
    float[] values = new float[rows];
    int at = 0;
    for (int i = 0; i < source.weights().size(); i++) {
      int count = source.weights().get(i).shape().get(0);
      StoredTensor bias = source.biases().get(i);
      for (int j = 0; j < count && bias != null; j++) {
        values[at + heads.place(j)] = dtype.value(dtype.bits(bias.get(j)));
      }
      at += heads.padded(count);
    }
    Tensor bias = arena.alloc("bias", DType.F32, rows);
    device.upload(bias, MemorySegment.ofArray(values));
    return bias;
  }

  private void copy(Tensor to, StoredTensor from, Heads rowHeads, Heads columnHeads) {
    if (from.elements() == 0) {
      return;
    }
    int columns = to.rank() == 1 ? 1 : (int) (from.elements() / from.shape().get(0));
    int width = to.width();
    int piece = (int) Math.max(1, Math.min(to.rows(), PIECE_BYTES / ((long) width * 4)));
    float[] values = new float[columns];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment rows = arena.allocate((long) piece * width * to.dtype().bytes(), 16);
      for (int first = 0; first < to.rows(); first += piece) {
        int count = Math.min(piece, to.rows() - first);
        rows.fill((byte) 0);
        for (int r = 0; r < count; r++) {
          int source = rowHeads.source(first + r);
          if (source >= 0) {
            long at = (long) r * width;
            row(rows, at, from, (long) source * columns, values, columnHeads, to.dtype());
          }
        }
        device.upload(
            to.rows(first, first + count),
            rows.asSlice(0, (long) count * width * to.dtype().bytes()));
      }
    }
  }

  private static void row(
      MemorySegment to,
      long at,
      StoredTensor from,
      long start,
      float[] values,
      Heads heads,
      DType dtype) {
    int bytes = dtype.bytes();
    int n = values.length;
    if (from.format().equals(new PlainFormat(dtype)) && heads.equals(Heads.NONE)) {
      MemorySegment.copy(from.bytes(), start * bytes, to, at * bytes, (long) n * bytes);
      return;
    }
    from.load(start, n, values, 0);
    for (int i = 0; i < n; i++) {
      long place = (at + heads.place(i)) * bytes;
      int bits = dtype.bits(values[i]);
      if (bytes == 4) {
        to.set(ValueLayout.JAVA_INT_UNALIGNED, place, bits);
      } else {
        to.set(ValueLayout.JAVA_SHORT_UNALIGNED, place, (short) bits);
      }
    }
  }

  /** Channels of {@code size}-wide heads inside {@code capacity}-wide ones. */
  private record Heads(int size, int capacity) {
    static final Heads NONE = new Heads(1, 1);

    static Heads of(int size, Device device) {
      return size == 0 || device.headSize(size) == size
          ? NONE
          : new Heads(size, device.headSize(size));
    }

    int padded(int n) {
      return n / size * capacity;
    }

    int place(int i) {
      return i / size * capacity + i % size;
    }

    /** The channel at a place, or −1 where there is only padding. */
    int source(int place) {
      return place % capacity < size ? place / capacity * size + place % capacity : -1;
    }
  }
}
