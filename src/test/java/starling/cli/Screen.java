package starling.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * What a person sees of bytes that were sent to a terminal: printing with wrapping at the right
 * edge, CR, LF, BS, tabs, and the cursor moves and erasures of ECMA-48 that programs with progress
 * lines use. The screen is as long as it has to be. Anything else that acts is an error.
 */
final class Screen {
  private final int columns;
  private final List<StringBuilder> rows = new ArrayList<>(List.of(new StringBuilder()));
  private final List<Boolean> wrapped = new ArrayList<>(List.of(false));
  private int row;
  private int column;

  Screen(int columns) {
    this.columns = columns;
  }

  static Screen of(String sent, int columns) {
    var screen = new Screen(columns);
    for (int i = 0; i < sent.length(); ) {
      i = sent.charAt(i) == 0x1b ? screen.control(sent, i) : screen.print(sent, i);
    }
    return screen;
  }

  /**
   * Lines as they were printed: rows that were wrapped are put together; no empty ones at the end.
   */
  List<String> lines() {
    var lines = new ArrayList<String>();
    for (int r = 0; r < rows.size(); r++) {
      String text = rows.get(r).toString();
      if (wrapped.get(r)) {
        lines.set(lines.size() - 1, lines.getLast() + text);
      } else {
        lines.add(text);
      }
    }
    lines.replaceAll(String::stripTrailing);
    while (!lines.isEmpty() && lines.getLast().isEmpty()) {
      lines.removeLast();
    }
    return lines;
  }

  private int print(String sent, int i) {
    int c = sent.codePointAt(i);
    switch (c) {
      case '\r' -> column = 0;
      case '\n' -> to(row + 1, false);
      case '\b' -> column = Math.max(0, column - 1);
      case '\t' -> column = Math.min(columns - 1, (column / 8 + 1) * 8);
      default -> {
        if (Character.isISOControl(c)) {
          throw new AssertionError("U+%04X reached the terminal".formatted(c));
        }
        put(c);
      }
    }
    return i + Character.charCount(c);
  }

  private void put(int c) {
    if (column == columns) {
      to(row + 1, true);
      column = 0;
    }
    StringBuilder line = rows.get(row);
    while (line.length() <= column) {
      line.append(' ');
    }
    line.setCharAt(column, (char) c); // the tests print nothing beyond the BMP
    column++;
  }

  private void to(int next, boolean byWrapping) {
    row = next;
    while (rows.size() <= row) {
      rows.add(new StringBuilder());
      wrapped.add(byWrapping);
    }
  }

  /** {@code ESC [ parameters letter}; returns where it ends. */
  private int control(String sent, int start) {
    int end = start + 2;
    if (start + 1 >= sent.length() || sent.charAt(start + 1) != '[') {
      throw new AssertionError("an escape that is no CSI reached the terminal");
    }
    while (end < sent.length() && sent.charAt(end) < 0x40) {
      end++;
    }
    String parameter = sent.substring(start + 2, end);
    int n = parameter.isEmpty() ? 0 : Integer.parseInt(parameter);
    switch (sent.charAt(end)) {
      case 'A' -> row = Math.max(0, row - Math.max(1, n));
      case 'B' -> to(row + Math.max(1, n), false);
      case 'C' -> column = Math.min(columns - 1, column + Math.max(1, n));
      case 'D' -> column = Math.max(0, column - Math.max(1, n));
      case 'G' -> column = Math.max(1, n) - 1;
      case 'K' -> erase(n);
      case 'm' -> {} // colours
      default -> throw new AssertionError("CSI " + parameter + sent.charAt(end) + " is not known");
    }
    return end + 1;
  }

  private void erase(int what) {
    StringBuilder line = rows.get(row);
    int from = what == 0 ? column : 0;
    int to = what == 1 ? column + 1 : line.length();
    for (int i = from; i < Math.min(to, line.length()); i++) {
      line.setCharAt(i, ' ');
    }
  }
}
