package starling.bench;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;
import starling.device.DType;
import starling.device.Device;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * The tensors of one operator on one device, made from a seed: two devices get the same numbers,
 * and another seed gives others everywhere. Outputs lie between guard rows; before a checked run
 * they hold NaN (whole numbers: -2139062144), so what a kernel did not write cannot pass.
 */
final class Inputs {
  private static final int GUARD_BYTES = 65_536;
  private static final long SEED = 20_251_125;

  /** Tensors pass through arrays of the host. */
  private static final long MAX_BYTES = Integer.MAX_VALUE - 2 * GUARD_BYTES - 1024;

  private static final byte POISON = (byte) 0x80;
  private static final int NAN_BITS = 0x7fc07fc0; // NaN as f32, and as two bf16; near enough in f16
  private static final short F16_NAN = 0x7e00;

  /**
   * An output.
   *
   * @param whole the tensor with the guard rows around it
   * @param before bits that it holds before a checked run; null for poison
   */
  private record Slot(Tensor tensor, Tensor whole, int[] before) {}

  final Device device;
  final TensorArena arena;
  final DType dtype;
  final int seed;
  private final Random random;
  private final List<Tensor> inputs = new ArrayList<>();
  private final List<Slot> outputs = new ArrayList<>();

  Inputs(Device device, TensorArena arena, DType dtype, int seed) {
    this.device = device;
    this.arena = arena;
    this.dtype = dtype;
    this.seed = seed;
    this.random = new Random(SEED + seed);
  }

  /** Elements of a tensor that is small enough; found out before anything is made of that size. */
  private static int elements(String name, DType type, int... shape) {
    double bytes = type.bytes();
    for (int n : shape) {
      bytes *= n;
    }
    if (bytes > MAX_BYTES) {
      throw new InputException(
          String.format(
              Locale.ROOT,
              "%s would take %.1f GB; the bench makes tensors of at most %.1f GB",
              name,
              bytes / 1e9,
              MAX_BYTES / 1e9));
    }
    return IntStream.of(shape).reduce(1, Math::multiplyExact);
  }

  /** Puts a NaN and an infinity into an input, a third of it apart. */
  void spoil(String name) {
    Tensor t = inputs.stream().filter(i -> i.name().equals(name)).findFirst().orElseThrow();
    float[] values = {Float.NaN, Float.POSITIVE_INFINITY};
    for (int i = 0; i < values.length; i++) {
      int at = (int) ((i + 1L) * t.rows() * t.width() / 3);
      int row = at / t.width();
      int column = at % t.width();
      device.upload(
          t.rows(row, row + 1).columns(column, column + 1),
          packed(t.dtype(), new int[] {t.dtype().bits(values[i])}));
    }
  }

  private Tensor input(Tensor t) {
    inputs.add(t);
    return t;
  }

  /** Puts the numbers of another seed into these tensors, where they lie. */
  void take(Inputs other) {
    for (int i = 0; i < inputs.size(); i++) {
      Tensor from = other.inputs.get(i);
      byte[] bytes = new byte[Math.multiplyExact(from.rows() * from.width(), from.dtype().bytes())];
      device.download(MemorySegment.ofArray(bytes), from);
      device.upload(inputs.get(i), MemorySegment.ofArray(bytes));
    }
    for (int i = 0; i < outputs.size(); i++) {
      Slot s = outputs.get(i);
      outputs.set(i, new Slot(s.tensor, s.whole, other.outputs.get(i).before));
    }
  }

  private float[] gaussians(double scale, int n) {
    // One block of numbers, repeated from odd places: a Gaussian for each of 45 million costs
    // seconds.
    float[] block = new float[Math.min(n, 65_521)];
    for (int i = 0; i < block.length; i++) {
      block[i] = (float) (scale * random.nextGaussian());
    }
    float[] values = new float[n];
    for (int at = 0; at < n; at += block.length) {
      System.arraycopy(block, 0, values, at, Math.min(block.length, n - at));
    }
    return values;
  }

