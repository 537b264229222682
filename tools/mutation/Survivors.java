import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;

/**
 * Compares what PIT's tests did not notice with the list of what need not be noticed.
 *
 * <p>The list is {@code src/test/mutation/survivors.txt}: a line that begins with {@code =} is a
 * reason, the lines below it are the mutants it is true of, each {@code CLASS METHOD: what was
 * changed | the line of code}. No line has a number, so that code may move. A mutant that survives
 * n times on equal lines of a method stands there once, with {@code n×} in front.
 */
public final class Survivors {
  private static final Path LIST = Path.of("src/test/mutation/survivors.txt");

  public static void main(String[] args) throws Exception {
    var killed = new TreeMap<String, Integer>();
    var total = new TreeMap<String, Integer>();
    var survived = new TreeMap<String, Integer>();
    var nodes =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(Path.of(args[0]).toFile())
            .getElementsByTagName("mutation");
    for (int i = 0; i < nodes.getLength(); i++) {
      var mutant = (Element) nodes.item(i);
      String type = text(mutant, "mutatedClass").replaceFirst("^starling\\.", "");
      String outer = type.replaceFirst("\\$.*", "");
      total.merge(outer, 1, Integer::sum);
      if (mutant.getAttribute("detected").equals("true")) {
        killed.merge(outer, 1, Integer::sum);
      } else {
        survived.merge(entry(mutant, type), 1, Integer::sum);
      }
    }
    for (String type : total.keySet()) {
      System.out.printf("%-44s %4d/%d%n", type, killed.getOrDefault(type, 0), total.get(type));
    }
    int all = total.values().stream().mapToInt(n -> n).sum();
    int noticed = killed.values().stream().mapToInt(n -> n).sum();
    System.out.printf("%-44s %4d/%d, %.1f %%%n", "together", noticed, all, 100.0 * noticed / all);
    System.exit(compare(survived, listed(total)) ? 0 : 1);
  }

  private static String text(Element mutant, String name) {
    return mutant.getElementsByTagName(name).item(0).getTextContent();
  }

  private static String entry(Element mutant, String type) throws Exception {
    String outer = type.replaceFirst("\\$.*", "");
    Path folder = Path.of("src/main/java/starling", outer.replace('.', '/')).getParent();
    List<String> lines = Files.readAllLines(folder.resolve(text(mutant, "sourceFile")));
    int line = Integer.parseInt(text(mutant, "lineNumber"));
    return type
        + " "
        + text(mutant, "mutatedMethod").replaceAll("^lambda\\$(\\w+)\\$\\d+$", "$1")
        + ": "
        + text(mutant, "description").replaceAll("lambda\\$(\\w+)\\$\\d+", "$1")
        + " | "
        + lines.get(line - 1).strip();
  }

  /** The entries about classes that were run, with how often each is true. */
  private static Map<String, Integer> listed(Map<String, Integer> types) throws Exception {
    var listed = new TreeMap<String, Integer>();
    boolean reason = false;
    for (String raw : Files.readAllLines(LIST)) {
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("=")) {
        reason = line.length() > 20;
        continue;
      }
      if (!reason) {
        throw new IllegalStateException(LIST + ": no reason above: " + line);
      }
      int times = 1;
      if (line.matches("\\d+× .*")) {
        times = Integer.parseInt(line.substring(0, line.indexOf('×')));
        line = line.substring(line.indexOf('×') + 2);
      }
      if (types.containsKey(line.replaceFirst("[$ ].*", ""))) {
        listed.merge(line, times, Integer::sum);
      }
    }
    return listed;
  }

  private static boolean compare(Map<String, Integer> survived, Map<String, Integer> listed) {
    var news = new ArrayList<String>();
    var gone = new ArrayList<String>();
    var keys = new TreeSet<>(survived.keySet());
    keys.addAll(listed.keySet());
    for (String key : keys) {
      int more = survived.getOrDefault(key, 0) - listed.getOrDefault(key, 0);
      if (more != 0) {
        int times = Math.abs(more);
        (more > 0 ? news : gone).add("  " + (times == 1 ? "" : times + "× ") + key);
      }
    }
    show("not noticed, and not in " + LIST + ":", news);
    show("in " + LIST + ", but noticed or gone:", gone);
    return news.isEmpty() && gone.isEmpty();
  }

  private static void show(String title, List<String> entries) {
    if (!entries.isEmpty()) {
      System.out.println(title);
      entries.forEach(System.out::println);
    }
  }
}
