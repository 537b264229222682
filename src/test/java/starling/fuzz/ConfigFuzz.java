package starling.fuzz;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import starling.Checkout;
import starling.checkpoint.LlavaConfig;
import starling.checkpoint.PreprocessorConfig;

/**
 * Any bytes as one of a checkpoint's small files, beside good ones: {@code c}onfig, {@code
 * g}eneration, {@code p}reprocessor or p{@code r}ocessor configuration, by the first byte.
 */
public final class ConfigFuzz {
  private static final Path DIR = Fuzzed.folder();
  private static final Path GOOD = Checkout.path("src/demo/resources/starling/demo/model");

  private ConfigFuzz() {}

  public static void fuzzerTestOneInput(byte[] data) {
    if (data.length == 0) {
      return;
    }
    byte[] text = Arrays.copyOfRange(data, 1, data.length);
    String file =
        switch (data[0]) {
          case 'g' -> "generation_config.json";
          case 'p' -> "preprocessor_config.json";
          case 'r' -> "processor_config.json";
          default -> "config.json";
        };
    Fuzzed.read(
        () -> {
          Files.deleteIfExists(DIR.resolve("preprocessor_config.json"));
          Files.write(DIR.resolve("config.json"), Files.readAllBytes(GOOD.resolve("config.json")));
          Files.write(DIR.resolve(file), text);
          Fuzzed.read(() -> LlavaConfig.read(DIR));
          PreprocessorConfig.read(DIR);
        });
  }
}
