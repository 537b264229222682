package starling.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import starling.bench.UserKernelProcess.Line;
import starling.bench.UserKernelProcess.Request;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.Limits;
import starling.input.TerminalText;

/**
 * A user's kernel, every size of it in a process of its own: if it crashes, ends the process,
 * prints or never comes back, one row is lost.
 */
final class UserKernelBench {
  /** The last line of a process that came to its end. */
  static final String DONE = "done";

  /** The row is there; what follows is on inputs that are not finite. */
  static final String NOT_FINITE = "not finite";

  /** No kernel is so slow on the host layer. */
  private static final double SLOW_BYTES = 10e6;

  private static final double SLOW_FLOPS = 50e6;

  private static final String NAN = ", where inputs are not finite: ";

  /** For the process itself to begin, on a machine that has much else to do. */
  private static final double START_SECONDS = 60;

  /** Sizes at which it may fail to come back; then the rest is not tried. */
  private static final int ENDLESS = 2;

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern SIGNAL = Pattern.compile("#  (SIG[A-Z]+)");

  /** What the JVM itself says. */
  private static final Pattern JVM =
      Pattern.compile("#|WARNING: Using incubator modules|\\[[0-9.]+s]\\[");

  private final Bench.Options options;
  private final int seconds;
  private final List<String> notes;
  private final Consumer<String> progress;
  private int endless;

  /**
   * @param notes gets what it printed, and where it is wrong without losing its row
   */
  UserKernelBench(Bench.Options options, List<String> notes, Consumer<String> progress) {
    this(options, Limits.KERNEL_SECONDS, notes, progress);
  }

  UserKernelBench(
      Bench.Options options, int seconds, List<String> notes, Consumer<String> progress) {
    this.options = options;
    this.seconds = seconds;
    this.notes = notes;
    this.progress = progress;
  }

  /** Its rows at all sizes, as {@code op:entry}. */
  List<Row> rows(List<Case> plans) {
    InputFile.read(options.source(), Limits.KERNEL_SOURCE_BYTES);
    try {
      Path folder = Files.createTempDirectory("starling-kernel"); // nobody else's
      try {
        progress.accept("compiling " + options.source());
        Path library =
            UserKernel.compile(
                options.device(),
                UserKernel.checkout(),
                options.source(),
                options.operators().get(0),
                options.entry(),
                folder);
        var rows = new ArrayList<Row>();
        for (Case plan : plans) {
          rows.addAll(rows(plan, library, folder));
        }
        return rows;
      } finally {
        delete(folder);
      }
    } catch (IOException e) {
      throw new InputException(
          "a folder to compile a kernel in cannot be used: " + e.getMessage(), e);
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  /** Those at one size, by a library in a folder of its own. */
  List<Row> rows(Case plan, Path library, Path folder) throws IOException {
    var of =
        new Case(plan.name() + ":" + options.entry(), plan.operator(), plan.sizes(), plan.dtype());
    if (endless == ENDLESS) {
      return failed(of, "not tried: it did not come back at other sizes");
    }
    Outcome outcome = run(of, library, folder);
    said(of, outcome.output);
    return rows(of, outcome);
  }

  /**
   * What came of a process.
   *
   * @param ended whether it ended by itself, or had nothing more to say
   * @param how it ended too early, in words
   * @param output what it printed
   * @param lines what it found
   */
  private record Outcome(boolean ended, String how, String output, List<Line> lines) {}

  private Outcome run(Case of, Path library, Path folder) throws IOException {
    Path request = folder.resolve("request.json");
    Path lines = folder.resolve("lines");
    Path crash = folder.resolve("crash");
    Files.deleteIfExists(lines);
    Files.deleteIfExists(crash);
    JSON.writeValue(request.toFile(), request(of, library));
    try (var child = new Child(command(request, lines, crash, folder))) {
      boolean ended =
          child.ended(
              () -> size(lines) == 0 ? START_SECONDS : patience(of),
              () -> size(lines),
              () -> done(lines));
      String how =
          ended
              ? how(child.status(), crash)
              : "it did not come back within %.0f s".formatted(patience(of));
      return new Outcome(ended, how, child.output(), read(lines));
    }
  }

  /** The rows that it found, or those that say what went wrong. */
  private List<Row> rows(Case of, Outcome outcome) {
    var rows = new ArrayList<Row>();
    String step = "";
    for (Line line : outcome.lines) {
      if (line.step() != null) {
        step = line.step();
      }
      if (line.row() != null) {
        rows.add(line.row());
      }
      if (line.failure() != null) {
        return failed(of, line.failure());
      }
      if (line.notFinite() != null) {
        notes.add(of.title() + NAN + line.notFinite());
      }
    }
    if (step.equals(DONE)) {
      return rows;
    }
    endless += outcome.ended ? 0 : 1;
    if (step.equals(NOT_FINITE)) {
      notes.add(of.title() + NAN + outcome.how);
      return rows;
    }
    return failed(of, outcome.how);
  }

  private Request request(Case of, Path library) {
    String op = of.name().substring(0, of.name().indexOf(':'));
    return new Request(
        options.device(),
        library.toString(),
        "starling_" + op,
        options.entry(),
        of.name(),
        of.operator().name(),
        of.sizes().of(),
        of.dtype(),
        options.caches(),
        options.precision(),
        options.seconds());
  }

  /** The same program with the same libraries, in a folder where it may leave what it likes. */
  private static ProcessBuilder command(Path request, Path lines, Path crash, Path folder) {
    var command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-XX:ErrorFile=" + crash,
                "-XX:ErrorLogTimeout=2",
                "-XX:-CreateCoredumpOnCrash"));
    for (String name : System.getProperties().stringPropertyNames()) {
      if (name.startsWith("starling.") || name.equals("java.library.path")) {
        command.add("-D" + name + "=" + System.getProperty(name));
      }
    }
    String classes =
        Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .map(part -> Path.of(part).toAbsolutePath().toString())
            .collect(Collectors.joining(File.pathSeparator));
    command.addAll(List.of("-cp", classes, UserKernelProcess.class.getName()));
    command.addAll(List.of(request.toString(), lines.toString()));
    var builder = new ProcessBuilder(command).redirectErrorStream(true).directory(folder.toFile());
    for (String options : List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")) {
      builder.environment().remove(options); // the JVM would say that it has read them
    }
    return builder;
  }

