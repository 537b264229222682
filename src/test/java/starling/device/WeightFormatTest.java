package starling.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;

/**
 * A block format of the test's own ({@link EightBits}) on every device, beside f16 inside one
 * matrix: products against their definition in double, from the bytes as they are stored.
 */
class WeightFormatTest {
  private static final double UNIT = 0x1p-24;
  private static final List<DType> FLOATS = List.of(DType.F32, DType.BF16, DType.F16);

  private final List<Device> devices = new ArrayList<>();
  private Random random;

  @BeforeEach
  void open() {
    random = new Random(29);
    devices.add(CpuDevice.open(2));
    devices.add(CpuDevice.scalar());
    if (Files.exists(Native.HOST)) {
      devices.add(NativeDevice.open(DeviceType.EMULATED));
    } else {
      System.out.println("block formats not tried on emulated: " + Native.HOST + " is not there");
    }
  }

  @AfterEach
  void close() {
    devices.forEach(Device::close);
  }

  private static boolean readsBlocks(Device device) {
    return device.type() == DeviceType.CPU;
  }

  // ---- the format ----

  /** Scales of 0, subnormal and the largest, and all values, −128 too. */
  private static MemorySegment oddBlocks(int blocks) {
    int[] scales = {0, 1, 0x8001, 0x3c00, 0x7bff, 0xfbff, 0x2e66};
    var bytes = MemorySegment.ofArray(new byte[34 * blocks]);
    for (int b = 0; b < blocks; b++) {
      bytes.set(ValueLayout.JAVA_SHORT_UNALIGNED, 34L * b, (short) scales[b % scales.length]);
      for (int i = 0; i < 32; i++) {
        bytes.set(ValueLayout.JAVA_BYTE, 34L * b + 2 + i, (byte) (32 * b + i - 128));
      }
    }
    return bytes;
  }

  @Test
  void aRunIsDecodedFromAnywhereToAnywhere() {
    var format = new EightBits();
    MemorySegment bytes = oddBlocks(9);
    var stored = new StoredTensor("odd", format, List.of(8, 32), bytes.asSlice(34));
    for (int from = 0; from < 8 * 32; from += 5) {
      for (int n = 0; n <= 256 - from; n += 3) {
        float[] expected = new float[n + 3];
        Arrays.fill(expected, 7);
        float[] own = expected.clone();
        float[] byDefault = expected.clone();
        for (int i = 0; i < n; i++) {
          int element = from + i;
          expected[3 + i] = (float) eightBits(bytes, 34, element);
        }
        float[] ofTensor = expected.clone();
        Arrays.fill(ofTensor, 3, n + 3, 0);
        stored.load(from, n, ofTensor, 3);
        assertArrayEquals(expected, ofTensor);
        assertEquals((float) eightBits(bytes, 34, from), stored.get(from));
        format.decode(bytes, 34, from, n, own, 3);
        slow(format).decode(bytes, 34, from, n, byDefault, 3);
        assertArrayEquals(expected, own);
        assertArrayEquals(expected, byDefault);
      }
    }
  }

  /** The same format without a way of its own to decode. */
  private static WeightFormat slow(WeightFormat of) {
    return new WeightFormat() {
      @Override
      public String name() {
        return of.name();
      }

      @Override
      public int blockElements() {
        return of.blockElements();
      }

      @Override
      public int blockBytes() {
        return of.blockBytes();
      }

      @Override
      public double value(MemorySegment bytes, long block, int i) {
        return of.value(bytes, block, i);
      }
    };
  }

  /** Written a second time, from the description: element i of blocks that begin at a byte. */
  private static double eightBits(MemorySegment bytes, long start, int i) {
    int low = bytes.get(ValueLayout.JAVA_BYTE, start + i / 32 * 34L) & 0xff;
    int high = bytes.get(ValueLayout.JAVA_BYTE, start + i / 32 * 34L + 1) & 0xff;
    int exponent = high >> 2 & 31;
    int mantissa = (high & 3) << 8 | low;
    double size =
        exponent == 0 ? mantissa * 0x1p-24 : (1024 + mantissa) * Math.pow(2, exponent - 25);
    return (high > 127 ? -size : size)
        * bytes.get(ValueLayout.JAVA_BYTE, start + i / 32 * 34L + 2 + i % 32);
  }

  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16"})
  void plainFormatsHaveTheValuesOfTheirTypes(DType dtype) {
    short[] all = new short[1 << 16];
    for (int i = 0; i < all.length; i++) {
      all[i] = (short) i;
    }
    var stored = new StoredTensor("all", dtype, List.of(all.length), MemorySegment.ofArray(all));
    float[] run = new float[all.length];
    stored.load(5, all.length - 5, run, 5);
    for (int i = 5; i < all.length; i++) {
      assertEquals(dtype.value(i), run[i]);
      assertEquals(dtype.value(i), stored.get(i));
    }
    assertEquals(new PlainFormat(dtype), stored.format());
    assertEquals(dtype.label(), stored.format().name());
  }

