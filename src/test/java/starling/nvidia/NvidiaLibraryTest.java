package starling.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Native;

/** Where NVIDIA's libraries are looked for; any library plays one. */
class NvidiaLibraryTest {
  @TempDir Path dir;

  @BeforeEach
  void needsALibrary() {
    Native.needs(Native.HOST);
  }

  @Test
  void relativeFoldersOfTheEnvironmentAreNotSearched() throws Exception {
    Path lib = Files.createDirectories(dir.resolve("lib/lib64"));
    Files.copy(Native.HOST, lib.resolve("libplanted.so"));
    Path here = Path.of("").toAbsolutePath();
    for (boolean absolute : new boolean[] {false, true}) {
      for (String variable : List.of("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")) {
        Path folder = variable.startsWith("LD") ? lib : lib.getParent();
        String value = ":" + (absolute ? folder : here.relativize(folder));
        String set = variable.startsWith("LD") ? value : value.substring(1);
        var found =
            NvidiaLibrary.search(
                "planted",
                List.of("libplanted.so"),
                name -> null,
                name -> name.equals(variable) ? set : null);
        assertEquals(absolute, found.loaded() != null, variable + ": " + found.lines());
      }
    }
  }
}
