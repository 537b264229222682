package starling.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** A prediction as text, Markdown, CSV and JSON; each says that it is one. */
public final class PredictionReport {
  private static final String NEVER = "prediction: never run on a GPU";

  private final Card card;
  private final List<PredictedRow> rows;
  private final List<PredictedRow> prefill;
  private final List<PredictedRow> token;
  private final Map<String, Double> measured;

  /**
   * @param measured microseconds by the rows that were, empty if none
   */
  PredictionReport(
      Card card,
      List<PredictedRow> rows,
      List<PredictedRow> prefill,
      List<PredictedRow> token,
      Map<String, Double> measured) {
    this.card = card;
    this.rows = List.copyOf(rows);
    this.prefill = List.copyOf(prefill);
    this.token = List.copyOf(token);
    this.measured = Map.copyOf(measured);
  }

  /** For the console. */
  public String text() {
    var text = new StringBuilder(heading());
    text.append('\n').append(table(rows, false).aligned(4));
    if (!prefill.isEmpty()) {
      text.append("\nprediction of a prefill of LLaVA-1.5-7B, 636 rows\n")
          .append(table(prefill, true).aligned(4));
      text.append("\nprediction of the next token\n").append(table(token, true).aligned(4));
      text.append('\n').append(sums());
    }
    return text.append(measured.isEmpty() ? NEVER + "\n" : "").toString();
  }

  /** All of it as Markdown. */
  public String markdown() {
    var text = new StringBuilder(heading().replace("\n", "  \n"));
    text.append('\n').append(table(rows, false).markdown());
    if (!prefill.isEmpty()) {
      text.append("\nprediction of a prefill of LLaVA-1.5-7B, 636 rows\n\n")
          .append(table(prefill, true).markdown());
      text.append("\nprediction of the next token\n\n").append(table(token, true).markdown());
      text.append('\n').append(sums().replace("\n", "  \n"));
    }
    return text.append(measured.isEmpty() ? "\n" + NEVER + "\n" : "").toString();
  }

  /** A line for every row and every launch of an answer, all digits. */
  public String csv() {
    var head = new ArrayList<>(List.of("prediction", "of", "count"));
    head.addAll(rows.getFirst().figures().keySet());
    head.add("measured_us");
    var body = new ArrayList<List<String>>();
    everything()
        .forEach(
            (of, list) ->
                list.forEach(
                    r -> {
                      var cells = new ArrayList<>(List.of(card.label(), of, "" + r.count()));
                      r.figures().values().forEach(v -> cells.add(cell(v)));
                      cells.add(cell(measured.get(key(r))));
                      body.add(cells);
                    }));
    return new Table(head, body).csv();
  }

  /** The object that {@code --out FILE.json} holds. */
  public Map<String, Object> json() {
    var json = new LinkedHashMap<String, Object>();
    json.put("what", measured.isEmpty() ? NEVER : "prediction beside what was measured");
    json.put("card", card);
    json.put("assumptions", card.assumptions());
    everything()
        .forEach(
            (of, list) ->
                json.put("prediction_of_" + of, list.stream().map(this::figures).toList()));
    if (!prefill.isEmpty()) {
      json.put("predicted_prefill_us", sum(prefill));
      json.put("predicted_token_us", sum(token));
    }
    return json;
  }

  /** The rows of the bench, and the launches of an answer, each by its name. */
  Map<String, List<PredictedRow>> everything() {
    var all = new LinkedHashMap<String, List<PredictedRow>>();
    all.put("rows", rows);
    all.put("prefill", prefill);
    all.put("token", token);
    return all;
  }

  private Map<String, Object> figures(PredictedRow r) {
    Map<String, Object> f = r.figures();
    f.replaceAll((name, v) -> v instanceof Double x && Double.isNaN(x) ? null : v);
    f.put("count", r.count());
    f.put("measured_us", measured.get(key(r)));
    return f;
  }

  /** Of launches one after another, in microseconds. */
  static double sum(List<PredictedRow> launches) {
    return launches.stream().mapToDouble(PredictedRow::all).sum();
  }

  private String heading() {
    return "prediction for "
        + card.name()
        + ", by "
        + "counted work, compiled code and assumed rates: without latencies, so real times are longer\n"
        + card.rates().stream()
            .map(r -> String.format(Locale.ROOT, "%-30s %s%n", r.get(0), r.get(1)))
            .collect(Collectors.joining())
        + String.join("\n", card.assumptions())
        + "\n";
  }

  private String sums() {
    double flops = prefill.stream().mapToDouble(r -> r.count() * r.work().flops()).sum();
    return String.format(
        Locale.ROOT,
        "prediction: prefill %.1f ms in %d launches (its FLOPs at the rate of libraries: %.1f ms), a"
            + " token %.2f ms in %d launches%n",
        sum(prefill) / 1e3,
        launches(prefill),
        flops / card.libraryProducts() / 1e9,
        sum(token) / 1e3,
        launches(token));
  }

  private static int launches(List<PredictedRow> list) {
    return list.stream().mapToInt(r -> r.count() * r.work().launches()).sum();
  }

  private Table table(List<PredictedRow> list, boolean answer) {
    var head =
        new ArrayList<>(
            List.of(
                "op",
                "sizes",
                "dtype",
                "kernel",
                "grid",
                "threads",
                "blocks/SM",
                "waves",
                "Minstr",
                "Mproducts",
                "Mwavefronts",
                "L2 MB",
                "MB",
                "issue",
                "products",
                "shared",
                "L2",
                "memory",
                "bound",
                "predicted us"));
    boolean real = list.stream().anyMatch(r -> measured.containsKey(key(r)));
    if (real) {
      head.add("measured us");
    }
    if (answer) {
      head.addAll(List.of("count", "together"));
    }
    var body = new ArrayList<List<String>>();
    for (PredictedRow r : list) {
      var cells = new ArrayList<>(inputs(r));
      r.micros().values().forEach(t -> cells.add(Table.number(t)));
      cells.add(r.bound());
      cells.add(Table.number(r.total()));
      if (real) {
        Double is = measured.get(key(r));
        cells.add(is == null ? "" : Table.number(is));
      }
      if (answer) {
        cells.addAll(List.of("" + r.count(), Table.number(r.all())));
      }
      body.add(cells);
    }
    return new Table(head, body);
  }

  private static List<String> inputs(PredictedRow r) {
    boolean known = r.blocks() > 0;
    var launch = r.work().launch();
    String more = r.work().launches() > 1 ? " + " + (r.work().launches() - 1) : "";
    return List.of(
        r.part(),
        r.sizes(),
        r.dtype(),
        launch.kernel() + more,
        launch.x() + "x" + launch.y() + "x" + launch.z(),
        "" + launch.threads(),
        known ? "" + r.blocks() : "",
        known ? String.format(Locale.ROOT, "%.2f", r.waves()) : "",
        known ? Table.number(r.instructions() / 1e6) : "",
        Table.number(r.products() / 1e6),
        Table.number(r.wavefronts() / 1e6),
        Table.number((r.work().read() + r.work().written()) / 1e6),
        Table.number(r.memoryBytes() / 1e6));
  }

  private static String key(PredictedRow r) {
    return r.part() + " " + r.sizes() + " " + r.dtype();
  }

  private static String cell(Object value) {
    return value == null || value.equals(Double.NaN) ? "" : value.toString();
  }
}
