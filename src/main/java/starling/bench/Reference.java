package starling.bench;

import java.util.HashSet;
import java.util.Set;
import starling.device.DType;
import starling.device.Tensor;

/** How far a result may be from the reference. Written so that NaN is near nothing but NaN. */
final class Reference {
  private Reference() {}

  /**
   * Relative L2 distance. Both sides compute in f32 and round once: half a unit of the type for
   * every output, and some roundings of f32 sums.
   */
  private static double bound(DType dtype) {
    return switch (dtype) {
      case F32 -> 2e-5;
      case BF16 -> 0x1p-8;
      case F16 -> 0x1p-11;
      case I32, U8 -> 0;
    };
  }

  /** Scores of two devices differ by rounding, so tokens this near to the cut may be swapped. */
  private static final double NEAR_TIE = 1e-4;

  /**
   * @return the relative L2 distance
   * @throws WrongResult if it is too large, or whole numbers differ
   */
  static double distance(Tensor expected, double[] right, double[] actual, double[] scores) {
    String name = expected.name();
    if (expected.dtype() == DType.I32 || expected.dtype() == DType.U8) {
      if (!java.util.Arrays.equals(right, actual) && !nearTies(name, right, actual, scores)) {
        throw new WrongResult(firstDifference(name, right, actual));
      }
      return 0;
    }
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < right.length; i++) {
      boolean finite = Math.abs(actual[i]) <= Double.MAX_VALUE;
      if (!finite && Double.compare(right[i], actual[i]) != 0) {
        throw new WrongResult(
            String.format(
                java.util.Locale.ROOT,
                "%s[%d] is %s: it was not written, or came out so",
                name,
                i,
                actual[i]));
      }
      if (finite) {
        difference += (right[i] - actual[i]) * (right[i] - actual[i]);
        norm += right[i] * right[i];
      }
    }
    double distance = Math.sqrt(difference) / Math.max(Math.sqrt(norm), 1e-30);
    if (!(distance <= bound(expected.dtype()))) {
      throw new WrongResult(
          String.format(
              java.util.Locale.ROOT,
              "%s is wrong: relative distance %.2g from the reference, at most %.2g is rounding; %s",
              name,
              distance,
              bound(expected.dtype()),
              firstDifference(name, right, actual)));
    }
    return distance;
  }

  private static String firstDifference(String name, double[] right, double[] actual) {
    int worst = 0;
    for (int i = 0; i < right.length; i++) {
      if (!(Math.abs(right[i] - actual[i]) <= Math.abs(right[worst] - actual[worst]))) {
        worst = i;
      }
    }
    return String.format(
        java.util.Locale.ROOT, "%s[%d] is %s, not %s", name, worst, actual[worst], right[worst]);
  }

  /** Whether two choices of tokens differ only in tokens whose scores nearly tie. */
  private static boolean nearTies(String name, double[] right, double[] actual, double[] scores) {
    if (!name.equals("keep") || scores == null) {
      return false;
    }
    Set<Double> only = new HashSet<>();
    Set<Double> both = new HashSet<>();
    for (double[] side : new double[][] {right, actual}) {
      for (int i = 0; i < side.length; i++) {
        boolean token =
            side[i] >= 0 && side[i] < scores.length && (i == 0 || side[i] > side[i - 1]);
        if (!token) {
          return false;
        }
        if (!only.add(side[i])) {
          only.remove(side[i]);
          both.add(side[i]);
        }
      }
    }
    if (both.isEmpty()) {
      return false;
    }
    double cut = Double.POSITIVE_INFINITY;
    for (double token : both) {
      cut = Math.min(cut, scores[(int) token]);
    }
    double lowest = cut;
    return only.stream()
        .allMatch(t -> Math.abs(scores[t.intValue()] - lowest) <= NEAR_TIE * Math.abs(lowest));
  }
}
