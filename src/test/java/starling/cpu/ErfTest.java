package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The error function against printed tables and against another implementation. */
class ErfTest {
  /** The series below 2.5 adds terms of up to 170 with changing signs, each rounded once. */
  private static final double BOUND = 1e-14;

  /** Printed tables (Abramowitz and Stegun 7.1), and more digits of the same function. */
  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "0.1, 0.1124629160182849",
    "0.5, 0.5204998778130465",
    "1, 0.8427007929497149",
    "1.5, 0.9661051464753108",
    "2, 0.9953222650189527",
    "2.5, 0.9995930479825550",
    "3, 0.9999779095030014",
    "3.5, 0.9999992569016276",
    "4, 0.9999999845827421",
    "5, 0.9999999999984626",
    "6, 1",
    "40, 1",
  })
  void equalsTheTables(double x, double erf) {
    assertEquals(erf, Erf.of(x), BOUND);
    assertEquals(-erf, Erf.of(-x), BOUND);
  }

  /** The complement too, where it matters: what is left of one keeps its leading digits. */
  @Test
  void equalsTheLibraryEverywhere() {
    for (double x = -7; x <= 7; x += 1.0 / 512) {
      double expected = org.apache.commons.math3.special.Erf.erf(x);
      assertEquals(expected, Erf.of(x), BOUND, "at " + x);
    }
    for (double x : new double[] {2.4, 2.6, 2.9, 3.1, 3.5, 4, 4.5}) {
      double expected = org.apache.commons.math3.special.Erf.erfc(x);
      // One unit of 1 is lost to the subtraction.
      assertEquals(expected, 1 - Erf.of(x), 1e-9 * expected + 0x1p-52, "at " + x);
    }
    assertTrue(Double.isNaN(Erf.of(Double.NaN)));
    assertEquals(1, Erf.of(Double.POSITIVE_INFINITY));
  }
}
