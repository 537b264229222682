package starling.device;

/** Rows {@code from} (inclusive) to {@code to} (exclusive). */
public record Span(int from, int to) {
  public Span {
    if (from < 0 || to < from) {
      throw new IllegalArgumentException("span " + from + " to " + to);
    }
  }

  public int length() {
    return to - from;
  }
}
