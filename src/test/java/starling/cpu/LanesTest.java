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

  /** Decoding takes a row as it is stored, more rows take it widened: the same bits. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void aStoredRowTimesXIsTheWidenedRowTimesX(DType dtype) {
    var random = new Random(5);
    try (var device = new CpuDevice(1, new ScalarLanes());
        var arena = device.arena("stored")) {
      for (int n : new int[] {1, 15, 16, 63, 64, 81, 300}) {
        float[] x = new float[n + 2];
        float[] w = new float[n];
        for (int i = 0; i < n; i++) {
          x[i + 2] = (float) random.nextGaussian();
          w[i] = (float) random.nextGaussian();
        }
        Tensor stored = arena.alloc("w" + n, dtype, 3, n);
        Rows.store(w, 0, stored, 2, 0, n);
        Rows.round(w, 0, n, dtype);
        for (Lanes lanes : all()) {
          assertEquals(
              lanes.dot(x, 2, w, 0, n),
              lanes.dot(x, 2, stored, 2, new float[n]),
              lanes.description() + ", n = " + n);
        }
      }
    }
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
      float sum = lanes.sum(a, 0, a.length);
      float[] powers = a.clone();
      lanes.exp2(powers, 0, powers.length, 1.5f, 0.25f);
      for (int round = 0; round < 30_000; round++) {
        assertEquals(dot, lanes.dot(a, 0, b, 0, a.length));
        assertEquals(sum, lanes.sum(a, 0, a.length));
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
