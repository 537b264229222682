package starling.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.commons.math3.stat.StatUtils;
import starling.Admission;
import starling.Answer;
import starling.AnswerStream;
import starling.DemoData;
import starling.Devices;
import starling.Model;
import starling.Question;
import starling.cpu.CpuDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.image.Image;
import starling.input.InputException;
import starling.model.EncodedImage;

/** {@code bench batches}: what many questions at once bring, in answers, memory and time. */
public final class Batches {
  private static final List<String> SPECS =
      List.of("none", "star:R=0.1,K=4,P=0.9", "fastervlm:keep=58", "fastv:K=2,keep=144");
  private static final int DESCRIPTION = 32; // tokens
  private static final int SHORT = 16;
  private static final int ABOUT_ONE_IMAGE = 10;
  private static final int TIMES = 5;

  private final Options options;
  private final Consumer<String> progress;

  /**
   * What to measure.
   *
   * @param model folder of a checkpoint; null for the bundled one
   * @param device where
   * @param seconds for one row, about
   * @param batches clients and sequences that share steps
   * @param large sizes of the decoder with random weights
   */
  record Options(
      Path model,
      DeviceType device,
      double seconds,
      List<Integer> batches,
      RandomDecoder.Shape large) {}

  private Batches(Options options, Consumer<String> progress) {
    this.options = options;
    this.progress = progress;
  }

  /**
   * Measures.
   *
   * @param model folder of a checkpoint; null for the bundled one
   * @param device cpu or cuda
   * @param seconds for one row, about
   * @param progress is told before every row which one
   * @throws InputException if the model or the device cannot be opened, or there is no room on the
   *     disk for random weights
   */
  public static BatchReport measure(
      Path model, DeviceType device, double seconds, Consumer<String> progress) {
    if (device == DeviceType.EMULATED) {
      throw new InputException("bench batches takes times; --device is cpu or cuda");
    }
    List<Integer> batches = List.of(1, 2, 4, 8, 16);
    var large = RandomDecoder.Shape.LLAMA_7B;
    return measure(new Options(model, device, seconds, batches, large), progress);
  }

  static BatchReport measure(Options options, Consumer<String> progress) {
    return new Batches(options, progress).report();
  }

  private BatchReport report() {
    try (var demo = DemoData.unpack()) {
      Map<String, Object> environment = new LinkedHashMap<>();
      double read = ceiling(environment);
      Path folder = options.model == null ? demo.model() : options.model;
      List<BatchReport.Spec> specs;
      List<BatchReport.Shared> shared;
      List<BatchReport.Load> load;
      try (Model model = open(folder)) {
        environment.put("model", options.model == null ? "bundled" : folder.toString());
        List<DemoData.Item> items = demo.questions();
        List<Image> images =
            items.stream().map(DemoData.Item::image).distinct().map(demo::image).toList();
        specs = specs(model, images);
        shared = shared(model, images.getFirst(), items);
        load = load(model, demo, items);
      }
      var decode = decode(demo.model());
      return new BatchReport(environment, specs, shared, load, decode, read);
    }
  }

  private Model open(Path folder) {
    var admission = new Admission(Admission.DEFAULT.sequences(), 2 * options.batches.getLast(), 0);
    return Model.open(folder, options.device, null, Providers.AUTO, admission);
  }

