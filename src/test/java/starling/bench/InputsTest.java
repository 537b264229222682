package starling.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import starling.Devices;
import starling.device.Block;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/** Tensors of the bench, number by number. */
class InputsTest {
  private static final long SEED = 20_251_125;
  private static final int GUARD = 65_536;
  private static final int BLOCK = 65_521;

  private Device device;
  private TensorArena arena;

  @BeforeEach
  void open() {
    device = Devices.open(DeviceType.CPU);
    arena = device.arena("inputs");
  }

  @AfterEach
  void close() {
    arena.close();
    device.close();
  }

  private Inputs inputs(DType type, int seed) {
    return new Inputs(device, arena, type, seed);
  }

  private static List<Integer> shape(Tensor t) {
    return IntStream.range(0, t.rank()).map(t::dim).boxed().toList();
  }

  // ---- what goes in ----

  @Test
  void gaussiansAreThoseOfTheSeedTimesTheScale() {
    Inputs in = inputs(DType.F32, 3);
    double[] one = in.values(in.floats("a", 1, 5));
    double[] half = in.values(in.floats("b", 0.5, 2, 3));
    double[] cube = in.values(in.floats("c", DType.F32, 2, 2, 2, 3));
    double[] planes = in.values(in.planes("p", 3, 2, 5));
    var random = new Random(SEED + 3);
    assertArrayEquals(gaussians(random, 5, 1), one);
    assertArrayEquals(gaussians(random, 6, 0.5), half);
    assertArrayEquals(gaussians(random, 12, 2), cube);
    assertArrayEquals(gaussians(random, 30, 1), planes);
  }

  private static double[] gaussians(Random random, int n, double scale) {
    return IntStream.range(0, n)
        .mapToDouble(i -> (float) (scale * random.nextGaussian()))
        .toArray();
  }

  @Test
  void tensorsHaveTheShapesThatWereAskedFor() {
    Inputs in = inputs(DType.F16, 0);
    assertEquals(List.of(5), shape(in.floats("a", 1, 5)));
    assertEquals(List.of(2, 3), shape(in.floats("b", 1, 2, 3)));
    assertEquals(List.of(2, 5, 3), shape(in.floats("c", 1, 2, 5, 3)));
    assertEquals(DType.F16, in.floats("d", 1, 2, 3).dtype());
    assertEquals(DType.BF16, in.floats("e", DType.BF16, 1, 2, 3).dtype());
    Tensor planes = in.planes("p", 3, 2, 5);
    assertEquals(List.of(3, 2, 5), shape(planes));
    assertEquals(DType.F32, planes.dtype());
    Tensor ints = in.ints("i", new int[] {1, 2, 3, 4, 5, 6}, 2, 3);
    assertEquals(List.of(2, 3), shape(ints));
    assertArrayEquals(new double[] {1, 2, 3, 4, 5, 6}, in.values(ints));
    Tensor list = in.ints("l", 7, -8);
    assertEquals(List.of(2), shape(list));
    assertArrayEquals(new double[] {7, -8}, in.values(list));
    Tensor left = in.computed("z", DType.I32, 2, 3);
    assertEquals(List.of(2, 3), shape(left));
    assertEquals(DType.I32, left.dtype());
    assertEquals("z", left.name());
  }

  @Test
  void longTensorsRepeatABlockOfNumbers() {
    Inputs in = inputs(DType.F32, 0);
    double[] values = in.values(in.floats("a", 1, 2 * BLOCK + 3));
    double[] block = gaussians(new Random(SEED), BLOCK, 1);
    for (int i = 0; i < values.length; i++) {
      assertEquals(block[i % BLOCK], values[i], "" + i);
    }
  }

  @Test
  void wholeNumbersAreSevenAndExact() {
    Inputs in = inputs(DType.BF16, 4);
    Tensor t = in.whole("w", 10, 20);
    assertEquals(List.of(10, 20), shape(t));
    assertEquals(DType.BF16, t.dtype());
    var random = new Random(SEED + 4);
    double[] right = IntStream.range(0, 200).mapToDouble(i -> random.nextInt(7) - 3).toArray();
    assertArrayEquals(right, in.values(t));
  }

