package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import starling.cuda.EmptyKernel;
import starling.cuda.FakeCuda;
import starling.cuda.NativeDevice;
import starling.cuda.PlayedLibrary;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.jcuda.Interop;
import starling.jcuda.JniLaunch;

/**
 * One kernel launched by foreign function calls, by JCuda's own JNI library and from a captured
 * graph, over a library that plays the CUDA driver ({@code native/test/fake_driver}). In a process
 * of its own: what is loaded under the driver's name is the driver for everything that comes later.
 */
class LaunchesTest {
  private static FakeCuda gpu;
  private static PlayedLibrary driver;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
    driver = new PlayedLibrary("driver");
  }

  @AfterAll
  static void close() {
    if (driver != null) {
      driver.close();
    }
    if (gpu != null) {
      gpu.close();
    }
  }

  @BeforeEach
  void nothingGoesWrong() {
    driver.order("");
  }

  @Test
  void theContextIsTheFirstCardsOwn() {
    assertEquals(Interop.context(), Interop.context(), "the same address is equal");
    driver.order("context=201");
    assertEquals(
        "no primary context: CUDA_ERROR_INVALID_CONTEXT",
        assertThrows(IllegalStateException.class, Interop::context).getMessage());
  }

  /** Else it would be whatever lies there under its name. */
  @Test
  void jcudasOwnLibraryDoesNotComeFromTheSharedFolder() throws Exception {
    assertNotNull(Interop.context());
    List<String> mapped =
        Files.readAllLines(Path.of("/proc/self/maps")).stream()
            .filter(line -> line.contains("libJCudaDriver"))
            .toList();
    assertFalse(mapped.isEmpty());
    for (String line : mapped) {
      assertTrue(line.matches(".*/starling-jcuda\\d+/libJCudaDriver.* \\(deleted\\)"), line);
    }
  }

  /** The driver counts what arrives, and refuses another grid, function or stream. */
  @Test
  void theSameKernelIsLaunchedByEitherWay() {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA)) {
      try (var kernel = new EmptyKernel(device);
          var jni = new JniLaunch(device)) {
        kernel.launch();
        assertEquals(1, driver.count("launched"));
        jni.launch();
        assertEquals(2, driver.count("launched"));
        // These CUDA calls do not capture the driver's: it sees them once, and one before them.
        kernel.replay(3);
        assertEquals(2 + 1 + 3, driver.count("launched"));
        kernel.await();
        driver.order("launch=700");
        assertEquals(
            "the CUDA driver's cuLaunchKernel gave 700",
            assertThrows(InputException.class, kernel::launch).getMessage());
        assertEquals(
            "JCuda: cuLaunchKernel: CUDA_ERROR_ILLEGAL_ADDRESS",
            assertThrows(InputException.class, jni::launch).getMessage());
        driver.order("");
      }
      assertEquals(0, driver.count("alive"), "modules are unloaded");
      driver.order("load=209");
      assertEquals(
          "the CUDA driver's cuModuleLoadData gave 209",
          assertThrows(InputException.class, () -> new EmptyKernel(device).close()).getMessage());
      assertEquals(
          "JCuda: cuModuleLoadData: CUDA_ERROR_NO_BINARY_FOR_GPU",
          assertThrows(InputException.class, () -> new JniLaunch(device).close()).getMessage());
    }
  }

  @Test
  void oneKernelIsLaunchedInThreeWays() {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA)) {
      List<Launch> launches = Launches.of(device);
      assertEquals(
          List.of("FFM", "JCuda's JNI", "captured graph"),
          launches.stream().map(Launch::by).toList());
      for (Launch launch : launches) {
        assertNull(launch.absent());
        assertTrue(launch.hostMicros() > 0 || launch.by().equals("captured graph"), launch.by());
        assertTrue(launch.doneMicros() >= launch.hostMicros(), launch.by());
      }
      String table = new CeilingReport(Map.of(), null, 1, null, launches).launchTable();
      assertTrue(table.matches("(?s)one kernel by +host us +done us\nFFM .*"), table);
      // Two warm halves of 21 batches of 1000, and what the graph captures, with one before it.
      assertEquals(2 * 42_000 + 1 + 1000, driver.count("launched"));
      driver.order("launch=700");
      Launch refused = Launches.of(device).get(0);
      assertNull(refused.hostMicros());
      assertNotNull(refused.absent());
    }
  }
}
