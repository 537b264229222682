package starling.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import starling.Answer;
import starling.DemoData;
import starling.Model;
import starling.Question;
import starling.device.DeviceType;
import starling.image.Image;
import starling.image.Overlay;
import starling.input.InputException;
import starling.input.TerminalText;

/** The main job on the bundled model: dense against pruned, with images of what was kept. */
@Command(
    name = "demo",
    description = "Answers the bundled questions, dense and pruned, and shows what pruning kept.")
final class DemoCommand implements Callable<Integer> {
  static final String STAR = "star:R=0.1,K=4,P=0.9";

  /** STAR, its two halves at the same number of tokens, and the baseline that looks at nothing. */
  static final List<String> SPECS =
      List.of("none", STAR, "star:R=0.9,P=0", "star:R=0,K=4,P=0.9", "random:keep=58,seed=7");

  private static final int SHOWN = 10;

  @Spec private CommandSpec command;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "starling-demo",
      description = "folder for images and report.html")
  private Path out;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "auto, cpu, cuda, emulated")
  private String device;

  @Option(
      names = "--pictures",
      paramLabel = "N",
      description = "how many of the bundled images, with five questions each; all unless told")
  private Integer images;

  /** What a spec achieved on all questions. */
  static final class Tally {
    final String spec;
    final List<Answer> answers = new ArrayList<>();
    int right;

    Tally(String spec) {
      this.spec = spec;
    }
  }

  /** A question of the report, with its image and the answers in the order of {@link #SPECS}. */
  record Shown(DemoData.Item item, Image image, List<Answer> answers) {}

  @Override
  public Integer call() {
    checkOptions();
    makeFolder();
    try (var demo = DemoData.unpack();
        Model model = Model.open(demo.model(), DeviceType.of(device))) {
      List<DemoData.Item> items = items(demo.questions());
      Path report = out.resolve("report.html");
      List<Path> overlays = overlays(items);
      Output.checkWritable(Stream.concat(Stream.of(report), overlays.stream()).toList(), List.of());
      var read = new LinkedHashMap<String, Image>();
      for (DemoData.Item item : items) {
        read.computeIfAbsent(item.image(), demo::image);
      }
      var tallies = SPECS.stream().map(Tally::new).toList();
      ask(model, items, read, tallies);
      var shown = shown(items, read, tallies);
      drawOverlays(model, shown, overlays);
      Output.write(report, DemoReport.html(model, tallies, shown).getBytes(StandardCharsets.UTF_8));
      say(tallies, items.size(), overlays, report);
    }
    return 0;
  }

  private void checkOptions() {
    if (!DeviceType.labels().contains(device)) {
      throw new ParameterException(
          command.commandLine(),
          "--device is '" + device + "'; it must be one of " + DeviceType.labels());
    }
    if (images != null && images < 1) {
      throw new ParameterException(
          command.commandLine(), "--pictures is " + images + "; it must be at least 1");
    }
  }

  private static void say(List<Tally> tallies, int questions, List<Path> overlays, Path report) {
    Tally dense = tallies.get(0);
    Tally star = tallies.get(1);
    String images = overlays.get(0) + " … " + overlays.getLast().getFileName();
    System.out.print(DemoTable.text(tallies));
    System.out.println();
    System.out.println("kept tokens  " + TerminalText.of(images));
    System.out.println("report       " + TerminalText.of(report.toString()));
    System.out.println(
        dense.right
            + " of "
            + questions
            + " answers right (dense), "
            + star.right
            + " of "
            + questions
            + " ("
            + star.spec
            + ")");
  }

  private void makeFolder() {
    try {
      Files.createDirectories(out);
    } catch (IOException e) {
      throw new InputException(out + ": the folder cannot be made (" + Output.reason(e) + ")", e);
    }
  }

  /** The questions about the first images. */
  private List<DemoData.Item> items(List<DemoData.Item> all) {
    int limit = images != null ? images : device.equals("emulated") ? 2 : Integer.MAX_VALUE;
    List<String> names = all.stream().map(DemoData.Item::image).distinct().limit(limit).toList();
    return all.stream().filter(item -> names.contains(item.image())).toList();
  }

  private static void ask(
      Model model, List<DemoData.Item> items, Map<String, Image> read, List<Tally> tallies) {
    int total = items.size() * tallies.size();
    var bar =
        Terminal.hasStatus()
            ? new ProgressBarBuilder()
                .setTaskName("questions")
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .setConsumer(new OnStatusLine())
                .build()
            : null;
    try (ProgressBar shown = bar) {
      // Question by question, so that a noisy minute of the machine falls on every method alike.
      for (DemoData.Item item : items) {
        for (Tally tally : tallies) {
          Answer answer =
              model.ask(
                  Question.of(item.text())
                      .image(read.get(item.image()))
                      .prune(tally.spec)
                      .maxTokens(16));
          tally.answers.add(answer);
          tally.right += answer.text().equals(item.answer()) ? 1 : 0;
          if (shown != null) {
            shown.step();
          }
        }
      }
    }
  }

  /** The bar takes the place of the status line, and goes as that goes. */
  private static final class OnStatusLine implements ProgressBarConsumer {
    @Override
    public int getMaxRenderedLength() {
      return Terminal.statusWidth();
    }

    @Override
    public void accept(String bar) {
      Terminal.say(bar);
    }

    @Override
    public void close() {
      Terminal.clear();
    }
  }

  /** The first question about each of the first images. */
  private static List<Shown> shown(
      List<DemoData.Item> items, Map<String, Image> read, List<Tally> tallies) {
    var shown = new ArrayList<Shown>();
    for (String name : read.keySet().stream().limit(SHOWN).toList()) {
      for (int i = 0; i < items.size(); i++) {
        if (items.get(i).image().equals(name)) {
          int question = i;
          var answers = tallies.stream().map(tally -> tally.answers.get(question)).toList();
          shown.add(new Shown(items.get(i), read.get(name), answers));
          break;
        }
      }
    }
    return shown;
  }

  /** One PNG for each of the first images. */
  private List<Path> overlays(List<DemoData.Item> items) {
    return items.stream()
        .map(DemoData.Item::image)
        .distinct()
        .limit(SHOWN)
        .map(image -> out.resolve("kept-" + image))
        .toList();
  }

  /** What the tower saw of each image, and what STAR kept of it for the question. */
  private static void drawOverlays(Model model, List<Shown> shown, List<Path> files) {
    for (int i = 0; i < shown.size(); i++) {
      Shown s = shown.get(i);
      var question = Question.of(s.item().text());
      var input = model.prepare(s.image(), question.imageOptions(), s.item().image());
      var region = input.crops().get(0).region();
      var kept = KeptTokens.draw(model, s.image(), 0, s.answers().get(1), question);
      var both =
          KeptTokens.beside(
              List.of(Overlay.seen(s.image(), region, kept.getWidth(), kept.getHeight()), kept));
      Output.write(files.get(i), Overlay.png(both));
    }
  }

  static String fixed(int decimals, double value) {
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }
}
