package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.FutureTask;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import starling.Checkout;
import starling.cuda.Native;

/**
 * How far it is from the command line to a kernel: the classes of ours that are on the stack of the
 * asking thread, and from there on of the thread that works for it, and the file in which its
 * function and the kernel are.
 */
class HopsTest {
  private static final int MAX_HOPS = 9;

  private static final List<String> COMMAND = List.of("Main", "RunCommand", "Model");
  private static final List<String> DEVICE = List.of("NativeDevice", "Operators", "Bindings");

  /** Every stack that was seen inside an operator, and the operators that were seen there. */
  private static Map<List<String>, Set<String>> stacks() throws Exception {
    var run =
        new FutureTask<>(
            () ->
                CommandLineTest.ask("--device", "emulated", "--dtype", "f32", "--max-tokens", "3"));
    Thread thread = Thread.ofPlatform().start(run);
    var seen = new LinkedHashMap<List<String>, Set<String>>();
    while (thread.isAlive()) {
      var asking = classes(thread.getStackTrace(), "Main");
      int model = asking.indexOf("Model");
      StackTraceElement[] frames = own();
      List<String> classes = classes(frames, "Engine");
      if (model >= 0) { // behind it the asking thread waits for what the model's own does
        classes.addAll(0, asking.subList(0, model + 1));
      }
      if (!classes.contains("NativeStream") // a capture starts no kernel
          && classes.size() > 1
          && classes.subList(classes.size() - 2, classes.size()).equals(DEVICE.subList(1, 3))) {
        seen.computeIfAbsent(classes, c -> new TreeSet<>()).add(operator(frames));
      }
      Thread.onSpinWait();
    }
    assertEquals("yellow", run.get().out().strip());
    return seen;
  }

  /** The stack of the thread that does the model's work; empty while there is none. */
  private static StackTraceElement[] own() {
    return Thread.getAllStackTraces().entrySet().stream()
        .filter(thread -> thread.getKey().getName().equals("starling"))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElse(new StackTraceElement[0]);
  }

  /** The program's own classes from {@code first} on; calls inside a file count once. */
  private static List<String> classes(StackTraceElement[] frames, String first) {
    var classes = new ArrayList<String>();
    for (int i = frames.length - 1; i >= 0; i--) {
      String name = frames[i].getClassName();
      String simple = name.substring(name.lastIndexOf('.') + 1).replaceFirst("\\$.*", "");
      boolean begins = !classes.isEmpty() || simple.equals(first);
      if (begins
          && name.startsWith("starling.")
          && (classes.isEmpty() || !classes.getLast().equals(simple))) {
        classes.add(simple);
      }
    }
    return classes;
  }

  private static String operator(StackTraceElement[] frames) {
    return Stream.of(frames)
        .filter(frame -> frame.getClassName().endsWith(".Bindings"))
        .findFirst()
        .orElseThrow()
        .getMethodName();
  }

  /** The file of the C function that {@code Bindings} calls, which has to launch it as well. */
  private static String file(String operator) throws IOException {
    String name = operator.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    try (Stream<Path> files = Files.list(Checkout.path("kernels"))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".cu")).toList()) {
        String text = Files.readString(file);
        if (text.contains("extern \"C\" int starling_" + name + "(")) {
          assertTrue(text.contains("gpu::launch<"), file + " launches what it offers");
          return Checkout.ROOT.relativize(file).toString();
        }
      }
    }
    throw new AssertionError("no kernel file has " + operator);
  }

  private static List<String> path(String between) {
    var path = new ArrayList<>(COMMAND);
    path.addAll(List.of("Engine", "LoadedModel", between));
    path.addAll(DEVICE);
    return path;
  }

  @Test
  void anImageReachesAKernelInNineCalls() throws Exception {
    Native.needs(Native.HOST);
    Map<List<String>, Set<String>> seen = stacks();
    for (String between : List.of("ClipEncoder", "Decoder")) {
      var operators = seen.getOrDefault(path(between), new TreeSet<>());
      assertTrue(operators.contains("gemm"), between + ": " + seen);
    }
    for (var stack : seen.entrySet()) {
      for (String operator : stack.getValue()) {
        var hops = new ArrayList<>(stack.getKey());
        hops.add(file(operator));
        assertTrue(hops.size() - 1 <= MAX_HOPS, hops.toString());
      }
    }
  }

  /** The page gives the same list, with a reason for each call. */
  @Test
  void thePageListsThem() throws IOException {
    var expected = new ArrayList<>(path("ClipEncoder"));
    expected.add(file("gemm"));
    String page = Files.readString(Checkout.path("src/site/markdown/architecture.md"));
    String section = page.substring(page.indexOf("## From the command line to a kernel"));
    var listed = new ArrayList<String>();
    var hop = Pattern.compile("(?m)^(\\d+)\\. `([^`]+)` → `([^`]+)`: \\S.{30,}");
    hop.matcher(section)
        .results()
        .forEach(
            line -> {
              if (listed.isEmpty()) {
                listed.add(line.group(2));
              }
              assertEquals(
                  listed.getLast(), line.group(2), "each call begins where the last ended");
              assertEquals(listed.size(), Integer.parseInt(line.group(1)));
              listed.add(line.group(3));
            });
    assertEquals(expected, listed);
  }
}
