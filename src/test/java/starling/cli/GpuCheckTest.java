package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.cuda.Native;

/** {@code tools/gpu-check} where there is no GPU, or one that cannot be used. */
class GpuCheckTest {
  @TempDir Path dir;

  private record Run(int status, String output) {}

  private Run check(String... options) throws Exception {
    var command =
        new ArrayList<>(List.of("tools/gpu-check", "--out", dir.resolve("out").toString()));
    command.addAll(List.of(options));
    var builder =
        new ProcessBuilder(command).directory(Checkout.ROOT.toFile()).redirectErrorStream(true);
    builder.environment().merge("PATH", dir.toString(), (path, first) -> first + ":" + path);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Run(process.waitFor(), output);
  }

  private JsonNode part(String name) throws IOException {
    return new ObjectMapper().readTree(dir.resolve("out").resolve(name + ".json").toFile());
  }

  private static void needsNoGpu() {
    assumeTrue(!Files.exists(Path.of("/dev/nvidiactl")), "there is a GPU");
  }

  @Test
  void aPartThatDoesNotExistIsNamed() throws Exception {
    Run run = check("--only", "prims,kernel");
    assertEquals(2, run.status);
    assertTrue(
        run.output.contains("'kernel' is no part; there are found headers build prims"),
        run.output);
  }

  @Test
  void withoutAGpuEveryPartSaysWhatItLeftOut() throws Exception {
    needsNoGpu();
    Run run = check("--only", "prims,native,java,kernels");
    assertEquals(0, run.status, run.output);
    for (String name : List.of("prims", "native", "java", "kernels")) {
      assertEquals("left-out", part(name).get("result").textValue());
      assertEquals("there is no NVIDIA GPU on this machine", part(name).get("detail").textValue());
    }
    assertTrue(run.output.contains("4 parts in "), run.output);
  }

  @Test
  void aGpuThatCannotBeUsedIsAFailureWithTheReason() throws Exception {
    needsNoGpu();
    Native.needs(Native.CUDA);
    Path stub = Files.writeString(dir.resolve("nvidia-smi"), "#!/bin/sh\necho 'GPU 0: \"X\"'\n");
    assertTrue(stub.toFile().setExecutable(true));
    Run run = check("--only", "prims,native");
    assertEquals(1, run.status, run.output);
    for (String name : List.of("prims", "native")) {
      assertEquals("failed", part(name).get("result").textValue());
      String why = part(name).get("detail").textValue();
      assertTrue(why.startsWith("not run: no driver: libcuda.so.1"), why);
    }
  }
}
