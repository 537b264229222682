package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The inner loops: their bits, their accuracy. */
class LanesTest {
  private static List<Lanes> all() {
    return List.of(new ScalarLanes(), Lanes.best());
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
