package starling.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import starling.device.InputException;

/**
 * A user's own kernel in the place of one of ours: its file is compiled and linked with the objects
 * of the library in {@code target/native}, so that everything else is the same.
 */
final class UserKernel {
  private UserKernel() {}

  /**
   * Compiles for a device.
   *
   * @param checkout where {@code kernels} and {@code target/native} lie
   * @param entry a function with the C signature of the operator ({@code starling.h})
   * @return the library, in {@code folder}
   * @throws InputException with the compiler's first error, or what is missing
   */
  static Path compile(String device, Path checkout, Path source, String entry, Path folder) {
    if (!Files.isReadable(source)) {
      throw new InputException(source + ": cannot be read");
    }
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
    var compile = new ArrayList<>(cuda ? nvcc() : List.of("g++", "-xc++"));
    compile.addAll(List.of("-std=c++20", "-O3", "-c", source.toString(), "-o", object.toString()));
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

  private static void run(Path source, List<String> command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        String first =
            output
                .lines()
                .filter(l -> l.contains("error") || l.contains("undefined"))
                .findFirst()
                .orElse(output.lines().findFirst().orElse("no output"));
        throw new InputException(source + " does not compile: " + first.strip());
      }
    } catch (IOException e) {
      throw new InputException(
          source + ": " + command.get(0) + " cannot be started (" + e.getMessage() + ")", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException(source + ": interrupted", e);
    }
  }
}
