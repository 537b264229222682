package starling.bench;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.input.Limits;

/**
 * A user's own kernel in the place of one of ours: its file is compiled and linked with the objects
 * of the library in {@code target/native}, so that everything else is the same.
 */
public final class UserKernel {
  /** What the linker says where the entry is not defined. */
  private static final String NOT_THERE = "required symbol";

  private static final Pattern ERROR =
      Pattern.compile("error|undefined reference|multiple definition|" + NOT_THERE);

  /** What g++ and nvcc say of a function of C that was declared with other parameters. */
  private static final Pattern OTHER_PARAMETERS =
      Pattern.compile("conflicting declaration of C function|has \"C\" linkage");

  private UserKernel() {}

  /**
   * The folder of the sources that this program runs from.
   *
   * @throws InputException if it runs from somewhere else, as a jar in a repository does
   */
  static Path checkout() {
    try {
      var code = UserKernel.class.getProtectionDomain().getCodeSource().getLocation();
      return checkout(Path.of(code.toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The one whose {@code target} holds this code, a folder of classes or a jar. */
  static Path checkout(Path code) {
    Path target = code.getParent();
    if (target == null || !target.endsWith("target")) {
      throw new InputException(
          "--source needs a checkout of Starling, whose headers and objects the kernel is compiled"
              + " with; this program runs from "
              + code);
    }
    return target.getParent();
  }

  /**
   * Compiles for a device.
   *
   * @param checkout where {@code kernels} and {@code target/native} lie
   * @param operator the name of the operator whose place it takes, as {@code token_select}
   * @param entry a function with the C signature of the operator ({@code starling.h})
   * @return the library, in {@code folder}
   * @throws DoesNotCompile with what the compiler says
   * @throws InputException with what is missing
   */
  static Path compile(
      DeviceType device, Path checkout, Path source, String operator, String entry, Path folder) {
    String signature =
        "extern \"C\" STARLING_API int %s(const starling_%s_args *args, starling_stream *stream)"
            .formatted(entry, operator);
    boolean cuda = device == DeviceType.CUDA;
    Path build = checkout.resolve("target/native").resolve(cuda ? "cuda" : "host");
    Path built = build.resolve("CMakeFiles");
    List<String> objects = objects(built, cuda ? "starling_cuda.dir" : "starling_host");
    if (objects.isEmpty()) {
      throw new InputException(
          build + ": no objects to link " + source + " with; tools/build-native makes them");
    }
    Path object = object(cuda, checkout, source, entry, signature, folder);
    return library(cuda, object, objects, source, entry, signature, folder);
  }

  private static Path object(
      boolean cuda, Path checkout, Path source, String entry, String signature, Path folder) {
    Path object = folder.resolve("user.o");
    Path file = source.toAbsolutePath(); // a name that begins with - or @ would be an option
    var compile = new ArrayList<>(cuda ? nvcc() : List.of("g++"));
    compile.addAll(List.of("-x", cuda ? "cu" : "c++", "-std=c++20", "-O3"));
    compile.addAll(List.of("-include", declared(signature, folder).toString()));
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
    try {
      run(source, compile);
    } catch (DoesNotCompile e) {
      if (e.errors().stream().anyMatch(OTHER_PARAMETERS.asPredicate())) {
        throw new InputException(
            source
                + ": "
                + entry
                + " has not the parameters of the operator, which come in one structure; it must be "
                + signature,
            e);
      }
      throw e;
    }
    return object;
  }

  private static Path library(
      boolean cuda,
      Path object,
      List<String> objects,
      Path source,
      String entry,
      String signature,
      Path folder) {
    Path library = folder.resolve("libuser.so");
    var link = new ArrayList<>(cuda ? nvcc() : List.of("g++"));
    link.addAll(List.of("-shared", object.toString(), "-o", library.toString()));
    link.addAll(objects);
    link.addAll(cuda ? List.of("-cudart", "static") : List.of("-pthread"));
    link.addAll(List.of("-Xlinker", "--require-defined=" + entry));
    try {
      run(source, link);
    } catch (DoesNotCompile e) {
      if (e.errors().stream().anyMatch(line -> line.contains(NOT_THERE))) {
        throw new InputException(
            source + ": there is no function " + entry + "; it must be " + signature, e);
      }
      throw e;
    }
    return library;
  }

  /** Included before the source, so that the compiler finds a function with other parameters. */
  private static Path declared(String signature, Path folder) {
    Path header = folder.resolve("declared.h");
    try {
      return Files.writeString(header, "#include \"starling.h\"\n" + signature + ";\n");
    } catch (IOException e) {
      throw new InputException(header + ": " + e.getMessage(), e);
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
    private static final int MAX_ERRORS = 100;

    private final ArrayList<String> errors;

    DoesNotCompile(Path source, List<String> errors) {
      super(source + " does not compile: " + String.join("; ", errors));
      this.errors = new ArrayList<>(errors.subList(0, Math.min(MAX_ERRORS, errors.size())));
      if (errors.size() > MAX_ERRORS) {
        this.errors.add("and " + (errors.size() - MAX_ERRORS) + " more errors");
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
