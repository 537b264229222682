package starling.device;

import static starling.device.ReferenceDevice.get;
import static starling.device.ReferenceDevice.set;

/** Norms, their statistics and products by definition, in double. */
final class ReferenceProducts {
  private ReferenceProducts() {}

  static void norm(Tensor out, Tensor x, Norm norm) {
    int d = x.width();
    for (int t = 0; t < x.rows(); t++) {
      double mean = 0;
      double square = 0;
      for (int i = 0; i < d && norm.bias() != null; i++) {
        mean += get(x, t, i) / (double) d;
      }
      for (int i = 0; i < d; i++) {
        square += Math.pow(get(x, t, i) - mean, 2) / d;
      }
      for (int i = 0; i < d; i++) {
        double y =
            (get(x, t, i) - mean) / Math.sqrt(square + norm.eps()) * get(norm.weight(), i, 0);
        set(out, t, i, y + (norm.bias() == null ? 0 : get(norm.bias(), i, 0)));
      }
    }
  }

  /** Mean and sum of squares of every part of every row. */
  static void statistics(Tensor statistics, Tensor x) {
    int parts = statistics.width() / 2;
    int columns = x.width();
    for (int c = 1; parts > 1 && c < 2 * x.width(); c *= 2) { // the power of two that gives so many
      columns = Math.ceilDiv(x.width(), c) == parts ? c : columns;
    }
    for (int t = 0; t < x.rows(); t++) {
      for (int p = 0; p < parts; p++) {
        int end = Math.min(x.width(), (p + 1) * columns);
        int n = end - p * columns;
        double mean = 0;
        double squares = 0;
        for (int i = p * columns; i < end; i++) {
          mean += get(x, t, i) / (double) n;
        }
        for (int i = p * columns; i < end; i++) {
          squares += Math.pow(get(x, t, i) - mean, 2);
        }
        set(statistics, t, 2 * p, mean);
        set(statistics, t, 2 * p + 1, squares);
      }
    }
  }

  /** {@code y = activation(norm(x)·wᵀ + bias) + residual}, row by row. */
  static void multiply(
      TensorArena scratch,
      Tensor y,
      Tensor x,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual) {
    Tensor in = x;
    if (before != null) {
      in = scratch.alloc("normed", DType.F32, x.rows(), x.width());
      norm(in, x, before);
    }
    for (int t = 0; t < x.rows(); t++) {
      double[] products = new double[w.out()];
      int o = 0;
      for (Tensor part : w.parts()) {
        for (int r = 0; r < part.rows(); r++, o++) {
          double sum = w.bias() == null ? 0 : get(w.bias(), o, 0);
          for (int i = 0; i < w.in(); i++) {
            sum += (double) get(in, t, i) * get(part, r, i);
          }
          products[o] = sum;
        }
      }
      for (int i = 0; i < y.width(); i++) {
        double a = products[i];
        double result =
            switch (activation) {
              case NONE -> a;
              case QUICK_GELU -> a / (1 + Math.exp(-1.702 * a));
              case GELU -> 0.5 * a * (1 + erf(a / Math.sqrt(2)));
              case SILU_MUL -> a / (1 + Math.exp(-a)) * products[y.width() + i];
            };
        set(y, t, i, result + (residual == null ? 0 : get(residual, t, i)));
      }
    }
  }

  /**
   * The error function by its series, and by its continued fraction where the series would cancel.
   */
  static double erf(double x) {
    double a = Math.abs(x);
    if (a > 3) {
      double fraction = 0;
      for (int k = 60; k >= 1; k--) {
        fraction = k / 2.0 / (a + fraction);
      }
      return Math.signum(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
    }
    double term = x;
    double sum = x;
    for (int k = 1; k < 100; k++) {
      term *= -x * x / k;
      sum += term / (2 * k + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
}
