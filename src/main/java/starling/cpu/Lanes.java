package starling.cpu;

import starling.device.Tensor;

/**
 * The inner loops, on f32 arrays: with the Vector API where its module is present, else scalar.
 * Both take the same steps, but sums are grouped by lanes, so their results differ by rounding.
 */
sealed interface Lanes permits ScalarLanes, VectorLanes {
  /** Rows of a tile. */
  int TILE_ROWS = 6;

  /** Input rows, if there is more than one, that {@link #multiply} takes at a time. */
  int GROUP = 4;

  float LOG2_E = (float) 1.4426950408889634;

  /** Adding this number rounds to a whole one, which then stands in the lowest bits of the sum. */
  float ROUND = 0x1.8p23f;

  // 2^f on [-1/2, 1/2]: Taylor coefficients ln(2)^k / k!, relative error below 2e-7.
  float P1 = (float) 0.6931471805599453;
  float P2 = (float) 0.2402265069591007;
  float P3 = (float) 0.05550410866482158;
  float P4 = (float) 0.009618129107628477;
  float P5 = (float) 0.0013333558146428443;
  float P6 = (float) 0.0001540353039338161;

  /** What reports call it. */
  String description();

  /** Columns of a tile and of a packed panel. */
  int panelWidth();

  /** Rows that {@link #transpose} turns at a time; {@link #panelWidth} is a multiple of it. */
  int strip();

  /**
   * {@code c += a·b} for one tile; the products of an element are added in order.
   *
   * @param a {@code TILE_ROWS} rows, {@code aRow} apart, whose elements are {@code aStep} apart
   * @param b a packed panel {@code [k, panelWidth]}
   * @param c {@code TILE_ROWS} rows of {@code panelWidth}, {@code ldc} apart
   */
  void tile(
      float[] a,
      int aAt,
      int aRow,
      int aStep,
      float[] b,
      int bAt,
      int k,
      float[] c,
      int cAt,
      int ldc);

  /**
   * Rows become columns of a panel: {@code panel[at + i·panelWidth + j] = rows[j·stride + i]}. What
   * stands in {@code rows} afterwards is open.
   *
   * @param rows {@link #strip} rows of {@code k} values, {@code stride} apart
   */
  void transpose(float[] rows, int stride, int k, float[] panel, int at);

  /** Elements {@code from … from + n} of a stored row, widened. */
  void load(Tensor t, int row, int from, int n, float[] out, int at);

  /** The sum of {@code n} products. */
  float dot(float[] a, int aAt, float[] b, int bAt, int n);

  /** Products of a row that {@link #multiply} adds side by side, each into a sum of its own. */
  int lanes();

  /**
   * Puts a row into the order in which {@link #multiply} reads: of every {@code 2·lanes} elements
   * the even ones, then the odd ones, as two bf16 come apart that are loaded as one int.
   *
   * @param n elements, a multiple of {@code 2·lanes}
   * @param step from one {@code lanes} elements to the next ones in {@code out}
   */
  void split(float[] row, int at, int n, float[] out, int to, int step);

  /**
   * Products of one input row with eight rows of weights, or of {@link #GROUP} rows with four: what
   * {@link #outputs} says. {@code sums[(r·outputs + o)·lanes + l] += Σ x[(c·rows + r)·lanes + l] ·
   * w[o·stride + c·lanes + l]}, added in order of c: a sum has the same bits whatever the number of
   * rows, and in how many pieces they are multiplied.
   *
   * @param x rows in the order of elements that the weights have: their own, or {@link #split}
   * @param rows 1 or {@link #GROUP}
   * @param n elements of a row, a multiple of {@code 2·lanes}
   */
  void multiply(
      float[] x, int xAt, int rows, float[] w, int stride, int n, float[] sums, int sumsAt);

  /**
   * The same with elements {@code from … from + n} of rows {@code row … row + outputs} of {@code t}
   * as they are stored, as if they had been loaded and split first. For tensors and elements that
   * {@link #readable} allows.
   */
  void multiply(
      float[] x, int xAt, int rows, Tensor t, int row, int from, int n, float[] sums, int sumsAt);

  /**
   * How many elements of a row {@link #multiply} can take as they are stored, from the first on:
   * all but less than {@code 2·lanes}, or none.
   */
  int readable(Tensor t);

  /**
   * Adds up the lanes of sums: what {@code multiply} left at {@code i·lanes …} becomes a number at
   * {@code i}.
   *
   * @param count of sums, a multiple of 16
   */
  void addUp(float[] sums, int count);

  /** Rows of weights that {@link #multiply} takes at a time. */
  static int outputs(int rows) {
    return rows == 1 ? 8 : 4;
  }

  /** {@code y += s·x}. */
  void addScaled(float[] y, int yAt, float s, float[] x, int xAt, int n);

  /** {@code x = 2^(x·scale − shift)}; a result below 2^-126 is 0 or nearly so. */
  void exp2(float[] x, int at, int n, float scale, float shift);

  /** The sum of {@code n} elements. */
  float sum(float[] x, int at, int n);

  /** The largest; NaN if there is one. */
  float max(float[] x, int at, int n);

  /**
   * {@code 2^x}: the whole part goes to the exponent, a polynomial does the rest. Without FMA,
   * which not every processor has.
   */
  static float exp2(float value) {
    float x = Math.max(Math.min(value, 126f), -127f);
    float shifted = x + ROUND;
    float f = x - (shifted - ROUND);
    float p = P6 * f + P5;
    p = p * f + P4;
    p = p * f + P3;
    p = p * f + P2;
    p = p * f + P1;
    p = p * f + 1f;
    return p * Float.intBitsToFloat((Float.floatToRawIntBits(shifted) << 23) + 0x3f800000);
  }

  /** The best that the module graph and the processor offer. */
  static Lanes best() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      return new ScalarLanes();
    }
    return Fma.FAST ? new VectorLanes() : new UnfusedLanes();
  }
}
