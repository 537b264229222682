package starling.device;

import java.util.List;

/**
 * The segments of a call: sequences of a batch, crops or windows of an image. Each has a run of the
 * call's rows and a run of keys of its own, and sees no other segment's. A call with one segment is
 * no special case.
 *
 * <p>The table holds what changes from call to call, on the device, so that a step can be captured:
 * offsets, never addresses. Its columns are those of {@link Segment}, in order: {@code row}, {@code
 * rows}, {@code at}, {@code capacity}, {@code length}, {@code hidden}, the position on three axes,
 * {@code step}, then the sampling (temperature and top-p as the bits of an f32, top-k between them,
 * the seed's low and high half, the repetition penalty as the bits of an f32, 0 for none). Segments
 * that are not idle stand in order of their rows, and no two share one.
 *
 * <p>What a segment's rows become does not depend on the other segments: {@code rows} and {@code
 * keys} choose kernels and grids, so calls with the same two give a segment the same bits alone and
 * in company.
 *
 * @param table i32 {@code [S, 16]}
 * @param rows the most rows that a segment has in the call
 * @param keys the most keys that a segment has, those of this call included; a larger number, such
 *     as a power of two, gives the same bits
 */
public record Segments(Tensor table, int rows, int keys) {
  /** Columns of a table. */
  public static final int WIDTH = 16;

  /** First row of the segment in the call. */
  public static final int ROW = 0;

  /** Number of its rows in the call; 0 is an idle segment. */
  public static final int ROWS = 1;

  /** First row of its keys in k and v. */
  public static final int AT = 2;

  /** Rows that it owns there. */
  public static final int CAPACITY = 3;

  /** Keys written before the call. */
  public static final int LENGTH = 4;

  /** First of its bytes in the mask's hidden tensor; -1 for none. */
  public static final int HIDDEN = 5;

  /** Position of its first row, on the first of three axes. */
  public static final int POSITION = 6;

  /** Tokens drawn before the call. */
  public static final int STEP = 9;

  /** Bits of the f32; 0 is greedy. */
  public static final int TEMPERATURE = 10;

  /** How many of the likeliest tokens are kept; 0 keeps all. */
  public static final int TOP_K = 11;

  /** Bits of the f32: the mass of the likeliest tokens that are kept. */
  public static final int TOP_P = 12;

  /** Low half of the seed; the high half is in the next column. */
  public static final int SEED = 13;

  /** Bits of the f32: the repetition penalty; 0 is none. */
  public static final int PENALTY = 15;

  /** Axes that a position may have. */
  public static final int AXES = 3;

  /** How many segments there are, idle ones included. */
  public int count() {
    return table.rows();
  }

  /** Segment {@code s} alone, in the same call. */
  public Segments only(int s) {
    return new Segments(table.rows(s, s + 1), rows, keys);
  }

  /** A table's numbers, row by row, to be uploaded. */
  public static int[] table(List<Segment> segments) {
    int[] table = new int[segments.size() * WIDTH];
    for (int s = 0; s < segments.size(); s++) {
      segments.get(s).put(table, s);
    }
    return table;
  }
}
