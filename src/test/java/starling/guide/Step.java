package starling.guide;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One step of a list in the guide: a new file, changes of one, or a command, and what tells whoever
 * forgets it.
 *
 * @param number in its list, from 1
 * @param path the file that it is about; null of a command
 * @param example the file that a new one is like; null if it is not new
 * @param edits what changes in it, in order
 * @param command what is run; null of a file
 * @param teller the test that fails without this step; null if javac does
 * @param told what that says
 */
record Step(
    int number,
    Path path,
    Path example,
    List<Edit> edits,
    String command,
    String teller,
    String told) {
  private static final Pattern NEW =
      Pattern.compile("New file `([^`]+)`, like \\[[^]]+\\]\\(\\.\\./([^)]+)\\)");
  private static final Pattern FILE = Pattern.compile("^\\d+\\. In `([^`]+)`");
  private static final Pattern EDIT =
      Pattern.compile("(above|below|instead of) the first line with `(.+)`:$");
  private static final Pattern COMMAND = Pattern.compile("Run `([^`]+)`");
  private static final Pattern FORGOTTEN =
      Pattern.compile("Forgotten: (javac|`(\\w+)`) says `(.+)`\\.$");

  /**
   * @param place {@code above}, {@code below} or {@code instead of} the first line that holds
   *     {@code anchor}
   * @param text what comes there, whole lines
   */
  record Edit(String place, String anchor, String text) {}

  /** The steps under a heading of the guide. */
  static List<Step> of(String guide, String heading) {
    var steps = new ArrayList<Step>();
    String list = section(guide, heading).split("\nThen these pass", 2)[0];
    for (String item : list.split("\n(?=\\d+\\. )", -1)) {
      if (item.matches("(?s)\\d+\\. .*")) {
        steps.add(step(item));
      }
    }
    return steps;
  }

  /** The tests that a list says must pass. */
  static List<String> tests(String guide, String heading) {
    String command =
        matched(Pattern.compile("-Dtest='?([^'\\s]+)"), section(guide, heading)).group(1);
    return List.of(command.split(","));
  }

  private static String section(String guide, String heading) {
    int from = guide.indexOf("\n## " + heading + "\n");
    if (from < 0) {
      throw new AssertionError("the guide has no heading '" + heading + "'");
    }
    int to = guide.indexOf("\n## ", from + 1);
    return guide.substring(from, to < 0 ? guide.length() : to);
  }

  private static Step step(String item) {
    int number = Integer.parseInt(item.substring(0, item.indexOf('.')));
    String first = item.lines().findFirst().orElseThrow();
    Matcher told = matched(FORGOTTEN, lineWith(item, "Forgotten: "));
    String teller = told.group(2);
    String says = told.group(3);
    if (first.contains("New file ")) {
      Matcher m = matched(NEW, first);
      Path example = Path.of(m.group(2));
      return new Step(number, Path.of(m.group(1)), example, List.of(), null, teller, says);
    }
    if (first.contains("Run ")) {
      String command = matched(COMMAND, first).group(1);
      return new Step(number, null, null, List.of(), command, teller, says);
    }
    Path path = Path.of(matched(FILE, first).group(1));
    return new Step(number, path, null, edits(item), null, teller, says);
  }

  private static String lineWith(String item, String text) {
    return item.lines().filter(line -> line.contains(text)).findFirst().orElse(item);
  }

  private static List<Edit> edits(String item) {
    var edits = new ArrayList<Edit>();
    Matcher at = null;
    var text = new StringBuilder();
    boolean fenced = false;
    for (String line : item.lines().toList()) {
      if (line.startsWith("   ```")) {
        if (fenced) {
          edits.add(new Edit(at.group(1), at.group(2), text.toString()));
          text.setLength(0);
        }
        fenced = !fenced;
      } else if (fenced) {
        text.append(line.isEmpty() ? line : line.substring(3)).append('\n');
      } else if (line.endsWith("`:")) {
        at = matched(EDIT, line);
      }
    }
    if (edits.isEmpty()) {
      throw new AssertionError("the guide has a step that nobody can follow: " + item);
    }
    return edits;
  }

  private static Matcher matched(Pattern pattern, String text) {
    Matcher m = pattern.matcher(text);
    if (!m.find()) {
      throw new AssertionError("the guide has a step that nobody can follow: " + text);
    }
    return m;
  }

  /** Follows it in a copy of the checkout, where it is about a file. */
  void apply(Path tree) throws IOException {
    Path file = tree.resolve(path);
    if (example != null) {
      if (Files.exists(file)) {
        throw new AssertionError(path + " is there already");
      }
      Files.createDirectories(file.getParent());
      Files.copy(tree.resolve(example), file);
      return;
    }
    List<String> lines = new ArrayList<>(Files.readAllLines(file));
    for (Edit edit : edits) {
      int at = 0;
      while (at < lines.size() && !lines.get(at).contains(edit.anchor)) {
        at++;
      }
      if (at == lines.size()) {
        throw new AssertionError(path + " has no line with " + edit.anchor);
      }
      if (edit.place.equals("instead of")) {
        lines.remove(at);
      }
      lines.addAll(edit.place.equals("below") ? at + 1 : at, edit.text.lines().toList());
    }
    Files.write(file, lines);
  }

  @Override
  public String toString() {
    return "step " + number + " (" + (command == null ? path : command) + ")";
  }
}
