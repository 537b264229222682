package starling.device;

/**
 * Rows {@code from} to {@code to}, without {@code to}.
 *
 * @param from the first, at least 0
 * @param to behind the last, at least {@code from}
 */
public record Span(int from, int to) {
  public Span {
    if (from < 0 || to < from) {
      throw new IllegalArgumentException("span " + from + " to " + to);
    }
  }

  /** How many rows there are. */
  public int length() {
    return to - from;
  }
}
