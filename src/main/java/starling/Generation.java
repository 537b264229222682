package starling;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import starling.device.DType;
import starling.image.Image;
import starling.input.InputException;
import starling.model.Flops;
import starling.model.ImageInput;
import starling.model.Plan;
import starling.model.Request;
import starling.model.Session;
import starling.model.Stage;
import starling.prune.ImageTokens;
import starling.prune.Method;
import starling.prune.Methods;
import starling.text.Template;
import starling.text.Tokenizer;

/** One question on its way through a model: preprocess, prefill, decode, report. */
final class Generation {
  private final Model model;
  private final Question question;
  private final Method method;
  private final long start = System.nanoTime();
  private final List<Integer> outputTokens = new ArrayList<>();
  private final List<String> warnings = new ArrayList<>();
  private String text = "";
  private String finishReason = "length";

  Generation(Model model, Question question) {
    this.model = model;
    this.question = question;
    this.method = question.method != null ? question.method : Methods.parse(question.prune);
  }

  Answer run(Consumer<String> onText) {
    int[] ids = promptIds();
    var images = new ArrayList<ImageInput>();
    for (Image image : question.images) {
      images.add(model.prepare(image, question.imageMode, "image " + images.size()));
    }
    double preprocess = millisSince(start);
    var request =
        new Request(
            ids,
            images,
            method,
            question.mode,
            question.sampling,
            question.maxTokens,
            this::progress);
    try (Session session = model.loaded().prefill(request)) {
      int first = session.next();
      List<Float> logits = question.logits ? floats(session.logits()) : null;
      long decode = System.nanoTime();
      generate(session, first, onText);
      double perToken =
          outputTokens.size() > 1 ? millisSince(decode) / (outputTokens.size() - 1) : 0;
      return answer(session, ids, images, logits, preprocess, perToken);
    }
  }

  private void progress(String phase, int done, int of) {
    if (Thread.currentThread().isInterrupted()) {
      throw Model.interrupted();
    }
    question.progress.at(phase, done, of);
  }

  private int[] promptIds() {
    int[] ids = templatedIds();
    int vocabulary = model.family().text().vocabSize();
    for (int id : ids) {
      if (id >= vocabulary && id != model.family().imageToken()) {
        throw new InputException(
            model.dir()
                + ": the tokenizer gives id "
                + id
                + ", but the model's vocab_size is "
                + vocabulary);
      }
    }
    return ids;
  }

  private int[] templatedIds() {
    Tokenizer tokenizer = model.tokenizer();
    int images = question.images.size();
    int imageToken = model.family().imageToken();
    if (question.template == null && Template.marked(question.prompt)) {
      warnings.add(
          "the prompt holds <image>, so it is used as given; to have it wrapped, name a template (--template)");
      return Template.bare(tokenizer, question.prompt, images, imageToken);
    }
    Template template = question.template == null ? model.family().template() : question.template;
    return template.ids(tokenizer, question.prompt, images, imageToken);
  }

  /**
   * Draws tokens until an end token, a stop text or the limit; streams what can no longer change.
   */
  private void generate(Session session, int first, Consumer<String> onText) {
    Tokenizer tokenizer = model.tokenizer();
    var stream = new TextStream(tokenizer.decoding(), question.stop, onText);
    int id = first;
    while (true) {
      outputTokens.add(id);
      if (model.endTokens().contains(id)) {
        finishReason = "stop";
        break;
      }
      if (stream.accept(id)) {
        finishReason = "stop";
        break;
      }
      if (outputTokens.size() >= session.tokenBudget()) {
        break;
      }
      progress("decode", outputTokens.size(), session.tokenBudget());
      id = session.next();
    }
    text = stream.finish().strip();
  }

  private Answer answer(
      Session session,
      int[] ids,
      List<ImageInput> images,
      List<Float> logits,
      double preprocess,
      double perToken) {
    Plan plan = session.plan();
    int[] visual = plan.visualTokens();
    Flops flops = Flops.of(model.family(), plan, images.stream().map(ImageInput::tokens).toList());
    double total = millisSince(start);
    List<Answer.Stage> stages =
        session.stages().stream().map(stage -> stage(session, stage)).toList();
    return new Answer(
        model.dir().toString(),
        model.device().type(),
        model.device().description(),
        model.loaded().dtype(),
        question.method != null ? plan.options() : question.prune,
        plan.options(),
        question.mode.name().toLowerCase(java.util.Locale.ROOT),
        ints(ids),
        new Answer.VisualTokens(visual[0], visual[1], visual[2]),
        images.stream().map(ImageInput::tokens).map(Generation::image).toList(),
        ints(plan.tokensPerLayer()),
        plan.visualTokensPerLayer(),
        stages,
        logits,
        List.copyOf(outputTokens),
        text,
        finishReason,
        new Answer.FlopCount(
            Flops.FORMULA,
            flops.dense(),
            flops.pruned(),
            flops.reduction(),
            true,
            true,
            model.family().visionBlocks()),
        kvBytes(session),
        session.reservedBytes(),
        model.loaded().decoderBytes() + kvBytes(session).pruned(),
        new Answer.Timings(
            model.loadMillis(),
            preprocess,
            session.visionMillis(),
            session.pruneMillis(),
            session.prefillMillis(),
            perToken,
            total),
        List.copyOf(warnings));
  }

  private static Answer.Image image(ImageTokens tokens) {
    return new Answer.Image(
        tokens.rows(),
        tokens.candidates(),
        tokens.crops().stream().map(c -> new Answer.Crop(c.rows(), c.columns())).toList());
  }

  private Answer.Stage stage(Session session, Stage stage) {
    float[] scores = stage.score() == null ? new float[0] : session.floats(stage.score());
    warnIfFlat(stage, scores);
    return new Answer.Stage(
        stage.stage(),
        stage.image(),
        stage.crop() < 0 ? null : stage.crop(),
        stage.where().label(),
        stage.layer(),
        ints(session.ints(stage.kept())),
        floats(scores),
        stage.counted() ? true : null);
  }

  private void warnIfFlat(Stage stage, float[] scores) {
    float[] sorted = scores.clone();
    Arrays.sort(sorted);
    if (flat(sorted)) {
      warnings.add(
          "stage "
              + stage.stage()
              + ", image "
              + stage.image()
              + (stage.crop() < 0 ? "" : ", crop " + stage.crop())
              + ": the scores are flat ("
              + sorted[0]
              + " to "
              + sorted[sorted.length - 1]
              + "), so the choice means little");
    }
  }

  /**
   * Whether scores, in rising order, hardly differ: the largest less than 1.01 times the smallest.
   * They rank nothing then; wrong attention is the usual cause.
   */
  static boolean flat(float[] sorted) {
    if (sorted.length < 2) {
      return false;
    }
    float min = sorted[0];
    float max = sorted[sorted.length - 1];
    return min > 0 ? max / min < 1.01f : max == min;
  }

  private Answer.KvBytes kvBytes(Session session) {
    var config = model.family().text();
    DType dtype = model.loaded().dtype();
    long perRow = 2L * config.numKeyValueHeads() * config.headDim() * dtype.bytes();
    long held = Arrays.stream(session.cachedRows()).asLongStream().sum();
    return new Answer.KvBytes(
        perRow * session.plan().denseTokens() * config.numHiddenLayers(), perRow * held);
  }

  private static List<Integer> ints(int[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  private static List<Float> floats(float[] values) {
    var list = new ArrayList<Float>(values.length);
    for (float value : values) {
      list.add(value);
    }
    return list;
  }

  private static double millisSince(long start) {
    return (System.nanoTime() - start) / 1e6;
  }
}