  /** Gaussian numbers of the run's type. */
  Tensor floats(String name, double scale, int... shape) {
    return floats(name, dtype, scale, shape);
  }

  Tensor floats(String name, DType type, double scale, int... shape) {
    return table(name, type, gaussians(scale, elements(name, DType.F32, shape)), shape);
  }

  /** Whole numbers of −3 to 3: sums of their products are exact. */
  Tensor whole(String name, int... shape) {
    float[] values = new float[elements(name, DType.F32, shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(7) - 3;
    }
    return table(name, dtype, values, shape);
  }

  private Tensor table(String name, DType type, float[] values, int... shape) {
    int rows = shape[0];
    int width = values.length / rows;
    List<Integer> flat = shape.length == 1 ? List.of(rows) : List.of(rows, width);
    Tensor t = input(device.table(arena, type, StoredTensor.of(name, flat, values)));
    return shape.length == 3 ? t.split(shape[1], shape[2]) : t;
  }

  /** Pixels or other planes, f32. */
  Tensor planes(String name, int channels, int height, int width) {
    float[] values = gaussians(1, elements(name, DType.F32, channels, height, width));
    Tensor t = input(arena.alloc(name, DType.F32, channels, height, width));
    device.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  Tensor ints(String name, int... values) {
    return ints(name, values, values.length);
  }

  Tensor ints(String name, int[] values, int... shape) {
    Tensor t = input(arena.alloc(name, DType.I32, shape));
    device.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  /** What an operator before this one has left on the device. */
  Tensor computed(String name, DType type, int... shape) {
    elements(name, type, shape);
    return input(arena.alloc(name, type, shape));
  }

  /** {@code k} of {@code 0 … n − 1}, spread evenly, ascending. */
  int[] spread(int k, int n) {
    int shift = seed % Math.max(1, n / k);
    return IntStream.range(0, k).map(i -> shift + (int) ((long) i * n / k)).toArray();
  }

  /** {@code n} numbers in a row. */
  int[] counting(int n) {
    return IntStream.range(seed, seed + n).toArray();
  }

  /** {@code n} numbers below {@code limit}. */
  int[] below(int limit, int n) {
    return IntStream.range(0, n).map(i -> random.nextInt(limit)).toArray();
  }

  Tensor out(String name, DType type, int... shape) {
    int width = elements(name, type, shape) / shape[0];
    int rowBytes = Math.max(1, width * type.bytes());
    int guard =
        shape.length == 1 ? GUARD_BYTES / type.bytes() : Math.ceilDiv(GUARD_BYTES, rowBytes);
    Tensor whole =
        shape.length == 1
            ? arena.alloc(name, type, shape[0] + 2 * guard)
            : arena.alloc(name, type, shape[0] + 2 * guard, width);
    Tensor t = whole.rows(guard, guard + shape[0]);
    t = shape.length == 3 ? t.split(shape[1], shape[2]) : t;
    outputs.add(new Slot(t, whole, null));
    return t;
  }

  /** A tensor that the operator changes: it is put back before a checked run. */
  Tensor inOut(String name, DType type, int... values) {
    return inOut(name, type, values, values.length);
  }

  Tensor inOut(String name, DType type, int[] values, int... shape) {
    Tensor t = out(name, type, shape);
    outputs.set(outputs.size() - 1, new Slot(t, outputs.getLast().whole, values));
    return t;
  }

  /** The same for a cache of the run's type; it starts from Gaussian numbers. */
  Tensor cache(String name, int rows, int heads, int channels) {
    Tensor t = out(name, dtype, rows, heads, channels);
    int n = elements(name, DType.F32, rows, heads, channels);
    float[] values = gaussians(1, n);
    int[] bits = new int[n];
    Arrays.setAll(bits, i -> dtype.bits(values[i]));
    outputs.set(outputs.size() - 1, new Slot(t, outputs.getLast().whole, bits));
    return t;
  }

  List<Tensor> outputs() {
    return outputs.stream().map(Slot::tensor).toList();
  }

  /** Fills guards and outputs with poison, and what is changed in place with its first value. */
  void poison() {
    for (Slot s : outputs) {
      device.upload(s.whole, poisoned(s.whole.dtype(), (long) s.whole.rows() * s.whole.width()));
      if (s.before != null) {
        device.upload(s.tensor, packed(s.tensor.dtype(), s.before));
      }
    }
  }

  private static MemorySegment poisoned(DType type, long n) {
    return switch (type) {
      case F32 -> MemorySegment.ofArray(filled(new int[(int) n], NAN_BITS));
      case BF16 -> MemorySegment.ofArray(filled(new short[(int) n], (short) NAN_BITS));
      case F16 -> MemorySegment.ofArray(filled(new short[(int) n], F16_NAN));
      case I32, U8 -> {
        byte[] bytes = new byte[(int) n * type.bytes()];
        Arrays.fill(bytes, POISON);
        yield MemorySegment.ofArray(bytes);
      }
    };
  }

  private static int[] filled(int[] a, int value) {
    Arrays.fill(a, value);
    return a;
  }

  private static short[] filled(short[] a, short value) {
    Arrays.fill(a, value);
    return a;
  }

  private static MemorySegment packed(DType type, int[] bits) {
    if (type.bytes() == 4) {
      return MemorySegment.ofArray(bits);
    }
    if (type.bytes() == 1) {
      byte[] bytes = new byte[bits.length];
      for (int i = 0; i < bits.length; i++) {
        bytes[i] = (byte) bits[i];
      }
      return MemorySegment.ofArray(bytes);
    }
    short[] half = new short[bits.length];
    for (int i = 0; i < bits.length; i++) {
      half[i] = (short) bits[i];
    }
    return MemorySegment.ofArray(half);
  }

  /** The first output whose guard rows no longer hold poison, in words; null if all do. */
  String trespass() {
    for (Slot s : outputs) {
      int bytes = s.whole.dtype().bytes();
      int width = s.whole.width();
      byte[] all = new byte[Math.multiplyExact(s.whole.rows() * width, bytes)];
      device.download(MemorySegment.ofArray(all), s.whole);
      byte[] clean =
          poisoned(s.whole.dtype(), (long) s.whole.rows() * width)
              .toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
      int guard = (s.whole.rows() - s.tensor.rows()) / 2 * width * bytes;
      int end = all.length - guard;
      for (int i = 0; i < guard; i++) {
        if (all[end + i] != clean[end + i]) {
          return "it writes outside " + s.tensor.name() + ", " + i + " bytes behind its end";
        }
        if (all[guard - 1 - i] != clean[guard - 1 - i]) {
          return "it writes outside "
              + s.tensor.name()
              + ", "
              + (i + 1)
              + " bytes before its start";
        }
      }
    }
    return null;
  }

  /** Every element of an output, widened. */
  double[] values(Tensor t) {
    int n = t.rows() * t.width();
    double[] values = new double[n];
    switch (t.dtype()) {
      case I32 -> {
        int[] x = new int[n];
        device.download(MemorySegment.ofArray(x), t);
        Arrays.setAll(values, i -> x[i]);
      }
      case U8 -> {
        byte[] x = new byte[n];
        device.download(MemorySegment.ofArray(x), t);
        Arrays.setAll(values, i -> x[i]);
      }
      case F32 -> {
        float[] x = new float[n];
        device.download(MemorySegment.ofArray(x), t);
        Arrays.setAll(values, i -> x[i]);
      }
      case BF16, F16 -> {
        short[] x = new short[n];
        device.download(MemorySegment.ofArray(x), t);
        Arrays.setAll(values, i -> t.dtype().value(x[i]));
      }
    }
    return values;
  }
}
