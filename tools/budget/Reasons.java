import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Lines of the source that say why they store less than 16 bytes: {@code // narrow: REASON}. */
final class Reasons {
  private final Map<String, List<String>> sources = new HashMap<>();

  /** Whether a line that the store comes from, or the line above it, gives a reason. */
  boolean excuse(List<String> places) {
    return places.stream().anyMatch(this::says);
  }

  private boolean says(String place) {
    int colon = place.lastIndexOf(':');
    List<String> lines = sources.computeIfAbsent(place.substring(0, colon), Reasons::read);
    int line = Integer.parseInt(place.substring(colon + 1));
    return says(lines, line) || says(lines, line - 1) && lines.get(line - 2).strip().startsWith("//");
  }

  private static boolean says(List<String> lines, int line) {
    return line >= 1 && line <= lines.size() && lines.get(line - 1).contains("// narrow: ");
  }

  private static List<String> read(String file) {
    try {
      return file.startsWith("/") ? List.of() : Files.readAllLines(Path.of(file));
    } catch (IOException e) {
      return List.of();
    }
  }
}
