package starling.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Unmatched;
import starling.bench.Bench;
import starling.bench.CacheState;
import starling.bench.Card;
import starling.bench.KernelReport;
import starling.bench.Prediction;
import starling.bench.PredictionReport;
import starling.bench.Preset;
import starling.bench.Provider;
import starling.bench.UserKernel;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.input.TerminalText;

/** Rows of operators. */
@Command(
    name = "kernels",
    description =
        "Measures operators: time against the measured ceilings on cpu and cuda, counted work on emulated."
            + " Sizes are given by --AXIS N,N,… with the axes of the operator (--n 576,2880 --k 58,288).")
final class KernelsCommand implements Callable<Integer> {
  private static final List<String> FORMATS = List.of(".json", ".md", ".csv");

  @Spec private CommandSpec spec;
  @Mixin private BenchCommand.Common common;

  @Option(
      names = "--op",
      split = ",",
      description = "operators (all); on emulated and cuda also the kernels gemv, attention_decode")
  private List<String> operators = List.of();

  @Option(
      names = "--preset",
      description =
          "tiny, llava-1.5-7b, llava-1.5-13b, llava-next, llava-next-stock, llava-next-mistral,"
              + " qwen2.5-vl-3b or qwen2.5-vl-7b (tiny; on cuda llava-1.5-7b)")
  private String preset;

  @Option(names = "--dtype", split = ",", description = "f32, bf16, f16 (f32; on cuda bf16)")
  private List<String> dtypes = List.of();

  @Option(
      names = "--cache",
      split = ",",
      defaultValue = "cold,warm",
      description = "state of the cache (${DEFAULT-VALUE})")
  private List<String> caches;

  @Option(
      names = "--source",
      paramLabel = "FILE.cu",
      description = "a kernel of your own for the one --op")
  private Path source;

  @Option(
      names = "--entry",
      description = "its function, with the operator's parameters in starling.h")
  private String entry;

  @Option(
      names = "--provider",
      split = ",",
      defaultValue = "own",
      description =
          "whose kernels: own, and on cuda cublaslt and jcublas for gemm, cudnn for attention"
              + " (${DEFAULT-VALUE})")
  private List<String> providers;

  @Option(
      names = "--predict",
      paramLabel = "CARD",
      description =
          "no measurement but a prediction for h200 or h100, by counted work and compiled code"
              + " (preset llava-1.5-7b)")
  private String predict;

  @Option(
      names = {"--precision", "--noise"},
      paramLabel = "PART",
      defaultValue = "0.04",
      description =
          "sample a row until its median is known within this part of it, with 99 %% certainty"
              + " (${DEFAULT-VALUE}: 1.3 times the time is found)")
  private double precision;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "write FILE.json, .md or .csv, by its ending")
  private List<String> out = List.of();

  @Unmatched private List<String> rest = new ArrayList<>();

  @Override
  public Integer call() {
    common.check(spec);
    if (!(precision > 0 && precision <= 1)) { // nor NaN
      throw refused(
          "--precision is "
              + precision
              + "; it must be more than 0 and at most 1 (a small one uses all of --max-time)");
    }
    Map<String, List<Integer>> axes = AxisOptions.of(spec, rest);
    List<Path> files = files();
    checkSource();
    List<Provider> whose = providers.stream().map(this::provider).toList();
    List<CacheState> states = caches.stream().distinct().map(this::cache).toList();
    Output.checkWritable(files, source == null ? List.of() : List.of(source));
    DeviceType device = DeviceType.of(common.device);
    if (predict != null) {
      return predicted(axes, files);
    }
    boolean cuda = device == DeviceType.CUDA;
    List<DType> types =
        dtypes.isEmpty()
            ? List.of(cuda ? DType.BF16 : DType.F32)
            : dtypes.stream().map(DType::of).toList();
    Preset sizes = preset != null ? Preset.of(preset) : cuda ? Preset.LLAVA_7B : Preset.TINY;
    KernelReport report =
        measured(
            new Bench.Options(
                device,
                sizes,
                operators,
                axes,
                types,
                states,
                source,
                entry,
                whose,
                precision,
                common.seconds));
    files.forEach(file -> write(file, report));
    return print(report);
  }

  private int predicted(Map<String, List<Integer>> axes, List<Path> files) {
    Card card = Card.of(predict);
    if (source != null || !dtypes.stream().allMatch("bf16"::equals)) {
      throw refused("--predict is for our own kernels in bf16");
    }
    Preset sizes = preset == null ? Preset.LLAVA_7B : Preset.of(preset);
    var options =
        new Bench.Options(
            DeviceType.EMULATED,
            sizes,
            operators,
            axes,
            List.of(DType.BF16),
            List.of(),
            null,
            null,
            List.of(Provider.OWN),
            precision,
            common.seconds);
    PredictionReport report;
    try {
      report = Prediction.of(card, options, Terminal::say);
    } finally {
      Terminal.clear();
    }
    for (Path file : files) {
      String name = file.toString();
      String text =
          name.endsWith(".md")
              ? report.markdown()
              : name.endsWith(".csv") ? report.csv() : Output.json(report.json());
      Output.write(file, text.getBytes(StandardCharsets.UTF_8));
    }
    System.out.print(common.json ? Output.json(report.json()) + "\n" : report.text());
    return 0;
  }

  private ParameterException refused(String sentence) {
    return new ParameterException(spec.commandLine(), sentence);
  }

  private List<Path> files() {
    for (String file : out) {
      if (AxisOptions.isNumbers(file)) {
        throw refused(
            "--out '"
                + file
                + "' is no file; the sizes of gemm's outputs are --out_features "
                + file);
      }
      if (FORMATS.stream().noneMatch(file::endsWith)) {
        throw refused(
            "--out '" + file + "' does not end with one of " + String.join(", ", FORMATS));
      }
    }
    return out.stream().map(Path::of).toList();
  }

  private void checkSource() {
    if ((source == null) != (entry == null)) {
      throw refused("--source and --entry go together");
    }
    if (entry != null && !entry.matches("[A-Za-z_][A-Za-z0-9_]*")) {
      throw refused("--entry '" + entry + "' is no name of a C function");
    }
  }

  private Provider provider(String label) {
    if (!Provider.labels().contains(label)) {
      throw refused(
          "--provider '" + label + "' is not one of " + String.join(", ", Provider.labels()));
    }
    return Provider.of(label);
  }

  private CacheState cache(String label) {
    return switch (label) {
      case "cold" -> CacheState.COLD;
      case "warm" -> CacheState.WARM;
      default -> throw refused("--cache '" + label + "' is not cold or warm");
    };
  }

  private static KernelReport measured(Bench.Options options) {
    try {
      return Bench.kernels(options, Terminal::say);
    } catch (UserKernel.DoesNotCompile e) {
      Terminal.clear();
      e.errors().forEach(error -> System.err.println(TerminalText.of(error)));
      throw new InputException(options.source() + " does not compile", e);
    } finally {
      Terminal.clear();
    }
  }

  private static void write(Path file, KernelReport report) {
    String name = file.toString();
    String text =
        name.endsWith(".md")
            ? report.markdown()
            : name.endsWith(".csv") ? report.csv() : Output.json(report.json());
    Output.write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  private int print(KernelReport report) {
    System.out.print(common.json ? Output.json(report.json()) + "\n" : report.text());
    if (common.json) {
      report.notes().forEach(n -> System.err.println("starling: " + TerminalText.of(n)));
    }
    report.failures().forEach(f -> System.err.println("starling: " + TerminalText.of(f)));
    return report.failed() ? 1 : 0;
  }
}