  @Test
  void numbersBelowALimitAreAllOfThem() {
    int[] numbers = inputs(DType.F32, 0).below(3, 100);
    assertEquals(100, numbers.length);
    assertEquals(
        new TreeSet<>(List.of(0, 1, 2)), new TreeSet<>(IntStream.of(numbers).boxed().toList()));
  }

  @Test
  void countingBeginsAtTheSeed() {
    assertArrayEquals(new int[] {0, 1, 2}, inputs(DType.F32, 0).counting(3));
    assertArrayEquals(new int[] {7, 8, 9, 10}, inputs(DType.F32, 7).counting(4));
  }

  @Test
  void aChoiceIsSpreadEvenlyAndMovedByTheSeed() {
    assertArrayEquals(new int[] {0, 3, 6}, inputs(DType.F32, 0).spread(3, 10));
    assertArrayEquals(new int[] {1, 4, 7}, inputs(DType.F32, 1).spread(3, 10));
    assertArrayEquals(new int[] {2, 5, 8}, inputs(DType.F32, 5).spread(3, 10));
    assertArrayEquals(new int[] {0, 1, 2}, inputs(DType.F32, 5).spread(3, 3));
    assertArrayEquals(new int[] {0, 0, 1, 1, 2}, inputs(DType.F32, 5).spread(5, 3));
    int[] many = inputs(DType.F32, 0).spread(70_000, 140_001);
    assertEquals(69_999L * 140_001 / 70_000, many[69_999], "beyond an int on the way");
  }

  // ---- what is spoiled, taken and put back ----