  @Test
  void rowsAreWholeBlocks() {
    var bytes = MemorySegment.ofArray(new byte[34 * 4]);
    var format = new EightBits();
    assertEquals(128, new StoredTensor("w", format, List.of(2, 64), bytes).elements());
    assertEquals(
        "w: rows of [4, 31] are no whole blocks of 32 (eight_bits)",
        assertThrows(
                IllegalArgumentException.class,
                () -> new StoredTensor("w", format, List.of(4, 31), bytes))
            .getMessage());
    // 64 times 2 elements are four blocks, but no row of them begins at one.
    assertThrows(
        IllegalArgumentException.class, () -> new StoredTensor("w", format, List.of(64, 2), bytes));
    assertThrows(
        IllegalArgumentException.class, () -> new StoredTensor("w", format, List.of(), bytes));
    assertEquals(
        "w: [3, 32] of eight_bits needs 102 bytes, not 136",
        assertThrows(
                IllegalArgumentException.class,
                () -> new StoredTensor("w", format, List.of(3, 32), bytes))
            .getMessage());
  }

  // ---- products ----

  private float[] gaussians(int n, double scale) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  private StoredTensor gaussian(String name, int rows, int columns) {
    double scale = 1 / Math.sqrt(columns);
    return StoredTensor.of(name, List.of(rows, columns), gaussians(rows * columns, scale));
  }

  private StoredTensor eight(String name, int rows, int columns) {
    return EightBits.of(gaussian(name, rows, columns));
  }

  private StoredTensor half(String name, int rows, int columns) {
    float[] values = gaussians(rows * columns, 1 / Math.sqrt(columns));
    short[] bits = new short[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToFloat16(values[i]);
    }
    return new StoredTensor(name, DType.F16, List.of(rows, columns), MemorySegment.ofArray(bits));
  }

  /** What a device multiplies with: blocks as they are or rounded, other weights rounded. */
  private static double[][] weights(Device device, DType dtype, List<StoredTensor> parts) {
    var rows = new ArrayList<double[]>();
    for (StoredTensor part : parts) {
      int in = part.shape().get(1);
      for (int r = 0; r < part.shape().get(0); r++) {
        double[] row = new double[in];
        for (int i = 0; i < in; i++) {
          boolean blocks = !part.format().isPlain();
          double w = blocks ? eightBits(part.bytes(), 0, r * in + i) : part.get((long) r * in + i);
          boolean exact = blocks && readsBlocks(device);
          row[i] = exact ? w : dtype.value(dtype.bits((float) w));
        }
        rows.add(row);
      }
    }
    return rows.toArray(double[][]::new);
  }

  /**
   * One product in f32, from rows of each type, against the definition.
   *
   * <p>A sum of n products in any order errs by at most n + 17 roundings of its terms' sizes; the
   * bias is one more term.
   */
  private void follows(List<StoredTensor> parts, List<StoredTensor> biases, int rows) {
    int in = parts.get(0).shape().get(1);
    float[] values = gaussians(rows * in, 1);
    for (Device device : devices) {
      for (DType dtype : FLOATS) {
        try (TensorArena arena = device.arena("products")) {
          Tensor x = device.table(arena, dtype, StoredTensor.of("x", List.of(rows, in), values));
          Linear w = device.linear(arena, dtype, new Linear.Source(parts, biases, 0, 0));
          Tensor y = arena.alloc("y", DType.F32, rows, w.out());
          device.gemm(y, x, w, null, Activation.NONE, null);
          float[] actual = floats(device, y);
          double[][] weights = weights(device, dtype, parts);
          assertEquals(weights.length, w.out());
          for (int t = 0; t < rows; t++) {
            for (int o = 0, part = 0, first = 0; o < w.out(); o++) {
              if (o == first + parts.get(part).shape().get(0)) {
                first = o;
                part++;
              }
              StoredTensor b = biases.get(part);
              double sum = b == null ? 0 : dtype.value(dtype.bits(b.get(o - first)));
              double size = Math.abs(sum);
              for (int i = 0; i < in; i++) {
                double term = weights[o][i] * dtype.value(dtype.bits(values[t * in + i]));
                sum += term;
                size += Math.abs(term);
              }
              assertEquals(
                  sum,
                  actual[t * w.out() + o],
                  (in + 17) * UNIT * size,
                  device.description() + " " + dtype + " row " + t + " output " + o);
            }
          }
        }
      }
    }
  }

