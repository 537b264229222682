package starling.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Native;

/** The driver's management library, played by a few lines of C that answer as nvml.h says. */
class NvmlTest {
  private static final String ANSWERS =
      """
      #include <string.h>
      int nvmlInit_v2(void) { return INIT; }
      int nvmlShutdown(void) { return 0; }
      static int card;
      int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
        if (strcmp(uuid, "GPU-1")) return 6; /* NVML_ERROR_NOT_FOUND */
        *device = &card;
        return 0;
      }
      int nvmlDeviceGetClockInfo(void *device, unsigned type, unsigned *mhz) {
        if (device != &card || type != 1) return 2; /* NVML_ERROR_INVALID_ARGUMENT */
        *mhz = 1755;
        return CLOCK;
      }
      int REASONS_NAME(void *device, unsigned long long *reasons) {
        *reasons = REASONS;
        return 0;
      }
      """;

  @TempDir Path dir;

  private Nvml nvml(String uuid, String init, String clock, String reasons, String name)
      throws Exception {
    Native.needs(Native.HOST); // where it was built there is a compiler
    Path source = Files.writeString(dir.resolve("nvml.c"), ANSWERS);
    Path library = Files.createTempFile(dir, "nvml", ".so");
    var compiler =
        new ProcessBuilder(
                "g++",
                "-xc",
                "-shared",
                "-fPIC",
                "-DINIT=" + init,
                "-DCLOCK=" + clock,
                "-DREASONS=" + reasons,
                "-DREASONS_NAME=" + name,
                "-o",
                library.toString(),
                source.toString())
            .inheritIO()
            .start();
    assertEquals(0, compiler.waitFor());
    @SuppressWarnings("restricted")
    SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
    return Nvml.of(symbols, uuid);
  }

  private static final String NAME = "nvmlDeviceGetCurrentClocksThrottleReasons";

  private Nvml.Reading reading(String clock, String reasons) throws Exception {
    try (Nvml nvml = nvml("GPU-1", "0", clock, reasons, NAME)) {
      return nvml.reading();
    }
  }

  @Test
  void idleAndChosenClocksAreNoThrottle() throws Exception {
    assertEquals(new Nvml.Reading(1755, false), reading("0", "0"));
    assertEquals(new Nvml.Reading(1755, false), reading("0", "0x1|0x2|0x10|0x100"));
  }

  @Test
  void powerHeatAndBrakesAre() throws Exception {
    for (String reason : new String[] {"0x4", "0x8", "0x20", "0x40", "0x80", "0x1|0x4"}) {
      assertEquals(new Nvml.Reading(1755, true), reading("0", reason), reason);
    }
  }

  @Test
  void whatCannotBeAskedIsNoClock() throws Exception {
    assertNull(reading("3", "0")); // NVML_ERROR_NOT_SUPPORTED, as on a MIG slice
    assertNull(nvml("GPU-2", "0", "0", "0", NAME));
    assertNull(nvml("GPU-1", "9", "0", "0", NAME)); // NVML_ERROR_DRIVER_NOT_LOADED
    try (Nvml nvml = nvml("GPU-1", "0", "0", "0", "another")) {
      assertNull(nvml.reading());
    }
  }
}
