package starling.cli;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import starling.Answer;

/** The demo's table: one line per spec; times are medians over the questions. */
final class DemoTable {
  private DemoTable() {}

  static final List<String> HEAD =
      List.of(
          "prune",
          "right",
          "tokens",
          "per layer",
          "GFLOPs",
          "less",
          "KV MB",
          "vision ms",
          "prune ms",
          "prefill ms",
          "answer ms");

  static List<String> row(DemoCommand.Tally tally) {
    Answer any = tally.answers.get(0);
    return List.of(
        tally.spec,
        tally.right + " of " + tally.answers.size(),
        String.valueOf(any.visualTokens().afterStage2()),
        DemoCommand.fixed(0, any.visualTokensPerLayer()),
        DemoCommand.fixed(2, median(tally, a -> a.flops().pruned()) / 1e9),
        DemoCommand.fixed(1, 100 * median(tally, a -> a.flops().reduction())) + " %",
        DemoCommand.fixed(2, median(tally, a -> a.kvBytes().pruned()) / 1e6),
        DemoCommand.fixed(1, median(tally, a -> a.timingsMs().vision())),
        DemoCommand.fixed(1, median(tally, a -> a.timingsMs().prune())),
        DemoCommand.fixed(1, median(tally, a -> a.timingsMs().prefill())),
        DemoCommand.fixed(1, median(tally, a -> a.timingsMs().total())));
  }

  static double median(DemoCommand.Tally tally, ToDoubleFunction<Answer> number) {
    double[] sorted = tally.answers.stream().mapToDouble(number).sorted().toArray();
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  static String text(List<DemoCommand.Tally> tallies) {
    var rows = new java.util.ArrayList<List<String>>();
    rows.add(HEAD);
    tallies.forEach(tally -> rows.add(row(tally)));
    var text = new StringBuilder();
    for (List<String> row : rows) {
      for (int c = 0; c < row.size(); c++) {
        int column = c;
        int width = rows.stream().mapToInt(r -> r.get(column).length()).max().orElse(0);
        String format = c == 0 ? "%-" + width + "s" : "  %" + width + "s";
        text.append(String.format(Locale.ROOT, format, row.get(c)));
      }
      text.append('\n');
    }
    return text.toString();
  }
}