  private static float[] floats(Device device, Tensor t) {
    float[] values = new float[t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  /** One row, a few, a tile, and more than a block of rows; pieces of k that end inside a block. */
  @Test
  void queryKeyAndValueOfDifferentFormatsFollowTheirDefinition() {
    for (int rows : new int[] {1, 3, 6, 17, 130}) {
      for (int in : new int[] {32, 96, 544}) {
        follows(
            List.of(eight("q", 40, in), half("k", 24, in), eight("v", 24, in)),
            Arrays.asList(StoredTensor.of("bias", List.of(40), gaussians(40, 1)), null, null),
            rows);
        follows(List.of(half("q", 70, in), eight("k", 5, in)), Arrays.asList(null, null), rows);
      }
    }
  }

  @Test
  void aGateInBlocksMeetsAnUpInHalves() {
    int in = 96;
    List<StoredTensor> parts = List.of(eight("gate", 50, in), half("up", 50, in));
    for (int rows : new int[] {1, 4, 20}) {
      float[] values = gaussians(rows * in, 1);
      for (Device device : devices) {
        try (TensorArena arena = device.arena("gated")) {
          Tensor x =
              device.table(arena, DType.F32, StoredTensor.of("x", List.of(rows, in), values));
          var source = new Linear.Source(parts, Arrays.asList(null, null), 0, 0);
          Tensor y = arena.alloc("y", DType.F32, rows, 50);
          Linear w = device.linear(arena, DType.F32, source);
          device.gemm(y, x, w, null, Activation.SILU_MUL, null);
          float[] actual = floats(device, y);
          double[][] weights = weights(device, DType.F32, parts);
          for (int t = 0; t < rows; t++) {
            for (int o = 0; o < 50; o++) {
              double gate = 0;
              double up = 0;
              for (int i = 0; i < in; i++) {
                gate += weights[o][i] * values[t * in + i];
                up += weights[50 + o][i] * values[t * in + i];
              }
              double expected = gate / (1 + Math.exp(-gate)) * up;
              // Both factors are of size 1 and err by some 1e-6; as for plain weights.
              assertEquals(expected, actual[t * 50 + o], 1e-5 * (1 + Math.abs(expected)));
            }
          }
        }
      }
    }
  }

  // ---- where they lie ----

  @Test
  void cpuReadsBlocksWhereTheyAreMappedAtAnyAlignment() {
    Device cpu = devices.get(0);
    try (Arena own = Arena.ofConfined(); // its threads may not touch it, and it works all the same
        TensorArena arena = cpu.arena("mapped")) {
      StoredTensor heap = eight("w", 70, 64);
      MemorySegment file = own.allocate(1 + heap.bytes().byteSize(), 64).asSlice(1);
      file.copyFrom(heap.bytes());
      var mapped = new StoredTensor("w", new EightBits(), List.of(70, 64), file);
      long before = arena.bytes();
      Linear w = cpu.linear(arena, DType.BF16, Linear.Source.of(mapped, null));
      assertEquals(before, arena.bytes(), "nothing is copied");
      assertEquals(70 * 2 * 34, w.bytes());
      assertEquals(List.of(new EightBits()), w.formats());
      Linear copied = cpu.linear(arena, DType.BF16, Linear.Source.of(heap, null));
      assertTrue(arena.bytes() > before, "what lies on the Java heap is");
      for (int rows : new int[] {1, 2, 40}) {
        Tensor x =
            cpu.table(
                arena,
                DType.BF16,
                StoredTensor.of("x", List.of(rows, 64), gaussians(rows * 64, 1)));
        Tensor y = arena.alloc("y", DType.F32, rows, 70);
        cpu.gemm(y, x, w, null, Activation.NONE, null);
        float[] first = floats(cpu, y);
        cpu.gemm(y, x, copied, null, Activation.NONE, null);
        assertArrayEquals(first, floats(cpu, y));
        byte was = file.get(ValueLayout.JAVA_BYTE, 34 * 2 * 69 + 2);
        file.set(ValueLayout.JAVA_BYTE, 34 * 2 * 69 + 2, (byte) (was + 9));
        cpu.gemm(y, x, w, null, Activation.NONE, null);
        assertNotEquals(first[rows * 70 - 1], floats(cpu, y)[rows * 70 - 1], "read in place");
        file.set(ValueLayout.JAVA_BYTE, 34 * 2 * 69 + 2, was);
      }
    }
  }

  @Test
  void aDeviceThatReadsNoBlocksDecodesThemAndSaysSo() {
    for (Device device : devices) {
      try (TensorArena arena = device.arena("loaded")) {
        assertTrue(!device.description().contains("eight_bits"), device.description());
        StoredTensor first = eight("w", 8, 64);
        var source =
            new Linear.Source(List.of(first, half("u", 8, 64)), Arrays.asList(null, null), 0, 0);
        Linear w = device.linear(arena, DType.F16, source);
        assertEquals("w", w.name());
        assertEquals(DType.F16, w.activations());
        if (readsBlocks(device)) {
          assertEquals(List.of(new EightBits(), new PlainFormat(DType.F16)), w.formats());
          assertEquals(8 * 2 * 34 + 8 * 128, w.bytes());
          assertEquals(
              "f32, bf16, f16 and block formats as they are stored", device.weightFormats());
        } else {
          assertEquals(List.of(new PlainFormat(DType.F16)), w.formats());
          assertEquals(16 * 128, w.bytes());
          String said = ", weights decoded on load: eight_bits to f16";
          assertTrue(device.description().contains(said), device.description());
          assertEquals(
              "f32, bf16 and f16; block formats are decoded on load, to the type of the activations",
              device.weightFormats());
        }
      }
    }
  }

  /** Rows of an embedding, the bias of a norm: read by operators that have no blocks. */
  @Test
  void aTableOfBlocksIsDecodedAndRoundedOnEveryDevice() {
    StoredTensor blocks = eight("table", 9, 96);
    for (Device device : devices) {
      for (DType dtype : FLOATS) {
        try (TensorArena arena = device.arena("table")) {
          Tensor table = device.table(arena, dtype, blocks);
          Tensor out = arena.alloc("out", dtype, 9, 96);
          Tensor ids = arena.alloc("ids", DType.I32, 9);
          device.upload(ids, MemorySegment.ofArray(new int[] {8, 7, 6, 5, 4, 3, 2, 1, 0}));
          device.embed(out, ids, table);
          var bytes = new byte[9 * 96 * dtype.bytes()];
          device.download(MemorySegment.ofArray(bytes), out);
          var rows = new StoredTensor("out", dtype, List.of(9, 96), MemorySegment.ofArray(bytes));
          for (int i = 0; i < 9 * 96; i++) {
            int from = (8 - i / 96) * 96 + i % 96;
            float exact = (float) eightBits(blocks.bytes(), 0, from);
            assertEquals(
                dtype.value(dtype.bits(exact)), rows.get(i), device.type().label() + " " + dtype);
          }
        }
      }
    }
  }

  @Test
  void rowsOfAnotherTypeThanAMatrixIsForAreRefused() {
    for (Device device : devices) {
      try (TensorArena arena = device.arena("types")) {
        Linear w = device.linear(arena, DType.BF16, Linear.Source.of(eight("w", 8, 32), null));
        Tensor x = arena.alloc("x", DType.F32, 2, 32);
        Tensor y = arena.alloc("y", DType.F32, 2, 8);
        assertEquals(
            "w: w is BF16[8, 32], but x is F32[2, 32]",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> device.gemm(y, x, w, null, Activation.NONE, null))
                .getMessage());
      }
    }
  }

  @Test
  void aFileThatIsClosedIsNamedWhenItsBlocksAreMultiplied() {
    Device cpu = devices.get(0);
    try (TensorArena arena = cpu.arena("closed")) {
      Linear w;
      try (Arena own = Arena.ofShared()) {
        StoredTensor heap = eight("my weight", 8, 32);
        MemorySegment file = own.allocate(heap.bytes().byteSize()).copyFrom(heap.bytes());
        var mapped = new StoredTensor("my weight", new EightBits(), List.of(8, 32), file);
        w = cpu.linear(arena, DType.F32, Linear.Source.of(mapped, null));
      }
      Tensor x = arena.alloc("x", DType.F32, 2, 32);
      Tensor y = arena.alloc("y", DType.F32, 2, 8);
      assertEquals(
          "w: the memory of tensor my weight is closed",
          assertThrows(
                  IllegalStateException.class, () -> cpu.gemm(y, x, w, null, Activation.NONE, null))
              .getMessage());
    }
  }

  /** On this thread alone, after the JIT compiler is done: the smallest of several windows. */
  @Test
  void multiplyingBlocksAllocatesNothing() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (var cpu = CpuDevice.open(1);
        TensorArena arena = cpu.arena("blocks")) {
      List<StoredTensor> parts = List.of(eight("q", 64, 96), half("k", 64, 96));
      var source = new Linear.Source(parts, Arrays.asList(null, null), 0, 0);
      Linear w = cpu.linear(arena, DType.F32, source);
      for (int rows : new int[] {1, 3, 20}) {
        Tensor x = arena.alloc("x", DType.F32, rows, 96);
        Tensor y = arena.alloc("y", DType.F32, rows, 128);
        long least = Long.MAX_VALUE;
        for (int window = 0; window < 300 && least > 0; window++) {
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 50; i++) {
            cpu.gemm(y, x, w, null, Activation.NONE, null);
          }
          least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertEquals(0, least, "bytes allocated by 50 products of " + rows + " rows");
      }
    }
  }
}
