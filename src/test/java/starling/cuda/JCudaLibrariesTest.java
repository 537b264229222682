package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.Activation;
import starling.device.DType;
import starling.device.InputException;
import starling.device.Linear;
import starling.device.Stored;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.jcuda.Jcublas;
import starling.jcuda.JniLaunch;

/**
 * JCublas' products and JCuda's launches through their own JNI libraries, over libraries that play
 * cuBLAS 13 and the CUDA driver ({@code native/test/fake_cublas}, {@code fake_driver}); between
 * JCublas and cuBLAS stands the forwarding {@code libcublas.so.12}.
 */
class JCudaLibrariesTest {
  private static final String FORWARDING = "starling.cublas.forwarding";
  private static final Path FORWARDER = Path.of("target/native/test/libforward_cublas.so");
  private static FakeCuda gpu;
  private static PlayedLibrary cublas;
  private static PlayedLibrary driver;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
    cublas = new PlayedLibrary("cublas");
    driver = new PlayedLibrary("driver");
    Native.needs(FORWARDER);
    try (NativeDevice device = NativeDevice.open("cuda")) {
      String why =
          assertThrows(InputException.class, () -> new Jcublas(device).close()).getMessage();
      assertTrue(why.startsWith("JCublas 12.6 needs libcublas.so.12, and here is "), why);
    }
    System.setProperty(FORWARDING, FORWARDER.toAbsolutePath().toString());
  }

  @AfterAll
  static void close() {
    System.clearProperty(FORWARDING);
    for (PlayedLibrary library : new PlayedLibrary[] {cublas, driver}) {
      if (library != null) {
        library.close();
      }
    }
    if (gpu != null) {
      gpu.close();
    }
  }

  @BeforeEach
  void nothingGoesWrong() {
    cublas.order("");
    driver.order("");
  }

  private static Stored gaussian(int rows, int width) {
    var random = new Random(9);
    float[] values = new float[rows * width];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Stored.of("t", List.of(rows, width), values);
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void aProductIsWhatOurOwnIs(DType dtype) {
    try (NativeDevice device = NativeDevice.open("cuda");
        TensorArena arena = device.arena("test");
        var jcublas = new Jcublas(device)) {
      Tensor x = device.table(arena, dtype, gaussian(21, 44));
      Linear w = device.linear(arena, dtype, Linear.Source.of(gaussian(24, 44), null));
      Tensor own = arena.alloc("own", dtype, 21, 24);
      Tensor theirs = arena.alloc("theirs", dtype, 21, 24);
      device.gemm(own, x, w, null, Activation.NONE, null);
      jcublas.multiply(theirs, x, w.parts().get(0));
      assertEquals(1, cublas.count("products"));
      float[] a = device.floats(own);
      float[] b = device.floats(theirs);
      double bound = dtype == DType.F32 ? 1e-5 : dtype == DType.BF16 ? 0x1p-7 : 0x1p-10;
      for (int i = 0; i < a.length; i++) {
        assertEquals(a[i], b[i], bound * (1 + Math.abs(a[i])));
      }
      assertEquals(
          "JCublas over cuBLAS 13.1.0 (libcublas.so.12 forwards to 13)", jcublas.description());
      cublas.order("gemm=13");
      assertEquals(
          "JCublas: cublasGemmEx: CUBLAS_STATUS_EXECUTION_FAILED",
          assertThrows(InputException.class, () -> jcublas.multiply(theirs, x, w.parts().get(0)))
              .getMessage());
    }
    assertEquals(0, cublas.count("alive"));
  }

  @Test
  void aLibraryThatDoesNotStartGetsASentence() {
    cublas.order("create=1");
    try (NativeDevice device = NativeDevice.open("cuda")) {
      assertEquals(
          "JCublas: cublasCreate: CUBLAS_STATUS_NOT_INITIALIZED",
          assertThrows(InputException.class, () -> new Jcublas(device).close()).getMessage());
    }
  }

  /** The driver counts what arrives, and refuses another grid, function or stream. */
  @Test
  void theSameKernelIsLaunchedByEitherWay() {
    try (NativeDevice device = NativeDevice.open("cuda")) {
      try (var kernel = new EmptyKernel(device);
          var jni = new JniLaunch(device)) {
        kernel.launch();
        assertEquals(1, driver.count("launched"));
        jni.launch();
        assertEquals(2, driver.count("launched"));
        kernel.replay(3); // these CUDA calls do not capture the driver's: it sees them once
        assertEquals(5, driver.count("launched"));
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
}
