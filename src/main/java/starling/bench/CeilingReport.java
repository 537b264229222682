package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What the hardware reaches.
 *
 * @param environment where and when
 * @param ceilings of bytes and FLOPs
 * @param launchMicros an empty launch
 * @param nodeMicros an empty node of a captured graph; null where nothing is captured
 * @param launches one kernel launched in several ways, on cuda
 */
public record CeilingReport(
    Map<String, Object> environment,
    Ceilings.Report ceilings,
    double launchMicros,
    Double nodeMicros,
    List<Launch> launches) {
  /** The ways to launch, aligned; empty without any. */
  public String launchTable() {
    if (launches.isEmpty()) {
      return "";
    }
    var rows = new ArrayList<List<String>>();
    for (Launch l : launches) {
      rows.add(List.of(l.by(), micros(l.hostMicros()), micros(l.doneMicros())));
    }
    String table = new Table(List.of("one kernel by", "host us", "done us"), rows).aligned(1);
    return launches.stream()
        .filter(l -> l.absent() != null)
        .map(l -> l.by() + ": not measured: " + l.absent() + "\n")
        .collect(Collectors.joining("", table, ""));
  }

  private static String micros(Double value) {
    return value == null ? "-" : String.format(Locale.ROOT, "%.3f", value);
  }
}
