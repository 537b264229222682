import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The table of budgets, and what a kernel may miss of its row. */
final class Budgets {
  private static final int COLUMNS = 11;

  /**
   * A row; a NaN is no budget.
   *
   * @param shared bytes that the launch asks for
   */
  private record Row(int line, int shared, double[] of) {}

  private final Path file;
  private final Map<String, Row> rows = new LinkedHashMap<>();

  Budgets(Path file) throws IOException {
    this.file = file;
    List<String> lines = Files.readAllLines(file);
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).replaceFirst("#.*", "").strip();
      if (line.isEmpty()) {
        continue;
      }
      String[] cells = line.split("\\s+");
      if (cells.length != COLUMNS) {
        throw new IOException(file + ":" + (i + 1) + ": " + cells.length + " columns; there are " + COLUMNS);
      }
      double[] of = new double[COLUMNS];
      for (int c = 1; c < COLUMNS; c++) {
        of[c] = cells[c].equals("-") ? Double.NaN : Double.parseDouble(cells[c]);
      }
      rows.put(cells[0], new Row(i + 1, Double.isNaN(of[1]) ? 0 : (int) of[1], of));
    }
  }

  /** Bytes of shared memory of a launch. */
  int shared(String kernel) {
    Row row = rows.get(kernel);
    return row == null ? 0 : row.shared;
  }

  /** A sentence for each budget that is missed, and for rows and kernels that stand alone. */
  List<String> missed(List<Figures> all) {
    var missed = new ArrayList<String>();
    for (Figures f : all) {
      Row row = rows.get(f.kernel().name());
      if (row == null) {
        missed.add(f.kernel().name() + " (" + f.kernel().source() + ") has no row in " + file);
      } else {
        check(missed, f, row);
      }
    }
    rows.forEach(
        (name, row) -> {
          if (all.stream().noneMatch(f -> f.kernel().name().equals(name))) {
            missed.add(file + ":" + row.line + ": there is no kernel " + name);
          }
        });
    return missed;
  }

  private void check(List<String> missed, Figures f, Row row) {
    Region ptx = Region.hottest(f.kernel().ptx());
    String busiest = ptx.busiestPlace();
    String load = ptx.way().stream()
        .filter(i -> i.is(Instruction.Kind.LOAD) || i.is(Instruction.Kind.COPY))
        .findFirst().map(Instruction::placeAndCaller).orElse(busiest);
    String inner = ptx.inner().isEmpty() ? busiest : ptx.inner().getFirst().placeAndCaller();
    String store = f.narrowStores().isEmpty() ? busiest : f.narrowStores().getFirst().placeAndCaller();
    String kernel = f.kernel().ptx().instructions().getFirst().place();
    double[] of = row.of;
    most(missed, f, "instructions of PTX per product", f.perProduct(), of[2], busiest);
    most(missed, f, "instructions per product", f.perProductSass(), of[3], f.hot().busiestPlace());
    most(missed, f, "loops inside the hottest loop", f.loops(), of[4], inner);
    least(missed, f, "loads in flight, in PTX", f.inFlight(), of[5], load);
    least(missed, f, "loads in flight", f.inFlightSass() < 0 ? Double.NaN : f.inFlightSass(), of[6], load);
    most(missed, f, "stores of less than 16 bytes", f.narrow(), of[7], store);
    most(missed, f, "registers", f.registers(), of[8], kernel);
    least(missed, f, "blocks an SM", f.blocks(), of[9], kernel);
    most(missed, f, "bytes of code", f.code(), of[10], kernel);
    if (f.kernel().spills() > 0) {
      missed.add(f.kernel().name() + ": " + f.kernel().spills() + " bytes of spills, at most 0 (" + kernel + ")");
    }
  }

  private static void most(List<String> missed, Figures f, String what, double is, double budget, String place) {
    if (is > budget + 0.005) { // never with NaN
      missed.add(sentence(f, what, is, "at most", budget, place));
    }
  }

  private static void least(List<String> missed, Figures f, String what, double is, double budget, String place) {
    if (is < budget) {
      missed.add(sentence(f, what, is, "at least", budget, place));
    }
  }

  private static String sentence(Figures f, String what, double is, String bound, double budget, String place) {
    return f.kernel().name() + ": " + text(is) + " " + what + ", " + bound + " " + text(budget) + " (" + place + ")";
  }

  private static String text(double x) {
    return x == Math.rint(x) ? String.format(Locale.ROOT, "%.0f", x) : String.format(Locale.ROOT, "%.2f", x);
  }
}
