package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A Java process of its own, with this one's class path; standard error must stay empty. */
final class Process25 {
  private Process25() {}

  static String run(List<String> flags, Class<?> main, Path... classPath) throws Exception {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(flags);
    var path = new StringBuilder(System.getProperty("java.class.path"));
    for (Path part : classPath) {
      path.append(java.io.File.pathSeparator).append(part);
    }
    command.addAll(List.of("-cp", path.toString(), main.getName()));
    var process = new ProcessBuilder(command).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    assertEquals("", err);
    return out;
  }
}
