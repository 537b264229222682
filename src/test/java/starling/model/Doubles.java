package starling.model;

import starling.device.StoredTensor;

/** What referees of a forward pass compute with: one row after the other, in doubles. */
public final class Doubles {
  private Doubles() {}

  /** Softmax of a head's query over n keys. */
  public static double[] attention(double[] q, int from, double[][] k, int to, int d, int n) {
    double[] a = new double[n];
    double sum = 0;
    for (int j = 0; j < n; j++) {
      double dot = 0;
      for (int e = 0; e < d; e++) {
        dot += q[from + e] * k[j][to + e];
      }
      a[j] = Math.exp(dot / Math.sqrt(d));
      sum += a[j];
    }
    for (int j = 0; j < n; j++) {
      a[j] /= sum;
    }
    return a;
  }

  /** A matrix times a vector, and a bias unless it is null. */
  public static double[] product(StoredTensor w, StoredTensor bias, double[] x) {
    double[] y = new double[w.shape().get(0)];
    for (int o = 0; o < y.length; o++) {
      y[o] = bias == null ? 0 : bias.get(o);
      for (int i = 0; i < x.length; i++) {
        y[o] += (double) w.get((long) o * x.length + i) * x[i];
      }
    }
    return y;
  }

  /** A norm by mean and deviation. */
  public static double[] layernorm(double[] x, StoredTensor weight, StoredTensor bias, double eps) {
    double mean = 0;
    double square = 0;
    for (double e : x) {
      mean += e / x.length;
    }
    for (double e : x) {
      square += (e - mean) * (e - mean) / x.length;
    }
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = (x[i] - mean) / Math.sqrt(square + eps) * weight.get(i) + bias.get(i);
    }
    return y;
  }

  /** A norm by the root of the mean square. */
  public static double[] rmsnorm(double[] x, StoredTensor weight, double eps) {
    double square = 0;
    for (double e : x) {
      square += e * e / x.length;
    }
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i] / Math.sqrt(square + eps) * weight.get(i);
    }
    return y;
  }

  /** x·Φ(x), by Simpson's rule. */
  public static double gelu(double x) {
    int n = 400;
    double step = x / n;
    double sum = 1 + Math.exp(-x * x / 2);
    for (int i = 1; i < n; i++) {
      double t = i * step;
      sum += (i % 2 == 1 ? 4 : 2) * Math.exp(-t * t / 2);
    }
    return x * (0.5 + sum * step / 3 / Math.sqrt(2 * Math.PI));
  }

  /** A row of a table. */
  public static double[] row(StoredTensor table, int i) {
    int d = table.shape().get(1);
    double[] row = new double[d];
    for (int e = 0; e < d; e++) {
      row[e] = table.get((long) i * d + e);
    }
    return row;
  }

  /** The sum of two vectors. */
  public static double[] add(double[] a, double[] b) {
    double[] sum = a.clone();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += b[i];
    }
    return sum;
  }
}
