package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.ReferenceDevice;
import starling.device.SegmentTable;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The cpu device, vector, scalar and without FMA, with inputs from a seed and results in Java's
 * arrays: what tests of its operators begin with.
 *
 * <p>Bounds: a sum of n products in float32, in any grouping, errs by at most n·2^-24 of the sum of
 * absolute products, in practice by about √n of that; the bounds of the tests are {@code 2^-24 ·
 * terms} with the inputs' own scale. Small whole numbers must come out exactly.
 */
abstract class CpuOperators {
  static final float EPS = 0x1p-24f;
  static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  final ReferenceDevice reference = new ReferenceDevice();
  CpuDevice vector;
  CpuDevice scalar;
  final List<CpuDevice> devices = new ArrayList<>();
  TensorArena arena;
  Random random;

  @BeforeEach
  void open() {
    vector = CpuDevice.open(2);
    scalar = new CpuDevice(2, new ScalarLanes());
    devices.addAll(List.of(vector, scalar));
    if (Lanes.best().getClass() == VectorLanes.class) {
      devices.add(new CpuDevice(2, new UnfusedLanes()));
    }
    arena = vector.arena("test");
    random = new Random(11);
  }

  @AfterEach
  void close() {
    arena.close();
    devices.forEach(CpuDevice::close);
  }

  List<CpuDevice> devices() {
    return devices;
  }

  Tensor floats(String name, float[] values, int... shape) {
    Tensor t = arena.alloc(name, DType.F32, shape);
    vector.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  Tensor gaussian(String name, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return floats(name, values, shape);
  }

  Tensor whole(String name, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = random.nextInt(7) - 3;
    }
    return floats(name, values, shape);
  }

  Tensor ints(String name, int... values) {
    Tensor t = arena.alloc(name, DType.I32, values.length);
    vector.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  Tensor like(String name, Tensor t, int... shape) {
    return arena.alloc(name, t.dtype(), shape);
  }

  float[] floats(Tensor t) {
    float[] values = new float[t.rows() * t.width()];
    reference.download(MemorySegment.ofArray(values), t);
    return values;
  }

  int[] ints(Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    reference.download(MemorySegment.ofArray(values), t);
    return values;
  }

  void assertNear(Tensor expected, Tensor actual, double bound) {
    float[] e = floats(expected);
    float[] a = floats(actual);
    for (int i = 0; i < e.length; i++) {
      // Not |e − a| > bound: NaN must fail.
      int at = i;
      assertTrue(
          Math.abs(e[i] - a[i]) <= bound,
          () -> actual.name() + "[" + at + "] is " + a[at] + ", not " + e[at] + " ± " + bound);
    }
  }

  static Linear.Source source(int out, int in, float[] weight, float[] bias) {
    return Linear.Source.of(
        StoredTensor.of("w", List.of(out, in), weight),
        bias == null ? null : StoredTensor.of("b", List.of(out), bias));
  }

  float[] gaussians(int n, double scale) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  // ---- attention ----

  /** Sizes of an attention: {@code rows} of a call behind {@code past} keys. */
  record Case(int rows, int past, int heads, int keyHeads, int d, boolean causal, boolean hidden) {}

  /** Keys and values of those sizes, in a cache with room for three more. */
  Kv kv(Case c) {
    int capacity = c.past + c.rows + 3;
    Tensor k = gaussian("k", capacity, c.keyHeads, c.d);
    Tensor v = gaussian("v", capacity, c.keyHeads, c.d);
    // What stands behind the keys must not matter.
    for (int row = c.past + c.rows; row < capacity; row++) {
      for (int i = 0; i < c.keyHeads * c.d; i++) {
        Rows.set(k, row, i, Float.NaN);
        Rows.set(v, row, i, Float.NaN);
      }
    }
    return new Kv(k, v, SegmentTable.one(vector, arena, c.rows, c.past, capacity));
  }
}
