package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Random;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.Checkout;
import starling.device.Activation;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.jcuda.Jcublas;

/**
 * JCublas' products through its own JNI library, over one that plays cuBLAS 13 ({@code
 * native/test/fake_cublas}); between the two stands the forwarding {@code libcublas.so.12}.
 */
class JcublasTest {
  private static final String FORWARDING = "starling.cublas.forwarding";
  private static final Path FORWARDER = Checkout.path("target/native/test/libforward_cublas.so");
  private static FakeCuda gpu;
  private static PlayedLibrary cublas;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
    cublas = new PlayedLibrary("cublas");
    Native.needs(FORWARDER);
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA)) {
      String why =
          assertThrows(InputException.class, () -> new Jcublas(device).close()).getMessage();
      assertTrue(why.startsWith("JCublas 12.6 needs libcublas.so.12, and here is "), why);
    }
    System.setProperty(FORWARDING, FORWARDER.toAbsolutePath().toString());
  }

  @AfterAll
  static void close() {
    System.clearProperty(FORWARDING);
    if (cublas != null) {
      cublas.close();
    }
    if (gpu != null) {
      gpu.close();
    }
  }

  @BeforeEach
  void nothingGoesWrong() {
    cublas.order("");
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void aProductIsWhatOurOwnIs(DType dtype) {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("test");
        var jcublas = new Jcublas(device)) {
      Tensor x = device.table(arena, dtype, Gaussian.of(new Random(9), 1, 21, 44));
      Tensor w = device.table(arena, dtype, Gaussian.of(new Random(9), 1, 24, 44));
      Tensor own = arena.alloc("own", dtype, 21, 24);
      Tensor theirs = arena.alloc("theirs", dtype, 21, 24);
      device.gemm(own, x, device.asLinear(w, null), null, Activation.NONE, null);
      jcublas.multiply(theirs, x, w);
      assertEquals(1, cublas.count("products"));
      float[] a = Floats.of(device, own);
      float[] b = Floats.of(device, theirs);
      // A rounding of the stored type, and f32 sums in another order.
      double bound = dtype == DType.F32 ? 1e-5 : dtype == DType.BF16 ? 0x1p-7 : 0x1p-10;
      for (int i = 0; i < a.length; i++) {
        assertEquals(a[i], b[i], bound * (1 + Math.abs(a[i])));
      }
      assertEquals(
          "JCublas over cuBLAS 13.1.0 (libcublas.so.12 forwards to 13)", jcublas.description());
      cublas.order("gemm=13");
      assertEquals(
          "JCublas: cublasGemmEx: CUBLAS_STATUS_EXECUTION_FAILED",
          assertThrows(InputException.class, () -> jcublas.multiply(theirs, x, w)).getMessage());
    }
    assertEquals(0, cublas.count("alive"));
  }

  /** The example of the page about embedding. */
  @Test
  void theExampleMultipliesOurTensors(@TempDir Path dir) throws Exception {
    Method multiply = Examples.compiled("Multiply", dir);
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("test")) {
      new Jcublas(device).close(); // which finds and loads cuBLAS
      var handle = new cublasHandle();
      assertEquals(0, JCublas2.cublasCreate(handle));
      Tensor x = device.table(arena, DType.F32, Gaussian.of(new Random(9), 1, 21, 44));
      Tensor w = device.table(arena, DType.F32, Gaussian.of(new Random(9), 1, 24, 44));
      Tensor own = arena.alloc("own", DType.F32, 21, 24);
      Tensor theirs = arena.alloc("theirs", DType.F32, 21, 24);
      device.gemm(own, x, device.asLinear(w, null), null, Activation.NONE, null);
      assertEquals(0, multiply.invoke(null, device, handle, theirs, x, w));
      assertArrayEquals(Floats.of(device, own), Floats.of(device, theirs), 1e-4f);
      JCublas2.cublasDestroy(handle);
    }
  }

  @Test
  void aLibraryThatDoesNotStartGetsASentence() {
    cublas.order("create=1");
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA)) {
      assertEquals(
          "JCublas: cublasCreate: CUBLAS_STATUS_NOT_INITIALIZED",
          assertThrows(InputException.class, () -> new Jcublas(device).close()).getMessage());
    }
  }
}
