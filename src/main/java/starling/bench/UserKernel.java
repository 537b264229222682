package starling.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import starling.device.InputException;
import starling.device.Limits;

/**
 * A user's own kernel in the place of one of ours: its file is compiled and linked with the objects
 * of the library in {@code target/native}, so that everything else is the same.
 */
public final class UserKernel {
  private static final Pattern ERROR =
      Pattern.compile("error|undefined reference|multiple definition");

  private UserKernel() {}

  /**
   * Compiles for a device.
   *
   * @param checkout where {@code kernels} and {@code target/native} lie
   * @param entry a function with the C signature of the operator ({@code starling.h})
   * @return the library, in {@code folder}
   * @throws DoesNotCompile with what the compiler says
   * @throws InputException with what is missing
   */
  static Path compile(String device, Path checkout, Path source, String entry, Path folder) {
    boolean cuda = device.equals("cuda");
    Path build = checkout.resolve("target/native").resolve(cuda ? "cuda" : "host");
    Path built = build.resolve("CMakeFiles");
    List<String> objects = objects(built, cuda ? "starling_cuda.dir" : "starling_host");
    if (objects.isEmpty()) {
      throw new InputException(
          build + ": no objects to link " + source + " with; tools/build-native makes them");
    }
    Path object = folder.resolve("user.o");
    Path library = folder.resolve("libuser.so");
    var compile = new ArrayList<>(cuda ? nvcc() : List.of("g++"));
    Path file = source.toAbsolutePath(); // a name that begins with - or @ would be an option
    compile.addAll(List.of("-x", cuda ? "cu" : "c++", "-std=c++20", "-O3"));
    compile.addAll(List.of("-c", file.toString(), "-o", object.toString()));
    for (String include : List.of("kernels", "native", "native/include", "native/host")) {
      compile.add("-I" + checkout.resolve(include));
    }
    compile.addAll(
        cuda
            ? List.of("-Xcompiler", "-fPIC,-fvisibility=hidden", "-arch=native")
            : List.of(
                "-DHOST_COARSE",
                "-march=x86-64-v3",
                "-fno-strict-aliasing",
                "-ffp-contract=off",
                "-fPIC",
                "-fvisibility=hidden",
                "-w"));
    run(source, compile);
    var link = new ArrayList<>(cuda ? nvcc() : List.of("g++"));
    link.addAll(List.of("-shared", object.toString(), "-o", library.toString()));
    link.addAll(objects);
    link.addAll(cuda ? List.of("-cudart", "static") : List.of("-pthread"));
    run(source, link);
    if (!new String(read(library), StandardCharsets.ISO_8859_1).contains("\0" + entry + "\0")) {
      throw new InputException(
          source
              + ": there is no function "
              + entry
              + "; it must be extern \"C\" STARLING_API, with the parameters of the operator");
    }
    return library;
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(file + ": " + e.getMessage(), e);
    }
  }

  private static List<String> nvcc() {
    Path usual = Path.of("/usr/local/cuda/bin/nvcc");
    return List.of(Files.isExecutable(usual) ? usual.toString() : "nvcc");
  }

  private static List<String> objects(Path folder, String target) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .map(Path::toString)
          .filter(f -> f.endsWith(".o") && f.contains("/" + target))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new InputException(folder + ": " + e.getMessage(), e);
    }
  }

  /** A compiler's or linker's complaints. */
  public static final class DoesNotCompile extends InputException {
    private static final long serialVersionUID = 1;
    private static final int MOST = 100;

    private final ArrayList<String> errors;

    DoesNotCompile(Path source, List<String> errors) {
      super(source + " does not compile: " + String.join("; ", errors));
      this.errors = new ArrayList<>(errors.subList(0, Math.min(MOST, errors.size())));
      if (errors.size() > MOST) {
        this.errors.add("and " + (errors.size() - MOST) + " more errors");
      }
    }

    /** One line for each error, of at most a hundred. */
    public List<String> errors() {
      return List.copyOf(errors);
    }
  }

  private static void run(Path source, List<String> command) {
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("LC_ALL", "C"); // errors are found by their name
    try (var compiler = new Child(builder)) {
      if (!compiler.ended(() -> Limits.COMPILE_SECONDS, () -> 0, () -> false)) {
        throw new InputException(
            "%s: %s did not end within %d s"
                .formatted(source, command.get(0), Limits.COMPILE_SECONDS));
      }
      if (compiler.status() != 0) {
        String output = compiler.output();
        List<String> errors =
            output.lines().filter(ERROR.asPredicate()).map(String::strip).distinct().toList();
        throw new DoesNotCompile(
            source,
            errors.isEmpty()
                ? List.of(output.lines().findFirst().orElse("no output").strip())
                : errors);
      }
    } catch (IOException e) {
      throw new InputException(
          source + ": " + command.get(0) + " cannot be started (" + e.getMessage() + ")", e);
    }
  }
}
