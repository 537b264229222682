package starling.cpu;

/** The error function in double: its series near zero, its continued fraction further out. */
final class Erf {
  private Erf() {}

  static double of(double x) {
    double a = Math.abs(x);
    if (a > 6) {
      return Math.signum(x);
    }
    if (a > 2.5) {
      double fraction = 0;
      for (int k = 40; k >= 1; k--) {
        fraction = 0.5 * k / (a + fraction);
      }
      return Math.signum(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
    }
    double term = x;
    double sum = x;
    double square = x * x;
    for (int k = 1; Math.abs(term) > 1e-14 * Math.abs(sum); k++) {
      term *= -square / k;
      sum += term / (2 * k + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
}
