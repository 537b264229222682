package starling.device;

/**
 * What a product has to do with those around it: which rows it is made of, and statistics that rows
 * carry from the product that made them to the norm before the next one, so that no row is read for
 * them twice.
 *
 * <p>Statistics of a row are in p parts of equally many columns, a power of two of them unless p is
 * 1; the last part may have fewer. Each part is two numbers, its mean and the sum of {@code (value
 * − mean)²}. Two tables of them are equal only to rounding.
 *
 * @param known f32 {@code [T, 2·p]}: statistics of the rows of {@code x} that are taken, for the
 *     norm before the product; null if the product is to find them. They must be true; whether a
 *     device reads them or {@code x} is its own affair.
 * @param rows i32 {@code [T]}: row i is made of row {@code rows[i]} of {@code x} and of the
 *     residual; null for row i
 * @param statistics f32 {@code [T, 2·parts]}: those of {@code y} as it is stored are written here,
 *     in {@link #parts} parts; null if nobody asks
 */
public record ProductRows(Tensor known, Tensor rows, Tensor statistics) {
  /** A product by itself. */
  public static final ProductRows NONE = new ProductRows(null, null, null);

  /** Rows that are few to a kernel; their statistics are in more parts. */
  private static final int FEW = 16;

  /**
   * @param known f32 {@code [T, 2·p]} of {@code x}, or null
   */
  public static ProductRows knowing(Tensor known) {
    return known == null ? NONE : new ProductRows(known, null, null);
  }

  /**
   * @param statistics f32 {@code [T, 2·parts]} of {@code y}, or null
   */
  public static ProductRows leaving(Tensor statistics) {
    return statistics == null ? NONE : new ProductRows(null, null, statistics);
  }

  /** Parts in which a product of so many rows leaves the statistics of rows of this width. */
  public static int parts(int rows, int width) {
    return Math.ceilDiv(width, rows <= FEW ? 16 : 64);
  }

  /**
   * Columns of each part but the last.
   *
   * @param width of the rows
   */
  public static int columns(int parts, int width) {
    int most = Math.ceilDiv(width, parts);
    return parts == 1 || most < 2 ? most : Integer.highestOneBit(most - 1) << 1;
  }

  /** Whether so many parts of rows of this width all have columns. */
  static boolean fit(int parts, int width) {
    return (long) (parts - 1) * columns(parts, width) < width;
  }
}
