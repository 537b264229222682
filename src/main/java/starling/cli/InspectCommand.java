package starling.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import starling.Families;
import starling.checkpoint.CheckpointFolder;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.Sampling;
import starling.input.InputException;
import starling.input.Limits;
import starling.model.Flops;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.model.Plan;
import starling.model.Request;
import starling.model.VisionLanguageModel;
import starling.prune.CutPoint;
import starling.prune.ImageTokens;
import starling.prune.Method;
import starling.prune.Methods;

/** A checkpoint and what a pruning spec makes of it, from the headers alone. */
@Command(
    name = "inspect",
    description =
        "Shows architecture, tensors, memory, tokens per layer and FLOPs; loads no weights.")
final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec command;

  @Parameters(paramLabel = "MODEL", description = "checkpoint folder")
  private Path model;

  @Option(
      names = "--prune",
      paramLabel = "SPEC",
      defaultValue = "none",
      description = "pruning spec")
  private String prune;

  @Option(
      names = "--images",
      paramLabel = "N",
      defaultValue = "1",
      description = "images in the prompt")
  private int images;

  @Option(
      names = "--image-size",
      paramLabel = "WxH",
      description =
          "pixels of the images; unless given as many as the tower sees, or 448x448 where it sees any")
  private String imageSize;

  @Mixin private ImageArguments imageArguments;

  @Option(
      names = "--text-tokens",
      paramLabel = "N",
      defaultValue = "40",
      description = "text tokens of the prompt, behind the images but for the first")
  private int textTokens;

  @Option(names = "--json", description = "print JSON")
  private boolean json;

  /**
   * @param imageSize as given; null for images of the tower's own size
   * @param imageOptions as given; null if none was
   * @param counted true if a cut decides its count when it runs, so that all numbers are the most
   *     there can be; else null
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  record Report(
      String model,
      Object config,
      Weights weights,
      String prune,
      String pruneOptions,
      int images,
      @JsonInclude(JsonInclude.Include.NON_NULL) String imageSize,
      @JsonInclude(JsonInclude.Include.NON_NULL) String imageOptions,
      int textTokens,
      int visionBlocks,
      List<Integer> tokensPerLayer,
      VisualTokens visualTokens,
      double visualTokensPerLayer,
      FlopCount flops,
      KvBytes kvBytes,
      @JsonInclude(JsonInclude.Include.NON_NULL) Boolean counted) {}

  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  record Weights(
      String note,
      int tensors,
      long bytes,
      String headFrom,
      List<Tensor> unused,
      List<Tensor> largest) {}

  record Tensor(String name, String dtype, List<Long> shape, long bytes) {}

  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  record VisualTokens(int input, int afterStage1, int afterStage2) {}

  record FlopCount(String formula, double dense, double pruned, double reduction, double vision) {}

  /** At two bytes per element, as bf16 and f16 hold them. */
  record KvBytes(long dense, long pruned) {}

  @Override
  public Integer call() {
    if (images < 0 || textTokens < 1 || images > Limits.SIZE || textTokens > Limits.SIZE) {
      throw new ParameterException(
          command.commandLine(),
          "--images must be at least 0 and --text-tokens at least 1, both at most " + Limits.SIZE);
    }
    Method method;
    try {
      method = Methods.parse(prune);
    } catch (InputException e) {
      throw new ParameterException(command.commandLine(), e.getMessage(), e);
    }
    VisionLanguageModel family = Families.read(model);
    Report report = report(family, method);
    System.out.println(json ? Output.json(report) : new InspectText(report, family).text());
    return 0;
  }

  private Report report(VisionLanguageModel family, Method method) {
    if (PreprocessorConfig.isIn(model)) {
      family.images(model);
    }
    var image = new ImageInput(imageTokens(family), List.of());
    int[] ids = new int[images + textTokens];
    Arrays.fill(ids, family.imageToken() == 0 ? 1 : 0);
    for (int i = 0; i < images; i++) {
      ids[1 + i] = family.imageToken();
    }
    var request =
        new Request(
            ids,
            Collections.nCopies(images, image),
            method,
            Mode.COMPACT,
            Sampling.GREEDY,
            1,
            (phase, done, of) -> {});
    Plan plan = Plan.of(family, request);
    Flops flops = Flops.of(family, plan, Collections.nCopies(images, image.tokens()));
    int[] visual = plan.visualTokens();
    return new Report(
        model.toString(),
        family.config(),
        weights(family),
        prune,
        plan.options(),
        images,
        imageSize,
        imageArguments.options(command.commandLine()).text(),
        textTokens,
        family.visionBlocks(),
        Arrays.stream(plan.tokensPerLayer()).boxed().toList(),
        new VisualTokens(visual[0], visual[1], visual[2]),
        plan.visualTokensPerLayer(),
        new FlopCount(
            Flops.FORMULA, flops.dense(), flops.pruned(), flops.reduction(), flops.vision()),
        kvBytes(family.text(), plan),
        plan.cuts().stream().anyMatch(CutPoint::counted) ? true : null);
  }

  private ImageTokens imageTokens(VisionLanguageModel family) {
    ImageOptions options = imageArguments.options(command.commandLine());
    if (imageSize == null && options.said().isEmpty()) {
      return family.typicalImage();
    }
    if (imageSize == null) {
      throw new ParameterException(
          command.commandLine(),
          "--" + options.said().keySet().iterator().next() + " needs --image-size");
    }
    if (!imageSize.matches("[1-9][0-9]{0,5}x[1-9][0-9]{0,5}")) {
      throw new ParameterException(
          command.commandLine(),
          "--image-size is '"
              + imageSize
              + "'; it must be pixels across x pixels down, as 640x480");
    }
    String[] sides = imageSize.split("x", -1);
    return family
        .images(model)
        .tokens(Integer.parseInt(sides[1]), Integer.parseInt(sides[0]), options);
  }

  private static KvBytes kvBytes(TextConfig text, Plan plan) {
    long row = 2L * 2 * text.numKeyValueHeads() * text.headDim();
    return new KvBytes(
        row * plan.denseTokens() * text.numHiddenLayers(),
        row * Arrays.stream(plan.tokensPerLayer()).asLongStream().sum());
  }

  private Weights weights(VisionLanguageModel family) {
    if (!Files.exists(model.resolve("model.safetensors"))
        && !Files.exists(model.resolve("model.safetensors.index.json"))) {
      String inside = CheckpointFolder.inside(model);
      return new Weights(
          "no weight files in this folder" + (inside == null ? "" : ", but " + inside),
          0,
          0,
          null,
          List.of(),
          List.of());
    }
    try (Safetensors files = Safetensors.open(model)) {
      DecoderWeights used = family.weights(files).decoder();
      var all = files.entries();
      var tensors =
          all.stream().map(e -> new Tensor(e.name(), e.dtype(), e.shape(), e.bytes())).toList();
      var unused = new ArrayList<>(tensors.stream().filter(t -> !files.used(t.name())).toList());
      for (var copy : files.stale()) {
        String name = copy.name() + " (a copy in " + copy.file().getFileName() + ")";
        unused.add(new Tensor(name, copy.dtype(), copy.shape(), copy.bytes()));
      }
      return new Weights(
          null,
          all.size(),
          tensors.stream().mapToLong(Tensor::bytes).sum(),
          used.lmHead().name(),
          List.copyOf(unused),
          tensors.stream()
              .sorted(Comparator.comparingLong(Tensor::bytes).reversed())
              .limit(8)
              .toList());
    }
  }
}
