package starling.fuzz;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import starling.checkpoint.Safetensors;
import starling.device.StoredTensor;

/** Any bytes as {@code model.safetensors}: header, offsets, types, values. */
public final class SafetensorsFuzz {
  private static final Path DIR = Fuzzed.folder();

  private SafetensorsFuzz() {}

  public static void fuzzerTestOneInput(byte[] data) {
    Fuzzed.read(
        () -> {
          Files.write(DIR.resolve("model.safetensors"), data);
          try (Safetensors files = Safetensors.open(DIR)) {
            for (var entry : files.entries()) {
              List<Integer> shape = entry.shape().stream().map(Long::intValue).toList();
              Fuzzed.read(() -> values(files.get(entry.name(), shape, "config")));
            }
          }
        });
  }

  private static void values(StoredTensor tensor) {
    for (long i = 0; i < tensor.elements(); i++) {
      tensor.get(i);
    }
  }
}
