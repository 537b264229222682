package starling.device;

/**
 * One choice among rows of a sequence: some of them are candidates, and some candidates stay. Rows
 * that are no candidates of any cut stay too. Several cuts have no candidate in common; they may
 * follow each other or lie between each other's candidates.
 *
 * @param at first row
 * @param count rows from there on that the candidates lie in
 * @param keep i32 {@code [kept]}, ascending: the candidates that stay
 * @param candidates i32 {@code [n]}, ascending, below {@code count}: candidate {@code j} is row
 *     {@code at + candidates[j]}; null when all the {@code count} rows are candidates
 */
public record Cut(int at, int count, Tensor keep, Tensor candidates) {
  /** Of consecutive candidates: {@code j} is row {@code at + j}. */
  public Cut(int at, int count, Tensor keep) {
    this(at, count, keep, null);
  }

  /** Candidates: n. */
  public int size() {
    return candidates == null ? count : candidates.rows();
  }

  /** How many candidates do not stay. */
  public int dropped() {
    return size() - keep.rows();
  }
}
