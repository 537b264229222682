package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.DType;
import starling.device.Tensor;

/** The inner loops: their bits, their accuracy. */
class LanesTest {
  private static List<Lanes> all() {
    var all = new ArrayList<Lanes>(List.of(new ScalarLanes(), Lanes.best()));
    if (Lanes.best() instanceof VectorLanes) {
      all.add(new UnfusedLanes());
    }
    return all;
  }

  /** Where FMA is switched off, so that the JVM computes it by BigDecimal, nobody may use it. */
  @Test
  void fmaIsUsedWhereItIsAnInstruction() {
    boolean switchedOff =
        ManagementFactory.getRuntimeMXBean().getInputArguments().contains("-XX:-UseFMA");
    if (switchedOff) {
      assertFalse(Fma.FAST);
      assertFalse(Lanes.best().getClass() == VectorLanes.class);
    } else {
      var flags = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
      assertEquals(flags.getVMOption("UseFMA").getValue(), String.valueOf(Fma.FAST));
    }
  }

  /** Every lane, every step, and what is left over where the rows end. */
  @Test
  void rowsBecomeColumnsOfAPanel() {
    for (Lanes lanes : all()) {
      for (int k : new int[] {1, 7, 16, 33, 64}) {
        int stride = k + 3;
        int strip = lanes.strip();
        int width = lanes.panelWidth();
        float[] rows = new float[strip * stride];
        for (int i = 0; i < rows.length; i++) {
          rows[i] = i;
        }
        float[] panel = new float[k * width];
        Arrays.fill(panel, -1);
        lanes.transpose(rows.clone(), stride, k, panel, width - strip);
        for (int i = 0; i < k; i++) {
          for (int j = 0; j < width; j++) {
            float expected = j < width - strip ? -1 : (j - width + strip) * stride + i;
            assertEquals(expected, panel[i * width + j], lanes.description());
          }
        }
      }
    }
  }

  /** All bits of bf16 and f16: subnormal numbers, infinities, NaN; also what is no whole vector. */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16"})
  void storedRowsAreWidenedExactly(DType dtype) {
    try (var device = new CpuDevice(1, new ScalarLanes());
        var arena = device.arena("all bits")) {
      int n = 1 << 16;
      Tensor stored = arena.alloc("stored", dtype, 1, n);
      for (int bits = 0; bits < n; bits++) {
        stored.memory().set(Rows.U16, stored.offset(0) + 2L * bits, (short) bits);
      }
      for (Lanes lanes : all()) {
        float[] out = new float[n + 5];
        lanes.load(stored, 0, 3, n - 3, out, 5);
        for (int bits = 3; bits < n; bits++) {
          float expected = dtype.value(bits);
          assertEquals(expected, out[bits + 2], lanes.description() + ", bits " + bits);
        }
      }
    }
  }

  /** Some types are multiplied as they are stored, as far as rows fill vectors: the same bits. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void storedRowsTimesXAreTheLoadedRowsTimesX(DType dtype) {
    var random = new Random(5);
    try (var device = new CpuDevice(1, new ScalarLanes());
        var arena = device.arena("stored")) {
      for (int n : new int[] {1, 15, 16, 63, 64, 81, 300}) {
        float[] x = gaussians(random, 2 + Lanes.GROUP * n);
        float[] w = gaussians(random, 8 * n);
        Tensor stored = arena.alloc("w" + n, dtype, 9, n);
        for (int o = 0; o < 8; o++) {
          Rows.store(w, o * n, stored, 1 + o, 0, n);
        }
        Rows.round(w, 0, w.length, dtype);
        for (Lanes lanes : all()) {
          int whole = n / (2 * lanes.lanes()) * 2 * lanes.lanes();
          for (int rows : new int[] {1, Lanes.GROUP}) {
            float[] sums = gaussians(random, 3 + rows * Lanes.outputs(rows) * lanes.lanes());
            float[] expected = sums.clone();
            int taken = lanes.readable(stored);
            if (taken > 0) {
              lanes.multiply(x, 2, rows, stored, 1, 0, taken, sums, 3);
            }
            lanes.multiply(x, 2, rows, split(lanes, w, n), n, taken, expected, 3);
            assertTrue(Arrays.equals(expected, sums), lanes.description() + ", n = " + n);
            boolean direct = lanes.getClass() == VectorLanes.class && dtype == DType.BF16;
            assertEquals(direct ? whole : 0, taken, lanes.description() + ", n = " + n);
          }
        }
      }
    }
  }

  /** Rows of {@code n}, each split as far as its elements fill lanes. */
  private static float[] split(Lanes lanes, float[] rows, int n) {
    int whole = n / (2 * lanes.lanes()) * 2 * lanes.lanes();
    float[] split = rows.clone();
    for (int at = 0; at < rows.length; at += n) {
      lanes.split(rows, at, whole, split, at, lanes.lanes());
    }
    return split;
  }