  /** Says where this is, and how many 10⁹ bytes a second can be read. */
  private double ceiling(Map<String, Object> environment) {
    progress.accept("reading");
    try (Device device = Devices.open(options.device);
        Device reference = CpuDevice.open();
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, 0.01, options.seconds)) {
      environment.putAll(Environment.of(device, meter));
      return bench.ceilings.bandwidth(true, Long.MAX_VALUE) / 1e9;
    }
  }

  // ---- descriptions, by clients and pruning ----

  private List<BatchReport.Spec> specs(Model model, List<Image> images) {
    var rows = new ArrayList<BatchReport.Spec>();
    for (String spec : SPECS) {
      List<Question> questions =
          images.stream().map(i -> question("Describe the image.", DESCRIPTION, spec, i)).toList();
      var clients = new Clients(model, questions);
      model.ask(questions.getFirst()); // the first one pays for what is made once
      for (int n : options.batches) {
        progress.accept(spec + ", " + n + " clients");
        Clients.Rates rates = clients.ask(n, options.seconds);
        rows.add(
            new BatchReport.Spec(
                spec,
                n,
                rates.answersPerSecond(),
                rates.tokensPerSecond(),
                rates.kvBytes(),
                1e9 / rates.kvBytes()));
      }
    }
    return rows;
  }

  private static Question question(String text, int tokens, String spec, Image image) {
    return Question.of(text).maxTokens(tokens).prune(spec).image(image);
  }

  // ---- ten questions about one image ----

  private List<BatchReport.Shared> shared(Model model, Image image, List<DemoData.Item> items) {
    List<String> texts =
        items.stream().map(DemoData.Item::text).distinct().limit(ABOUT_ONE_IMAGE).toList();
    var rows = new ArrayList<BatchReport.Shared>();
    for (String spec : SPECS.subList(0, 2)) {
      progress.accept(spec + ", ten questions about one image");
      double[] asked = new double[TIMES];
      double[] encoded = new double[TIMES];
      for (int i = 0; i < TIMES; i++) { // in turn, so that a noisy second falls on both
        asked[i] = millis(() -> texts.forEach(t -> model.ask(question(t, SHORT, spec, image))));
        encoded[i] = millis(() -> askEncoded(model, image, texts, spec));
      }
      rows.add(
          new BatchReport.Shared(
              spec, StatUtils.percentile(asked, 50), StatUtils.percentile(encoded, 50)));
    }
    return rows;
  }

  private static void askEncoded(Model model, Image image, List<String> texts, String spec) {
    try (EncodedImage once = model.encode(image)) {
      for (String text : texts) {
        model.ask(Question.of(text).maxTokens(SHORT).prune(spec).image(once));
      }
    }
  }

  private static double millis(Runnable work) {
    long start = System.nanoTime();
    work.run();
    return (System.nanoTime() - start) / 1e6;
  }

  // ---- short questions, by clients ----

  private List<BatchReport.Load> load(Model model, DemoData demo, List<DemoData.Item> items) {
    List<Question> questions =
        items.stream()
            .map(item -> question(item.text(), SHORT, SPECS.getFirst(), demo.image(item.image())))
            .toList();
    var clients = new Clients(model, questions);
    var counts = new ArrayList<>(options.batches);
    counts.add(2 * counts.getLast()); // more than share a step
    var rows = new ArrayList<BatchReport.Load>();
    for (int n : counts) {
      progress.accept("load, " + n + " clients");
      Clients.Rates rates = clients.ask(n, options.seconds);
      rows.add(
          new BatchReport.Load(
              n,
              rates.answersPerSecond(),
              rates.p50Millis(),
              rates.p99Millis(),
              rates.firstMillis()));
    }
    return rows;
  }

  // ---- large random weights ----

  private List<BatchReport.Decode> decode(Path tokenizer) {
    progress.accept("writing random weights");
    try (var random = RandomDecoder.write(options.large, tokenizer);
        Model model = open(random.folder())) {
      var rows = new ArrayList<BatchReport.Decode>();
      for (int n : options.batches) {
        progress.accept("random weights, " + n + " sequences");
        rows.add(decoded(model, n));
      }
      return rows;
    }
  }

  /** Answers to one question, which share every step; the first time is not counted. */
  private BatchReport.Decode decoded(Model model, int sequences) {
    Question question = Question.of("x").maxTokens(SHORT).answers(sequences);
    answer(model, question);
    var steps = new ArrayList<Double>();
    long bytes = 0;
    long start = System.nanoTime();
    do {
      Answer answer = answer(model, question);
      steps.add(answer.timingsMs().decodePerToken());
      bytes = answer.decodeBytesPerToken();
    } while (steps.size() < TIMES || (System.nanoTime() - start) / 1e9 < options.seconds);
    double[] taken = steps.stream().mapToDouble(x -> x).toArray();
    double millis = StatUtils.percentile(taken, 50);
    return new BatchReport.Decode(
        sequences, millis, sequences * 1e3 / millis, bytes / millis / 1e6);
  }

  /** The last of the answers, for which all others had their first token before. */
  private static Answer answer(Model model, Question question) {
    try (AnswerStream stream = model.stream(question)) {
      return stream.answers().getLast();
    }
  }
}
