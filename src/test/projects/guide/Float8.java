package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * One byte an element: a sign, four bits of exponent with bias 7, three bits of fraction (E4M3). It
 * has no infinities; all ones is no number.
 */
public record Float8() implements WeightFormat {
  @Override
  public String name() {
    return "f8_e4m3";
  }

  @Override
  public int blockElements() {
    return 1;
  }

  @Override
  public int blockBytes() {
    return 1;
  }

  @Override
  public double value(MemorySegment bytes, long block, int i) {
    int bits = bytes.get(ValueLayout.JAVA_BYTE, block);
    int exponent = bits >> 3 & 15;
    int fraction = bits & 7;
    double sign = bits < 0 ? -1 : 1;
    if (exponent == 15 && fraction == 7) {
      return Double.NaN;
    }
    return exponent == 0
        ? sign * Math.scalb((double) fraction, -9)
        : sign * Math.scalb(8.0 + fraction, exponent - 10);
  }
}
