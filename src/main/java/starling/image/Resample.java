package starling.image;

/**
 * Resizing that equals Pillow's to the last bit on 8-bit images: coefficients in double,
 * normalised, then fixed point of 22 bits; a horizontal pass, rounded to 8 bits, then a vertical
 * one (Pillow, Resample.c).
 */
final class Resample {
  private static final int PRECISION = 32 - 8 - 2;

  private interface Filter {
    double weight(double x);
  }

  private Resample() {}

  /**
   * @param filter Pillow's number: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, 5 Hamming
   */
  static Image resize(Image image, int width, int height, int filter) {
    if (image.width() == width && image.height() == height) {
      return image;
    }
    if (filter == 0) {
      return nearest(image, width, height);
    }
    Image wide = width == image.width() ? image : horizontal(image, width, filter);
    return height == wide.height() ? wide : vertical(wide, height, filter);
  }

  private static Image nearest(Image image, int width, int height) {
    byte[] out = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    double stepX = (double) image.width() / width;
    double stepY = (double) image.height() / height;
    double sourceY = stepY * 0.5; // summed up, not multiplied, as Pillow does
    for (int y = 0; y < height; y++, sourceY += stepY) {
      int fromY = ((int) sourceY) * image.width();
      double sourceX = stepX * 0.5;
      for (int x = 0; x < width; x++, sourceX += stepX) {
        System.arraycopy(image.rgb(), 3 * (fromY + (int) sourceX), out, 3 * (y * width + x), 3);
      }
    }
    return new Image(width, height, out);
  }

  private static Image horizontal(Image image, int width, int filter) {
    var taps = Taps.of(image.width(), width, filter);
    byte[] in = image.rgb();
    byte[] out = new byte[Math.multiplyExact(3, Math.multiplyExact(width, image.height()))];
    for (int y = 0; y < image.height(); y++) {
      for (int x = 0; x < width; x++) {
        int from = 3 * (y * image.width() + taps.first[x]);
        sum(in, from, 3, taps, x, out, 3 * (y * width + x));
      }
    }
    return new Image(width, image.height(), out);
  }

  private static Image vertical(Image image, int height, int filter) {
    var taps = Taps.of(image.height(), height, filter);
    int width = image.width();
    byte[] out = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        sum(
            image.rgb(),
            3 * (taps.first[y] * width + x),
            3 * width,
            taps,
            y,
            out,
            3 * (y * width + x));
      }
    }
    return new Image(width, height, out);
  }

  /** One output pixel: three weighted sums along a line of pixels {@code stride} bytes apart. */
  private static void sum(byte[] in, int from, int stride, Taps taps, int i, byte[] out, int to) {
    int r = 1 << (PRECISION - 1);
    int g = r;
    int b = r;
    int at = from;
    int k = i * taps.size;
    for (int n = 0; n < taps.count[i]; n++, at += stride, k++) {
      int weight = taps.weights[k];
      r += (in[at] & 0xff) * weight;
      g += (in[at + 1] & 0xff) * weight;
      b += (in[at + 2] & 0xff) * weight;
    }
    out[to] = clip(r);
    out[to + 1] = clip(g);
    out[to + 2] = clip(b);
  }

  private static byte clip(int sum) {
    return (byte) Math.max(0, Math.min(255, sum >> PRECISION));
  }

  /**
   * The source pixels of each output pixel and their fixed-point weights.
   *
   * @param size room for weights per output pixel
   */
  private record Taps(int size, int[] first, int[] count, int[] weights) {
    static Taps of(int in, int out, int number) {
      Filter filter = filter(number);
      double scale = (double) in / out;
      double stretch = Math.max(scale, 1);
      double support = support(number) * stretch;
      int size = (int) Math.ceil(support) * 2 + 1;
      var taps = new Taps(size, new int[out], new int[out], new int[Math.multiplyExact(out, size)]);
      double[] weights = new double[size];
      for (int i = 0; i < out; i++) {
        double center = (i + 0.5) * scale;
        int first = Math.max(0, (int) (center - support + 0.5));
        int count = Math.min(in, (int) (center + support + 0.5)) - first;
        double sum = 0;
        for (int n = 0; n < count; n++) {
          weights[n] = filter.weight((n + first - center + 0.5) * (1 / stretch));
          sum += weights[n];
        }
        for (int n = 0; n < count; n++) {
          double w = (sum != 0 ? weights[n] / sum : weights[n]) * (1 << PRECISION);
          taps.weights[i * size + n] = (int) (w < 0 ? w - 0.5 : w + 0.5);
        }
        taps.first[i] = first;
        taps.count[i] = count;
      }
      return taps;
    }
  }

  private static double support(int number) {
    return switch (number) {
      case 1 -> 3;
      case 3 -> 2;
      case 4 -> 0.5;
      default -> 1;
    };
  }

  private static Filter filter(int number) {
    return switch (number) {
      case 1 -> x -> Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
      case 2 -> x -> Math.max(0, 1 - Math.abs(x));
      case 3 -> Resample::bicubic;
      case 4 -> x -> x > -0.5 && x <= 0.5 ? 1 : 0;
      case 5 -> Resample::hamming;
      default -> throw new IllegalArgumentException("there is no filter " + number);
    };
  }

  private static double bicubic(double signed) {
    double a = -0.5;
    double x = Math.abs(signed);
    if (x < 1) {
      return ((a + 2) * x - (a + 3)) * x * x + 1;
    }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  }

  private static double hamming(double signed) {
    double x = Math.abs(signed);
    if (x == 0) {
      return 1;
    }
    return x >= 1
        ? 0
        : Math.sin(x * Math.PI) / (x * Math.PI) * (0.54 + 0.46 * Math.cos(x * Math.PI));
  }

  private static double sinc(double x) {
    return x == 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
  }
}
