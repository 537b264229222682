package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.checkpoint.ZeroCheckpoint;

/**
 * A checkpoint in the shapes of LLaVA-1.5-7B, 14 GB of zeros that take no room on the disk: it
 * loads, takes a step, and what the process has of its own stays small, since weights are mapped.
 * About a minute: the machine has to make 14 GB of zero pages.
 */
class SevenBillionTest {
  private static final long LIMIT = 2_000_000_000L;

  /** In the build folder: where temporary files live in memory, holes would become pages. */
  private Path checkpoint() throws IOException {
    Path dir = Files.createDirectories(Checkout.path("target/seven-billion"));
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.write(dir.resolve(file), Files.readAllBytes(Demo.MODEL.resolve(file)));
    }
    Files.writeString(
        dir.resolve("preprocessor_config.json"),
        "{\"size\":{\"shortest_edge\":336},\"crop_size\":{\"height\":336,\"width\":336}}");
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type": "llava", "image_token_index": 32000, "torch_dtype": "float16",
         "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
           "vocab_size": 32064},
         "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
           "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}}
        """);
    new ZeroCheckpoint("F16").tower().decoder().write(dir);
    return dir;
  }

  /** Anonymous memory of a process, in bytes; 0 once it has ended. */
  private static long anonymous(long pid) {
    try (var lines = Files.lines(Path.of("/proc/" + pid + "/status"))) {
      return lines
          .filter(line -> line.startsWith("RssAnon:"))
          .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException | java.io.UncheckedIOException e) {
      return 0;
    }
  }

  @Test
  void fourteenGigabytesOfZerosTakeAStepInLittleMemory() throws Exception {
    Path dir = checkpoint();
    try {
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--add-modules",
                  "jdk.incubator.vector",
                  "-Xmx1g",
                  "-cp",
                  System.getProperty("java.class.path"),
                  "starling.cli.Main",
                  "run",
                  "--device",
                  "cpu",
                  "--model",
                  dir.toString(),
                  "--prompt",
                  "x",
                  "--max-tokens",
                  "1",
                  "--json")
              .redirectError(
                  ProcessBuilder.Redirect.to(Checkout.path("target/seven-billion.err").toFile()))
              .start();
      long most = 0;
      while (process.isAlive()) {
        most = Math.max(most, anonymous(process.pid()));
        Thread.sleep(50);
      }
      String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(
          0, process.exitValue(), Files.readString(Checkout.path("target/seven-billion.err")));
      // Of equal logits the first is taken.
      assertTrue(answer.contains("\"output_tokens\":[0]"), answer);
      assertTrue(most > 100_000_000 && most < LIMIT, "anonymous memory: " + most);
    } finally {
      Files.delete(dir.resolve("model.safetensors"));
    }
  }
}