  /** Seconds without a step forward. */
  private double patience(Case of) {
    return seconds
        + of.operator().bytes(of.sizes(), of.dtype()) / SLOW_BYTES
        + of.operator().flops(of.sizes(), of.dtype()) / SLOW_FLOPS;
  }

  private static long size(Path file) {
    try {
      return Files.exists(file) ? Files.size(file) : 0;
    } catch (IOException e) {
      return 0;
    }
  }

  private static boolean done(Path file) {
    List<Line> lines = read(file);
    return !lines.isEmpty() && DONE.equals(lines.getLast().step());
  }

  /** The last one may be half a line, if the process was killed. */
  private static List<Line> read(Path file) {
    var lines = new ArrayList<Line>();
    try (Stream<String> texts = Files.lines(file)) {
      for (String text : (Iterable<String>) texts::iterator) {
        lines.add(JSON.readValue(text, Line.class));
      }
    } catch (IOException e) {
      // It was not begun, or ends here.
    }
    return lines;
  }

  private static String how(int status, Path crash) throws IOException {
    if (Files.exists(crash)) {
      Matcher signal = SIGNAL.matcher(Files.readString(crash, StandardCharsets.ISO_8859_1));
      return "it crashed" + (signal.find() ? " (" + signal.group(1) + ")" : "");
    }
    return status > 128
        ? "it was ended by signal " + (status - 128)
        : "it ended its process, with status " + status;
  }

  private void said(Case of, String output) {
    String printed =
        output
            .lines()
            .filter(line -> !JVM.matcher(line).lookingAt())
            .collect(Collectors.joining(" / "))
            .strip();
    if (!printed.isEmpty()) {
      notes.add(of.title() + " printed: " + TerminalText.of(printed));
    }
  }

  private List<Row> failed(Case of, String why) {
    List<CacheState> caches =
        options.device() == DeviceType.EMULATED ? List.of(CacheState.COUNTED) : options.caches();
    return caches.stream().map(c -> of.failed(c, why)).toList();
  }
}