  @Test
  void aNanAndAnInfinityStandAThirdApart() {
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      Inputs in = inputs(type, 0);
      Tensor other = in.floats("other", 1, 4, 6);
      Tensor t = in.floats("x", 1, 4, 6);
      double[] untouched = in.values(other);
      double[] right = in.values(t);
      in.spoil("x");
      right[24 / 3] = Double.NaN;
      right[2 * 24 / 3] = Double.POSITIVE_INFINITY;
      assertArrayEquals(right, in.values(t), type.label());
      assertArrayEquals(untouched, in.values(other));
      assertThrows(NoSuchElementException.class, () -> in.spoil("y"));
    }
  }

  @Test
  void aVectorAndAMatrixThatIsNoMultipleOfThreeAreSpoiledToo() {
    Inputs in = inputs(DType.F32, 0);
    Tensor vector = in.floats("v", 1, 8);
    Tensor matrix = in.floats("m", 1, 2, 5);
    in.spoil("v");
    in.spoil("m");
    double[] v = in.values(vector);
    assertTrue(Double.isNaN(v[2]) && v[5] == Double.POSITIVE_INFINITY);
    double[] m = in.values(matrix);
    assertTrue(Double.isNaN(m[3]) && m[6] == Double.POSITIVE_INFINITY);
  }

  @Test
  void numbersOfAnotherSeedGoWhereTheOldOnesLay() {
    Inputs in = inputs(DType.BF16, 0);
    Inputs other = inputs(DType.BF16, 1);
    Tensor x = in.floats("x", 1, 3, 5);
    Tensor rows = in.ints("rows", in.counting(4));
    Tensor changed = in.inOut("changed", DType.I32, 1, 2);
    Tensor from = other.floats("x", 1, 3, 5);
    other.ints("rows", other.counting(4));
    other.inOut("changed", DType.I32, 8, 9);
    assertNotEquals(Arrays.toString(in.values(x)), Arrays.toString(in.values(from)));
    in.take(other);
    assertArrayEquals(in.values(from), in.values(x));
    assertArrayEquals(new double[] {1, 2, 3, 4}, in.values(rows));
    in.poison();
    assertArrayEquals(new double[] {8, 9}, in.values(changed));
    assertEquals(List.of(changed), in.outputs());
  }

  @Test
  void outputsHoldWhatNoKernelWrites() {
    Inputs in = inputs(DType.F32, 0);
    for (DType type : DType.values()) {
      in.out(type.label(), type, 2, 3);
    }
    in.poison();
    double[] bits = {
      Float.intBitsToFloat(0x7fc07fc0), // a NaN
      DType.BF16.value(0x7fc0),
      DType.F16.value(0x7e00),
      -2_139_062_144,
      -128
    };
    for (int i = 0; i < bits.length; i++) {
      double[] all = new double[6];
      Arrays.fill(all, bits[i]);
      assertArrayEquals(all, in.values(in.outputs().get(i)));
    }
    assertEquals(0x7fc07fc0, in(in.outputs().get(0), ValueLayout.JAVA_INT_UNALIGNED, 0));
    assertEquals((short) 0x7fc0, in(in.outputs().get(1), ValueLayout.JAVA_SHORT_UNALIGNED, 0));
    assertEquals((short) 0x7e00, in(in.outputs().get(2), ValueLayout.JAVA_SHORT_UNALIGNED, 0));
  }

  private static int in(Tensor t, ValueLayout.OfInt layout, long at) {
    return t.memory().get(layout, t.offset() + at);
  }

  private static short in(Tensor t, ValueLayout.OfShort layout, long at) {
    return t.memory().get(layout, t.offset() + at);
  }

  @Test
  void whatIsChangedInPlaceIsPutBack() {
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      Inputs in = inputs(type, 6);
      Tensor cache = in.cache("k", 3, 2, 5);
      Tensor bytes = in.inOut("hidden", DType.U8, 1, 0, 127, 128);
      Tensor table = in.inOut("table", DType.I32, new int[] {1, 2, 3, 4, 5, 6}, 2, 3);
      assertEquals(List.of(3, 2, 5), shape(cache));
      assertEquals(List.of(4), shape(bytes));
      assertEquals(List.of(2, 3), shape(table));
      assertEquals(type, cache.dtype());
      double[] gaussians = gaussians(new Random(SEED + 6), 30, 1);
      for (int round = 0; round < 2; round++) {
        in.poison();
        assertArrayEquals(
            Arrays.stream(gaussians).map(x -> type.value(type.bits((float) x))).toArray(),
            in.values(cache));
        assertArrayEquals(new double[] {1, 0, 127, -128}, in.values(bytes));
        assertArrayEquals(new double[] {1, 2, 3, 4, 5, 6}, in.values(table));
        device.upload(table, MemorySegment.ofArray(new int[6]));
        device.upload(bytes, MemorySegment.ofArray(new byte[4]));
      }
      assertNull(in.trespass());
    }
  }

  @Test
  void valuesAreWidened() {
    Inputs in = inputs(DType.F32, 0);
    Tensor bf16 = in.out("b", DType.BF16, 2);
    device.upload(bf16, MemorySegment.ofArray(new short[] {(short) 0xbfc0, 0x4000}));
    assertArrayEquals(new double[] {-1.5, 2}, in.values(bf16));
    Tensor f16 = in.out("h", DType.F16, 2);
    device.upload(f16, MemorySegment.ofArray(new short[] {(short) 0xbe00, 0x4000}));
    assertArrayEquals(new double[] {-1.5, 2}, in.values(f16));
  }

  // ---- what lies around an output ----

  /** Rows of eight have no gap between them: a byte more or less is a guard's. */
  @Test
  void aByteJustOutsideAnOutputIsSeen() {
    for (DType type : DType.values()) {
      Inputs in = inputs(DType.F32, 0);
      Tensor first = in.out("first", DType.F32, 3);
      Tensor t = in.out("t", type, 3, 8);
      int bytes = 3 * 8 * type.bytes();
      assertEquals(GUARD, t.offset(), "guard rows of exactly so many bytes");
      assertEquals(GUARD + bytes + GUARD, t.memory().byteSize());
      assertEquals(GUARD, first.offset());
      in.poison();
      MemorySegment inside = t.memory().asSlice(t.offset(), bytes);
      inside.fill((byte) 1);
      first.memory().asSlice(first.offset(), 12).fill((byte) 1);
      assertNull(in.trespass());
      for (int i : new int[] {0, 1, GUARD - 1}) {
        assertEquals(
            "it writes outside t, " + i + " bytes behind its end",
            trespass(in, t, t.offset() + bytes + i));
        assertEquals(
            "it writes outside t, " + (i + 1) + " bytes before its start",
            trespass(in, t, t.offset() - 1 - i));
      }
      assertNull(in.trespass());
    }
  }

  private static String trespass(Inputs in, Tensor t, long at) {
    byte before = t.memory().get(ValueLayout.JAVA_BYTE, at);
    t.memory().set(ValueLayout.JAVA_BYTE, at, (byte) ~before);
    String sentence = in.trespass();
    t.memory().set(ValueLayout.JAVA_BYTE, at, before);
    return sentence;
  }

  @Test
  void guardsAreWholeRowsOfAtLeastSoManyBytes() {
    Inputs in = inputs(DType.F32, 0);
    // 96 bytes of a row: 682 rows are too few.
    Tensor t = in.out("t", DType.F32, 5, 24);
    assertEquals(683 * 96, t.offset());
    assertEquals((683 + 5 + 683) * 96, t.memory().byteSize());
    Tensor cube = in.out("c", DType.BF16, 5, 3, 16);
    assertEquals(List.of(5, 3, 16), shape(cube));
    assertEquals(683 * 96, cube.offset());
    for (DType type : DType.values()) {
      Tensor vector = in.out("v", type, 5);
      assertEquals(List.of(5), shape(vector));
      assertEquals(GUARD, vector.offset());
      assertEquals(GUARD + 5 * type.bytes() + GUARD, vector.memory().byteSize());
    }
    // Wider than a guard: one row.
    Tensor wide = in.out("w", DType.F32, 2, 20_000);
    assertEquals(80_000, wide.offset());
    assertEquals(4 * 80_000, wide.memory().byteSize());
  }

  // ---- how large a tensor may be ----

  /** Memory of which nothing is touched. */
  private static final TensorArena.Memory NOWHERE =
      new TensorArena.Memory() {
        @Override
        public Block allocate(long bytes) {
          return new Block(null, 64, bytes);
        }

        @Override
        public void free(Block block) {}

        @Override
        public void zero(Block block) {}
      };

  @Test
  void aTensorIsAsLargeAsAnArrayWithItsGuards() {
    int most = Integer.MAX_VALUE - 2 * GUARD - 1024;
    try (var large = new TensorArena("large", NOWHERE)) {
      var in = new Inputs(device, large, DType.F32, 0);
      assertSame(device, in.device);
      assertEquals(most, in.computed("c", DType.U8, most).rows());
      assertEquals(most, in.out("o", DType.U8, most).rows());
      assertEquals(most / 4, in.computed("i", DType.I32, most / 4).rows());
      assertEquals(most / 2 / 3, in.computed("h", DType.F16, most / 2 / 3, 3).rows());
      String sentence = " would take 2.1 GB; the bench makes tensors of at most 2.1 GB";
      assertEquals("c" + sentence, refused(() -> in.computed("c", DType.U8, most + 1)));
      assertEquals("o" + sentence, refused(() -> in.out("o", DType.U8, most + 1)));
      assertEquals("i" + sentence, refused(() -> in.computed("i", DType.I32, most / 4 + 1)));
      assertEquals("h" + sentence, refused(() -> in.out("h", DType.F16, most / 2 / 3 + 1, 3)));
      assertEquals("f" + sentence, refused(() -> in.floats("f", DType.BF16, 1, most / 4 + 1)));
      assertEquals("p" + sentence, refused(() -> in.planes("p", 3, most / 12 + 1, 1)));
      assertEquals("w" + sentence, refused(() -> in.whole("w", most / 4 + 1, 1)));
      assertEquals("k" + sentence, refused(() -> in.cache("k", most / 4 + 1, 1, 1)));
      assertEquals(
          "x would take 32.0 GB; the bench makes tensors of at most 2.1 GB",
          refused(() -> in.floats("x", 1, 2, 4_000_000, 1000)));
      assertEquals(List.of("o"), in.outputs().stream().map(Tensor::name).toList());
    }
  }

  private static String refused(Runnable act) {
    return assertThrows(InputException.class, act::run).getMessage();
  }
}
