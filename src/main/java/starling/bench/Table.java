package starling.bench;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import starling.input.TerminalText;

/**
 * Rows of text under a head: aligned for people, as Markdown, as CSV.
 *
 * @param head a name for each column
 * @param rows as many texts as the head has, for each row
 */
public record Table(List<String> head, List<List<String>> rows) {
  /** The first {@code left} columns are words, the others numbers. */
  public String aligned(int left) {
    List<List<String>> lines =
        all().stream().map(row -> row.stream().map(TerminalText::of).toList()).toList();
    var text = new StringBuilder();
    for (List<String> row : lines) {
      for (int c = 0; c < row.size(); c++) {
        String format = (c < left ? "%-" : "%") + width(lines, c) + "s";
        text.append(c == 0 ? "" : "  ").append(String.format(Locale.ROOT, format, row.get(c)));
      }
      while (text.charAt(text.length() - 1) == ' ') {
        text.setLength(text.length() - 1);
      }
      text.append('\n');
    }
    return text.toString();
  }

  private List<List<String>> all() {
    var all = new java.util.ArrayList<List<String>>();
    all.add(head);
    all.addAll(rows);
    return all;
  }

  private static int width(List<List<String>> lines, int column) {
    return lines.stream().mapToInt(r -> r.get(column).length()).max().orElse(0);
  }

  String markdown() {
    String line = "| " + String.join(" | ", head) + " |\n|" + " --- |".repeat(head.size()) + "\n";
    return line
        + rows.stream()
            .map(r -> "| " + String.join(" | ", r).replace("\n", " ") + " |\n")
            .collect(Collectors.joining());
  }

  /** As RFC 4180 quotes; lines end with a line feed alone. */
  String csv() {
    return all().stream()
        .map(r -> r.stream().map(Table::quoted).collect(Collectors.joining(",")) + "\n")
        .collect(Collectors.joining());
  }

  private static String quoted(String cell) {
    return cell.matches("[^\",\r\n]*") ? cell : '"' + cell.replace("\"", "\"\"") + '"';
  }

  /** Three digits that matter. */
  static String number(double x) {
    double size = Math.abs(x);
    String format = size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f";
    return size != 0 && size < 0.01
        ? String.format(Locale.ROOT, "%.1e", x)
        : String.format(Locale.ROOT, format, x);
  }
}
