package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opentest4j.TestAbortedException;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.AttentionProvider;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.GemmProvider;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Providers;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.jcuda.Jcublas;

/**
 * Our kernels beside NVIDIA's real libraries, which share nothing with them, at a model's sizes.
 * Needs a GPU: {@code tools/gpu-check} runs it. A library that is not there is a skip with the
 * reason.
 */
class LibrariesTest {
  @BeforeEach
  void needsAGpu() {
    assumeTrue(Native.DEVICE == DeviceType.CUDA, "needs a GPU: tools/gpu-check runs it");
  }

  /** What opens a library, or a skip with its reason. */
  private interface Opening<T> {
    T open();
  }

  private static <T> T orSkip(Opening<T> opening) {
    try {
      return opening.open();
    } catch (InputException e) {
      throw new TestAbortedException(e.getMessage(), e);
    }
  }

  private static Tensor gaussian(
      NativeDevice device, TensorArena arena, Random random, int rows, int width) {
    return device.table(arena, DType.BF16, Gaussian.of(random, 1, rows, width));
  }

  /** bf16 results of f32 sums in different orders: a rounding apart, of the largest. */
  private static void assertSame(float[] own, float[] theirs, String what) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < own.length; i++) {
      largest = Math.max(largest, Math.abs(own[i]));
      difference = Math.max(difference, Math.abs(own[i] - theirs[i]));
    }
    assertTrue(difference <= 0x1p-7 * largest, what + ": " + difference + " of " + largest);
  }

  private static float[] product(NativeDevice device, int rows, int in, int out) {
    try (TensorArena arena = device.arena("test")) {
      var random = new Random(3);
      Tensor x = gaussian(device, arena, random, rows, in);
      Linear w =
          device.linear(arena, DType.BF16, Linear.Source.of(Gaussian.of(random, 1, out, in), null));
      Tensor y = arena.alloc("y", DType.BF16, rows, out);
      device.gemm(y, x, w, null, Activation.NONE, null);
      return Floats.of(device, y);
    }
  }

  @ParameterizedTest
  @CsvSource({"577, 1024, 4096", "636, 4096, 4096", "117, 4096, 1024", "17, 64, 96"})
  void productsAreThoseOfCublasLt(int rows, int in, int out) {
    try (NativeDevice own = NativeDevice.open(DeviceType.CUDA);
        NativeDevice library =
            orSkip(
                () -> NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.CUBLASLT)))) {
      assertSame(product(own, rows, in, out), product(library, rows, in, out), "cuBLASLt");
    }
  }

  @ParameterizedTest
  @CsvSource({"577, 1024, 4096", "636, 4096, 4096", "117, 4096, 1024", "17, 64, 96"})
  void productsAreThoseOfJcublas(int rows, int in, int out) {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        Jcublas jcublas = orSkip(() -> new Jcublas(device));
        TensorArena arena = device.arena("test")) {
      var random = new Random(3);
      Tensor x = gaussian(device, arena, random, rows, in);
      Tensor w = device.table(arena, DType.BF16, Gaussian.of(random, 1, out, in));
      Tensor y = arena.alloc("y", DType.BF16, rows, out);
      jcublas.multiply(y, x, w);
      assertSame(product(device, rows, in, out), Floats.of(device, y), jcublas.description());
    }
  }

  private static float[] attention(
      NativeDevice device, int rows, int heads, int d, boolean causal, boolean statistics) {
    try (TensorArena arena = device.arena("test")) {
      var random = new Random(5);
      Tensor qkv = gaussian(device, arena, random, rows, 3 * heads * d);
      Tensor q = qkv.columns(0, heads * d).split(heads, d);
      var kv =
          new Kv(
              qkv.columns(heads * d, 2 * heads * d).split(heads, d),
              qkv.columns(2 * heads * d, 3 * heads * d).split(heads, d),
              null);
      Tensor out = arena.alloc("out", DType.BF16, rows, heads, d);
      Tensor lse = arena.alloc("lse", DType.F32, heads, rows);
      Mask mask = causal ? Mask.CAUSAL : Mask.NONE;
      device.attention(out, lse, new AttentionInputs(q, kv, mask, (float) (1 / Math.sqrt(d))));
      return Floats.of(device, statistics ? lse : out);
    }
  }

  @ParameterizedTest
  @CsvSource({"577, 16, 64, false", "636, 32, 128, true", "26, 3, 32, false"})
  void attentionIsThatOfCudnn(int rows, int heads, int d, boolean causal) {
    try (NativeDevice own = NativeDevice.open(DeviceType.CUDA);
        NativeDevice library =
            orSkip(
                () ->
                    NativeDevice.open(
                        DeviceType.CUDA, Providers.attention(AttentionProvider.CUDNN)))) {
      for (boolean statistics : new boolean[] {false, true}) {
        assertSame(
            attention(own, rows, heads, d, causal, statistics),
            attention(library, rows, heads, d, causal, statistics),
            statistics ? "cuDNN's row statistics" : "cuDNN");
      }
    }
  }
}
