package starling;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.model.Flops;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.Plan;
import starling.model.Stage;
import starling.prune.ImageTokens;

/** Writes down an answer and what was measured on the way to it. */
final class AnswerReport {
  private final Model model;
  private final Question question;
  private final Prompt prompt;
  private final Generation generation;
  private final List<ImageTokens> images;
  private final List<String> warnings = new ArrayList<>();

  AnswerReport(Model model, Asked asked, Generation generation) {
    this.model = model;
    this.question = asked.question();
    this.prompt = asked.prompt();
    this.generation = generation;
    this.images = asked.images().stream().map(ImageInput::tokens).toList();
  }

  /**
   * What is known when the last token was drawn.
   *
   * @param firstLogits null unless asked for
   * @param logprobs null unless asked for
   * @param text the answer, stripped
   */
  Answer answer(
      List<Float> firstLogits,
      List<Answer.Token> logprobs,
      AnswerText drawn,
      String text,
      Answer.Timings timings) {
    Plan plan = generation.plan();
    int[] visual = plan.visualTokens();
    warnings.addAll(prompt.warnings());
    List<Answer.Stage> stages = generation.stages().stream().map(this::stage).toList();
    Answer.KvBytes kv = kvBytes(plan);
    return new Answer(
        model.dir().toString(),
        model.device().type(),
        model.device().description(),
        model.loaded().dtype(),
        question.prune != null ? question.prune : plan.options(),
        plan.options(),
        question.mode.name().toLowerCase(Locale.ROOT),
        generation.sampling().repeats() ? null : generation.sampling().repetitionPenalty(),
        ints(prompt.ids()),
        question.imageOptions().text(),
        new Answer.VisualTokens(visual[0], visual[1], visual[2]),
        images.stream().map(AnswerReport::image).toList(),
        ints(plan.tokensPerLayer()),
        plan.visualTokensPerLayer(),
        stages,
        firstLogits,
        logprobs,
        List.copyOf(drawn.tokens()),
        text,
        drawn.finishReason(),
        flops(plan),
        kv,
        generation.reservedBytes(),
        model.loaded().decoderBytes() + kv.pruned(),
        timings,
        List.copyOf(warnings));
  }

  private Answer.FlopCount flops(Plan plan) {
    Flops flops = Flops.of(model.family(), plan, images);
    return new Answer.FlopCount(
        Flops.FORMULA,
        flops.dense(),
        flops.pruned(),
        flops.reduction(),
        true,
        true,
        model.family().visionBlocks(),
        flops.vision());
  }

  private static Answer.Image image(ImageTokens tokens) {
    return new Answer.Image(
        tokens.rows(),
        tokens.candidates(),
        tokens.crops().stream().map(c -> new Answer.Crop(c.rows(), c.columns())).toList());
  }

  private Answer.Stage stage(Stage stage) {
    float[] scores = stage.score() == null ? new float[0] : generation.floats(stage.score());
    warnIfFlat(stage, scores);
    return new Answer.Stage(
        stage.stage(),
        stage.image(),
        stage.crop() < 0 ? null : stage.crop(),
        stage.where().label(),
        stage.layer(),
        ints(generation.ints(stage.kept())),
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

  private Answer.KvBytes kvBytes(Plan plan) {
    var config = model.family().text();
    int bytes = model.loaded().dtype().bytes();
    long perRow = 2L * config.numKeyValueHeads() * config.headDim() * bytes;
    long held = Arrays.stream(generation.cachedRows()).asLongStream().sum();
    return new Answer.KvBytes(
        perRow * plan.denseTokens() * config.numHiddenLayers(), perRow * held);
  }

  private static List<Integer> ints(int[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  static List<Float> floats(float[] values) {
    var list = new ArrayList<Float>(values.length);
    for (float value : values) {
      list.add(value);
    }
    return list;
  }
}
