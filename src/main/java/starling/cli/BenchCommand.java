package starling.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Unmatched;
import starling.bench.Bench;
import starling.bench.KernelReport;
import starling.bench.Provider;
import starling.bench.UserKernel;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.input.TerminalText;

/** Measurements. */
@Command(
    name = "bench",
    description = "Measures kernels, and what the hardware could do.",
    synopsisSubcommandLabel = "kernels|ceilings",
    subcommands = {BenchCommand.Kernels.class, BenchCommand.CeilingsCommand.class})
final class BenchCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    throw new ParameterException(spec.commandLine(), "kernels or ceilings is missing");
  }

  private static final int MAX_SECONDS = 3600;

  /** Where it runs and what becomes of the result. */
  static final class Common {
    @Option(
        names = "--device",
        defaultValue = "cpu",
        description = "cpu, emulated or cuda (${DEFAULT-VALUE})")
    private String device;

    @Option(
        names = "--max-time",
        paramLabel = "SECONDS",
        defaultValue = "5",
        description = "sample a row at most so long (${DEFAULT-VALUE})")
    private double seconds;

    @Option(names = "--json", description = "print JSON")
    private boolean json;

    void check(CommandSpec spec) {
      if (!(seconds > 0 && seconds <= MAX_SECONDS)) { // nor NaN
        throw new ParameterException(
            spec.commandLine(),
            "--max-time is " + seconds + "; it must be more than 0 and at most " + MAX_SECONDS);
      }
    }
  }

  @Command(
      name = "kernels",
      description =
          "Measures operators: time against the measured ceilings on cpu and cuda, counted work on emulated."
              + " Sizes are given by --AXIS N,N,… with the axes of the operator (--n 576,2880 --k 58,288).")
  static final class Kernels implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @CommandLine.Mixin private Common common;

    @Option(
        names = "--op",
        split = ",",
        description =
            "operators (all); on emulated and cuda also the kernels gemv, attention_decode")
    private List<String> operators = List.of();

    @Option(
        names = "--preset",
        description =
            "tiny, llava-1.5-7b, llava-1.5-13b or llava-next (tiny; on cuda llava-1.5-7b)")
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
        description = "write FILE.json, .md or .csv, by its ending; numbers are gemm's axis out")
    private List<String> out = List.of();

    private static final String NUMBERS = "[+-]?\\d+(,[+-]?\\d+)*";
    private static final List<String> FORMATS = List.of(".json", ".md", ".csv");

    @Unmatched private List<String> rest = new ArrayList<>();

    @Override
    public Integer call() {
      common.check(spec);
      if (!(precision > 0 && precision <= 1)) { // nor NaN
        throw new ParameterException(
            spec.commandLine(),
            "--precision is "
                + precision
                + "; it must be more than 0 and at most 1 (a small one uses all of --max-time)");
      }
      Map<String, List<Integer>> axes = axes();
      for (String value : out) {
        if (value.matches(NUMBERS)) {
          axes.put("out", numbers("out", value));
        }
      }
      List<Path> files = out.stream().filter(o -> !o.matches(NUMBERS)).map(Path::of).toList();
      for (Path file : files) {
        if (FORMATS.stream().noneMatch(file.toString()::endsWith)) {
          throw new ParameterException(
              spec.commandLine(),
              "--out '" + file + "' does not end with one of " + String.join(", ", FORMATS));
        }
      }
      if ((source == null) != (entry == null)) {
        throw new ParameterException(spec.commandLine(), "--source and --entry go together");
      }
      if (entry != null && !entry.matches("[A-Za-z_][A-Za-z0-9_]*")) {
        throw new ParameterException(
            spec.commandLine(), "--entry '" + entry + "' is no name of a C function");
      }
      for (String provider : providers) {
        if (!Provider.labels().contains(provider)) {
          throw new ParameterException(
              spec.commandLine(),
              "--provider '%s' is not one of %s"
                  .formatted(provider, String.join(", ", Provider.labels())));
        }
      }
      for (String cache : caches) {
        if (!List.of("cold", "warm").contains(cache)) {
          throw new ParameterException(
              spec.commandLine(), "--cache '" + cache + "' is not cold or warm");
        }
      }
      Output.checkWritable(files, source == null ? List.of() : List.of(source));
      DeviceType device = DeviceType.of(common.device);
      boolean cuda = device == DeviceType.CUDA;
      var options =
          new Bench.Options(
              device,
              preset != null ? preset : cuda ? "llava-1.5-7b" : "tiny",
              operators,
              axes,
              !dtypes.isEmpty()
                  ? dtypes.stream().map(DType::of).toList()
                  : List.of(cuda ? DType.BF16 : DType.F32),
              caches.stream().distinct().toList(),
              source,
              entry,
              providers.stream().map(Provider::of).toList(),
              precision,
              common.seconds);
      KernelReport report = measured(options);
      files.forEach(file -> write(file, report));
      System.out.print(common.json ? Output.json(report.json()) + "\n" : report.text());
      if (common.json) {
        report.notes().forEach(n -> System.err.println("starling: " + TerminalText.of(n)));
      }
      report.failures().forEach(f -> System.err.println("starling: " + TerminalText.of(f)));
      return report.failed() ? 1 : 0;
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

    /** {@code --n 576,2880}: options named by axes, which depend on the operator. */
    private Map<String, List<Integer>> axes() {
      var axes = new LinkedHashMap<String, List<Integer>>();
      for (int i = 0; i < rest.size(); i++) {
        String[] parts = rest.get(i).split("=", 2);
        String axis = parts[0].replaceFirst("^--", "");
        if (!parts[0].startsWith("--") || !Bench.axes().contains(axis)) {
          throw new ParameterException(
              spec.commandLine(),
              "'" + rest.get(i) + "' is no option; axes are " + String.join(", ", Bench.axes()));
        }
        if (parts.length == 1 && i + 1 == rest.size()) {
          throw new ParameterException(spec.commandLine(), "--" + axis + " has no value");
        }
        axes.put(axis, numbers(axis, parts.length == 2 ? parts[1] : rest.get(++i)));
      }
      return axes;
    }

    private List<Integer> numbers(String axis, String text) {
      if (!text.matches(NUMBERS)) {
        throw new ParameterException(
            spec.commandLine(), "--" + axis + " '" + text + "' is not a list of whole numbers");
      }
      return Stream.of(text.split(",", -1)).map(n -> number(axis, n)).toList();
    }

    private static Integer number(String axis, String text) {
      try {
        return Integer.valueOf(text);
      } catch (NumberFormatException e) {
        throw new InputException(
            "--" + axis + " is " + text + "; it can be at most " + Integer.MAX_VALUE, e);
      }
    }
  }

  @Command(
      name = "ceilings",
      description = "Measures what the hardware can do: copy, read, products, an empty launch.")
  static final class CeilingsCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @CommandLine.Mixin private Common common;

    @Override
    public Integer call() {
      common.check(spec);
      Bench.CeilingReport report = Bench.ceilings(DeviceType.of(common.device), common.seconds);
      if (common.json) {
        System.out.println(Output.json(report));
        return 0;
      }
      System.out.print(
          new KernelReport(report.environment(), report.ceilings(), null, List.of(), List.of())
              .heading());
      System.out.printf(Locale.ROOT, "empty launch    %.3f us%n", report.launchMicros());
      if (report.nodeMicros() != null) {
        System.out.printf(Locale.ROOT, "graph node      %.3f us%n", report.nodeMicros());
      }
      System.out.print(report.launchTable());
      return 0;
    }
  }
}
