package starling.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import starling.Answer;
import starling.Model;
import starling.Question;
import starling.image.Overlay;

/** {@code report.html} of the demo: one file, nothing loaded from elsewhere. */
final class DemoReport {
  private static final int IMAGE_SIDE = 384;

  record Data(
      String device,
      int grid,
      int layers,
      List<String> head,
      List<List<String>> table,
      List<Method> methods,
      List<Item> items) {}

  /** A spec's rows per layer and median times, for the bars. */
  record Method(
      String spec,
      List<Integer> tokensPerLayer,
      double gflops,
      double vision,
      double prefill,
      double decode) {}

  /**
   * A question.
   *
   * @param png what the tower saw, as base64
   * @param stage1 patches that STAR's first stage kept
   * @param scores1 its score of every patch
   * @param scores2 the second stage's score of every patch in {@code stage1}
   */
  record Item(
      String image,
      String question,
      String right,
      List<String> answers,
      String png,
      List<Integer> stage1,
      List<Float> scores1,
      List<Float> scores2) {}

  private DemoReport() {}

  static String html(Model model, List<DemoCommand.Tally> tallies, List<DemoCommand.Shown> shown) {
    var methods = tallies.stream().map(DemoReport::method).toList();
    var data =
        new Data(
            tallies.get(0).answers.get(0).device().label()
                + ": "
                + tallies.get(0).answers.get(0).deviceDescription(),
            model.family().typicalImage().crops().get(0).columns(),
            model.family().text().numHiddenLayers(),
            DemoTable.HEAD,
            tallies.stream().map(DemoTable::row).toList(),
            methods,
            shown.stream().map(s -> item(model, s)).toList());
    // In a script element only "</" could end the data early.
    return page().replace("/*DATA*/null", Output.json(data).replace("</", "<\\/"));
  }

  private static String page() {
    try (InputStream in = DemoReport.class.getResourceAsStream("report.html")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Method method(DemoCommand.Tally tally) {
    return new Method(
        tally.spec,
        tally.answers.get(0).tokensPerLayer(),
        DemoTable.median(tally, a -> a.flops().pruned()) / 1e9,
        DemoTable.median(tally, a -> a.timingsMs().vision()),
        DemoTable.median(tally, a -> a.timingsMs().prefill()),
        DemoTable.median(tally, a -> a.timingsMs().decodePerToken()));
  }

  private static Item item(Model model, DemoCommand.Shown s) {
    Answer star = s.answers().get(1);
    var region =
        model
            .prepare(s.image(), Question.of("").imageOptions(), s.item().image())
            .crops()
            .get(0)
            .region();
    byte[] png = Overlay.png(Overlay.seen(s.image(), region, IMAGE_SIDE, IMAGE_SIDE));
    return new Item(
        s.item().image(),
        s.item().text(),
        s.item().answer(),
        s.answers().stream().map(Answer::text).toList(),
        Base64.getEncoder().encodeToString(png),
        star.stages().get(0).kept(),
        star.stages().get(0).scores(),
        star.stages().get(1).scores());
  }
}
