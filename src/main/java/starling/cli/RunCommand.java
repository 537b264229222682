package starling.cli;

import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import starling.Answer;
import starling.Model;
import starling.Question;
import starling.device.AttentionProvider;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.GemmProvider;
import starling.device.Providers;
import starling.device.Sampling;
import starling.image.Image;
import starling.image.ImageMode;
import starling.image.Overlay;
import starling.input.InputException;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.text.Template;

/** One answer, streamed. */
@Command(name = "run", description = "Answers one prompt about images.")
final class RunCommand implements Callable<Integer> {
  private static final String CHECKPOINT_FILES =
      ".*\\.safetensors(\\.index\\.json)?|.*config\\.json|tokenizer.*|chat_template.*";

  @Spec private CommandSpec command;

  @Option(names = "--model", required = true, paramLabel = "DIR", description = "checkpoint folder")
  private Path model;

  @Option(
      names = "--image",
      paramLabel = "FILE",
      arity = "1..*",
      description = "images, PNG or JPEG")
  private List<Path> images = List.of();

  @Option(names = "--prompt", required = true, paramLabel = "TEXT", description = "the question")
  private String prompt;

  @Option(
      names = "--prune",
      paramLabel = "SPEC",
      defaultValue = "none",
      description = "pruning, e.g. star:R=0.1,P=0.9")
  private String prune;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "auto, cpu, cuda, emulated")
  private String device;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "auto",
      description = "auto, f32, bf16, f16")
  private String dtype;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      defaultValue = "128",
      description = "most tokens to generate")
  private int maxTokens;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "0",
      description = "0 is greedy")
  private float temperature;

  @Option(names = "--top-k", paramLabel = "K", defaultValue = "0", description = "0 keeps all")
  private int topK;

  @Option(names = "--top-p", paramLabel = "P", defaultValue = "1", description = "1 keeps all")
  private float topP;

  @Option(names = "--seed", paramLabel = "S", defaultValue = "0", description = "of the sampling")
  private long seed;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      description = "1 is none; unless given the checkpoint's own")
  private Float repetitionPenalty;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "ends the answer; may be given several times")
  private List<String> stop = List.of();

  @Option(
      names = "--image-mode",
      paramLabel = "MODE",
      defaultValue = "checkpoint",
      description = "checkpoint, pad, crop")
  private String imageMode;

  @Mixin private ImageArguments imageArguments;

  @Option(
      names = "--template",
      paramLabel = "NAME",
      description =
          "llava-hf, vicuna_v1, next-vicuna, mistral, chatml, raw; unless named the model's own,"
              + " and a prompt with <image> is used as given")
  private String template;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "what the model is told first, in place of the template's own words")
  private String system;

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      defaultValue = "compact",
      description = "compact, mask")
  private String mode;

  @Option(
      names = "--gemm",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "auto, own, cublaslt")
  private String gemm;

  @Option(
      names = "--attention",
      paramLabel = "NAME",
      defaultValue = "own",
      description = "own, cudnn")
  private String attention;

  @Option(names = "--overlay", paramLabel = "PNG", description = "draw the kept tokens")
  private Path overlay;

  @Option(
      names = "--trace",
      paramLabel = "FILE",
      description = "write the report with kept tokens and scores")
  private Path trace;

  @Option(names = "--logits", description = "put the first token's logits into the report")
  private boolean logits;

  @Option(names = "--json", description = "print the report instead of the text")
  private boolean json;

  @Override
  public Integer call() {
    Question question = question();
    if (overlay != null && images.isEmpty()) {
      throw new ParameterException(command.commandLine(), "--overlay needs an image (--image)");
    }
    Output.checkWritable(Stream.of(overlay, trace).filter(f -> f != null).toList(), inputs());
    var decoded = new ArrayList<Image>();
    for (Path file : images) {
      decoded.add(Image.read(file));
      question.image(decoded.getLast());
    }
    DType type = dtype.equals("auto") ? null : DType.of(dtype);
    try (Model opened = Model.open(model, DeviceType.of(device), type, providers())) {
      opened.warnings().forEach(warning -> System.err.println("starling: warning: " + warning));
      Answer answer = opened.ask(question, json ? piece -> {} : System.out::print);
      System.out.println(json ? Output.json(answer) : "");
      answer.warnings().forEach(warning -> System.err.println("starling: warning: " + warning));
      if (trace != null) {
        Output.write(trace, Output.prettyJson(answer).getBytes(StandardCharsets.UTF_8));
      }
      if (overlay != null) {
        Output.write(overlay, Overlay.png(draw(opened, decoded, answer, question)));
      }
      System.err.println(summary(answer));
    }
    return 0;
  }

  private Providers providers() {
    return new Providers(GemmProvider.of(gemm), AttentionProvider.of(attention));
  }

  /** Files that are read, which no output may take the place of. */
  private List<Path> inputs() {
    var inputs = new ArrayList<>(images);
    if (prune.startsWith("replay:")) {
      inputs.add(Path.of(prune.substring("replay:".length())));
    }
    File[] files = model.toFile().listFiles((dir, name) -> name.matches(CHECKPOINT_FILES));
    Stream.of(files == null ? new File[0] : files).map(File::toPath).forEach(inputs::add);
    return inputs;
  }

  /** Checks what can be wrong with the options themselves: bad usage, not a failed request. */
  private Question question() {
    oneOf("--device", device, DeviceType.labels());
    oneOf("--dtype", dtype, List.of("auto", "f32", "bf16", "f16"));
    oneOf("--gemm", gemm, GemmProvider.labels());
    oneOf("--attention", attention, AttentionProvider.labels());
    if (template != null) {
      oneOf("--template", template, Template.labels());
    }
    oneOf("--image-mode", imageMode, List.of("checkpoint", "pad", "crop"));
    oneOf("--mode", mode, List.of("compact", "mask"));
    check(maxTokens >= 1, "--max-tokens is " + maxTokens + "; it must be at least 1");
    check(
        temperature >= 0 && temperature <= 1e6f,
        "--temperature is " + temperature + "; it must be at least 0");
    check(topK >= 0, "--top-k is " + topK + "; it must be at least 0");
    check(topP > 0 && topP <= 1, "--top-p is " + topP + "; it must be above 0 and at most 1");
    check(
        repetitionPenalty == null || (repetitionPenalty > 0 && repetitionPenalty <= 1e6f),
        "--repetition-penalty is " + repetitionPenalty + "; it must be above 0, and 1 is none");
    Question question = Question.of(prompt);
    try {
      question.prune(prune);
    } catch (InputException e) {
      throw new ParameterException(command.commandLine(), e.getMessage(), e);
    }
    if (template != null) {
      question.template(Template.of(template));
    }
    if (system != null) {
      question.system(system);
    }
    if (repetitionPenalty != null) {
      question.repetitionPenalty(repetitionPenalty);
    }
    return question
        .mode(Mode.valueOf(mode.toUpperCase(Locale.ROOT)))
        .imageOptions(imageOptions())
        .maxTokens(maxTokens)
        .sampling(new Sampling(temperature, topK, topP, seed))
        .stop(stop.toArray(String[]::new))
        .logits(logits)
        .progress(
            (phase, done, of) -> {
              if (json || !phase.equals("decode")) { // else the answer itself is seen to grow
                Terminal.status(phase, done, of);
              }
            });
  }

  private ImageOptions imageOptions() {
    return imageArguments
        .options(command.commandLine())
        .mode(ImageMode.valueOf(imageMode.toUpperCase(Locale.ROOT)));
  }

  private void oneOf(String option, String value, List<String> values) {
    Usage.oneOf(command.commandLine(), option, value, values);
  }

  private void check(boolean fine, String otherwise) {
    Usage.check(command.commandLine(), fine, otherwise);
  }

  /** All images side by side. */
  private static BufferedImage draw(
      Model model, List<Image> images, Answer answer, Question question) {
    var drawn = new ArrayList<BufferedImage>();
    for (int image = 0; image < images.size(); image++) {
      drawn.add(KeptTokens.draw(model, images.get(image), image, answer, question));
    }
    return KeptTokens.beside(drawn);
  }

  /** The line that closes a run. */
  static String summary(Answer answer) {
    int rows = answer.tokensPerLayer().get(0);
    double perToken = answer.timingsMs().decodePerToken();
    String decode =
        perToken == 0
            ? "decode none"
            : String.format(
                Locale.ROOT,
                "decode %.1f tokens/s, %.1f GB/s",
                1000 / perToken,
                answer.decodeBytesPerToken() / perToken / 1e6);
    return String.format(
        Locale.ROOT,
        "prefill %d rows in %.1f ms (vision %.1f ms), %s, KV %.1f of %.1f MB",
        rows,
        answer.timingsMs().prefill(),
        answer.timingsMs().vision(),
        decode,
        answer.kvBytes().pruned() / 1e6,
        answer.kvBytes().dense() / 1e6);
  }
}
