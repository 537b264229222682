package starling.cli;

import java.util.Locale;
import java.util.stream.Collectors;
import starling.checkpoint.TextConfig;
import starling.input.TerminalText;
import starling.model.VisionLanguageModel;

/** What {@code inspect} prints for people: a label and a line for each thing. */
final class InspectText {
  private final InspectCommand.Report report;
  private final VisionLanguageModel family;
  private final StringBuilder out = new StringBuilder();

  InspectText(InspectCommand.Report report, VisionLanguageModel family) {
    this.report = report;
    this.family = family;
  }

  String text() {
    model();
    weights(report.weights());
    images();
    pruning();
    costs();
    return out.toString().stripTrailing();
  }

  private void model() {
    TextConfig t = family.text();
    line("model", "%s", report.model());
    line("vision", "%s", family.tower());
    line(
        "decoder",
        "%d layers, width %d, %d heads (%d for keys) of %d, MLP %d, vocabulary %d, context %d",
        t.numHiddenLayers(),
        t.hiddenSize(),
        t.numAttentionHeads(),
        t.numKeyValueHeads(),
        t.headDim(),
        t.intermediateSize(),
        t.vocabSize(),
        t.maxPositionEmbeddings());
  }

  private void weights(InspectCommand.Weights w) {
    if (w.note() != null) {
      line("weights", "%s", w.note());
      return;
    }
    line(
        "weights", "%d tensors, %.1f MB, head from %s", w.tensors(), w.bytes() / 1e6, w.headFrom());
    for (InspectCommand.Tensor tensor : w.largest()) {
      line("", "%-58s %-5s %s", tensor.name(), tensor.dtype(), tensor.shape());
    }
    if (!w.unused().isEmpty()) {
      var names = w.unused().stream().map(InspectCommand.Tensor::name);
      line("not used", "%s", names.collect(Collectors.joining(", ")));
    }
  }

  private void images() {
    if (report.imageSize() != null) {
      String options = report.imageOptions() == null ? "" : "; " + report.imageOptions();
      line("images", "%d of %s pixels%s", report.images(), report.imageSize(), options);
    }
  }

  private void pruning() {
    line(
        "prune",
        "%s%s",
        report.pruneOptions(),
        report.counted() == null
            ? ""
            : "; it decides how many stay when it runs, below is the most");
    line(
        "tokens",
        "%d visual, %d after stage 1, %d after stage 2; %.1f on average over the layers; %d text",
        report.visualTokens().input(),
        report.visualTokens().afterStage1(),
        report.visualTokens().afterStage2(),
        report.visualTokensPerLayer(),
        report.textTokens());
    line("per layer", "%s", report.tokensPerLayer().toString());
  }

  private void costs() {
    line(
        "FLOPs",
        "%.4g of %.4g, %.1f %% less (%s; text and vision counted)",
        report.flops().pruned(),
        report.flops().dense(),
        100 * report.flops().reduction(),
        report.flops().formula());
    line(
        "",
        "%.4g of them in the vision tower, which hardly any pruning spares: %.0f %% of all without"
            + " pruning, %.0f %% with it",
        report.flops().vision(),
        100 * report.flops().vision() / report.flops().dense(),
        100 * report.flops().vision() / report.flops().pruned());
    line(
        "KV",
        "%.2f of %.2f MB at two bytes per element",
        report.kvBytes().pruned() / 1e6,
        report.kvBytes().dense() / 1e6);
  }

  private void line(String label, String format, Object... values) {
    out.append(String.format(Locale.ROOT, "%-10s ", label))
        .append(TerminalText.of(String.format(Locale.ROOT, format, values)))
        .append('\n');
  }
}
