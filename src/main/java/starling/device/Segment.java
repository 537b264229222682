package starling.device;

/**
 * One row of a {@link Segments} table as the host writes it: a sequence, a crop or a window.
 *
 * @param row its first row in the call
 * @param rows how many it has there; 0 is an idle segment, which reads and writes nothing
 * @param at first row of its keys in k and v
 * @param capacity rows that it owns there
 * @param length keys written before this call: row {@code i} of the segment becomes key {@code
 *     length + i}
 * @param hidden first of its {@code capacity} bytes in the mask's hidden tensor, -1 for none
 * @param position position of its first row on the first axis
 * @param second the same on the second axis
 * @param third the same on the third axis
 * @param step tokens drawn before this call
 * @param sampling how its next token is drawn
 */
public record Segment(
    int row,
    int rows,
    int at,
    int capacity,
    int length,
    int hidden,
    int position,
    int second,
    int third,
    int step,
    Sampling sampling) {
  public Segment {
    if (row < 0
        || rows < 0
        || at < 0
        || length < 0
        || hidden < -1
        || position < 0
        || second < 0
        || third < 0
        || step < 0) {
      throw new IllegalArgumentException(
          "segment: one of its numbers is negative; only hidden may be, and then it is -1");
    }
    if ((long) length + rows > capacity) {
      throw new IllegalArgumentException(
          "segment: " + rows + " rows behind " + length + " in a capacity of " + capacity);
    }
    sampling.check("segment");
  }

  /** A segment with nothing written, hidden or drawn yet, at position 0, greedy. */
  public static Segment of(int row, int rows, int at, int capacity) {
    return new Segment(row, rows, at, capacity, 0, -1, 0, 0, 0, 0, Sampling.GREEDY);
  }

  /** A segment without rows and keys, which takes no part in the call. */
  public static Segment idle() {
    return of(0, 0, 0, 0);
  }

  /** The same with {@code n} keys written before this call. */
  public Segment behind(int n) {
    return new Segment(row, rows, at, capacity, n, hidden, position, second, third, step, sampling);
  }

  /** The same with a mask: its bytes of the hidden tensor begin at {@code first}. */
  public Segment hidden(int first) {
    return new Segment(
        row, rows, at, capacity, length, first, position, second, third, step, sampling);
  }

  /** The same with its first row at position {@code p} on all axes. */
  public Segment standing(int p) {
    return standing(p, p, p);
  }

  /** The same with its first row at a position on each of the three axes. */
  public Segment standing(int p, int q, int r) {
    return new Segment(row, rows, at, capacity, length, hidden, p, q, r, step, sampling);
  }

  /** The same with {@code n} tokens drawn, and the next one drawn by {@code by}. */
  public Segment drawing(int n, Sampling by) {
    return new Segment(row, rows, at, capacity, length, hidden, position, second, third, n, by);
  }

  /** Writes it to row {@code index} of a table. */
  void put(int[] table, int index) {
    int[] values = {
      row,
      rows,
      at,
      capacity,
      length,
      hidden,
      position,
      second,
      third,
      step,
      Float.floatToRawIntBits(sampling.temperature()),
      sampling.topK(),
      Float.floatToRawIntBits(sampling.topP()),
      (int) sampling.seed(),
      (int) (sampling.seed() >>> 32),
      sampling.repeats() ? 0 : Float.floatToRawIntBits(sampling.repetitionPenalty())
    };
    System.arraycopy(values, 0, table, index * Segments.WIDTH, values.length);
  }
}