  /** Even elements first, then odd ones; other rows stand between them. */
  @Test
  void aRowIsSplitAsPairsComeApart() {
    for (Lanes lanes : all()) {
      int l = lanes.lanes();
      float[] row = new float[1 + 6 * l];
      for (int i = 0; i < row.length; i++) {
        row[i] = i - 1;
      }
      float[] out = new float[2 + 6 * 3 * l];
      Arrays.fill(out, -1);
      lanes.split(row, 1, 6 * l, out, 2, 3 * l);
      for (int i = 2; i < out.length; i++) {
        int c = (i - 2) / l;
        float expected = c % 3 != 0 ? -1 : c / 6 * 2 * l + c / 3 % 2 + (i - 2) % l * 2;
        assertEquals(expected, out[i], lanes.description() + ", at " + i);
      }
    }
  }

  private static float[] gaussians(Random random, int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** A sum over the lanes is the product in double; a row has the same bits alone and of four. */
  @Test
  void fourRowsTakeTheStepsOfOne() {
    var random = new Random(7);
    for (Lanes lanes : all()) {
      int l = lanes.lanes();
      for (int pairs : new int[] {1, 2, 9}) {
        int n = pairs * 2 * l;
        int stride = n + 3;
        float[] w = gaussians(random, 8 * stride);
        float[] packed = new float[Lanes.GROUP * n];
        float[][] x = new float[Lanes.GROUP][];
        for (int r = 0; r < Lanes.GROUP; r++) {
          x[r] = gaussians(random, n);
          for (int i = 0; i < n; i++) {
            packed[(i / l * Lanes.GROUP + r) * l + i % l] = x[r][i];
          }
        }
        float[] four = new float[Lanes.GROUP * 4 * l];
        lanes.multiply(packed, 0, Lanes.GROUP, w, stride, n, four, 0);
        for (int r = 0; r < Lanes.GROUP; r++) {
          float[] one = new float[8 * l];
          lanes.multiply(x[r], 0, 1, w, stride, n, one, 0);
          for (int i = 0; i < 4 * l; i++) {
            assertEquals(one[i], four[r * 4 * l + i], lanes.description() + ", row " + r);
          }
          for (int o = 0; o < 8; o++) {
            assertProduct(x[r], w, o * stride, lanes.sum(one, o * l, l));
          }
        }
      }
    }
  }

  /** Each in its place, with the bits that halving gives, in a block of any other sums. */
  @Test
  void lanesAreAddedUpSumBySum() {
    var random = new Random(9);
    for (Lanes lanes : all()) {
      int l = lanes.lanes();
      float[] sums = gaussians(random, 48 * l);
      float[] before = sums.clone();
      lanes.addUp(sums, 48);
      for (int i = 0; i < 48; i++) {
        assertEquals(lanes.sum(before, i * l, l), sums[i], lanes.description() + ", sum " + i);
      }
    }
  }

  private static void assertProduct(float[] x, float[] w, int at, float actual) {
    double exact = 0;
    double size = 0;
    for (int i = 0; i < x.length; i++) {
      exact += (double) x[i] * w[at + i];
      size += Math.abs((double) x[i] * w[at + i]);
    }
    assertEquals(exact, actual, x.length * 0x1p-24 * size);
  }

  @Test
  void bitsAreTheSameBeforeAndAfterTheCompilerHasSeenThem() {
    var random = new Random(3);
    float[] a = new float[1003];
    float[] b = new float[1003];
    for (int i = 0; i < a.length; i++) {
      a[i] = (float) random.nextGaussian();
      b[i] = (float) random.nextGaussian();
    }
    for (Lanes lanes : all()) {
      float dot = lanes.dot(a, 0, b, 0, a.length);
      int n = a.length / Lanes.GROUP / 32 * 32;
      float[] products = new float[Lanes.GROUP * 4 * lanes.lanes()];
      lanes.multiply(a, 0, Lanes.GROUP, b, n, n, products, 0);
      float sum = lanes.sum(a, 0, a.length);
      float[] powers = a.clone();
      lanes.exp2(powers, 0, powers.length, 1.5f, 0.25f);
      for (int round = 0; round < 30_000; round++) {
        assertEquals(dot, lanes.dot(a, 0, b, 0, a.length));
        assertEquals(sum, lanes.sum(a, 0, a.length));
        if (round % 4 == 0) {
          float[] again = new float[products.length];
          lanes.multiply(a, 0, Lanes.GROUP, b, n, n, again, 0);
          assertTrue(Arrays.equals(products, again));
        }
        if (round % 100 == 0) {
          float[] again = a.clone();
          lanes.exp2(again, 0, again.length, 1.5f, 0.25f);
          assertTrue(java.util.Arrays.equals(powers, again));
        }
      }
    }
  }

  @Test
  void exp2IsWithinThreeUnitsOfTheLastPlace() {
    float[] x = new float[100_000];
    for (int i = 0; i < x.length; i++) {
      x[i] = -126 + 252f * i / x.length;
    }
    for (Lanes lanes : all()) {
      float[] y = x.clone();
      lanes.exp2(y, 0, y.length, 1, 0);
      for (int i = 0; i < x.length; i++) {
        double exact = Math.pow(2, x[i]);
        // Taylor's remainder is 1.2e-7 at |f| = 1/2, two units of 2^-24; the arithmetic adds one
        // more.
        assertEquals(1, y[i] / exact, 3 * 0x1p-23, "2^" + x[i]);
      }
    }
  }

  @Test
  void exp2EndsInZeroAndKeepsNaN() {
    for (Lanes lanes : all()) {
      float[] x = {
        Float.NEGATIVE_INFINITY,
        -1000,
        -127,
        0,
        Float.NaN,
        1,
        Float.NEGATIVE_INFINITY,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        -1e30f
      };
      lanes.exp2(x, 0, x.length, 1, 0);
      assertEquals(0, x[0]);
      assertEquals(0, x[1]);
      assertEquals(0, x[2]);
      assertEquals(1, x[3]);
      assertTrue(Float.isNaN(x[4]));
      assertEquals(2048, x[16]);
      assertEquals(0, x[17]);
    }
  }

  @Test
  void erfFollowsItsSeries() {
    // Abramowitz and Stegun, table 7.1.
    assertEquals(0.5204998778, Erf.of(0.5), 1e-10);
    assertEquals(0.8427007929, Erf.of(1), 1e-10);
    assertEquals(0.9953222650, Erf.of(2), 1e-10);
    assertEquals(-0.9999779095, Erf.of(-3), 1e-10);
    assertEquals(0, Erf.of(0));
    assertEquals(Erf.of(2.4999999), Erf.of(2.5000001), 1e-8);
  }
}
