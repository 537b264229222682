package starling.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.FakeCuda;
import starling.cuda.Floats;
import starling.cuda.Gaussian;
import starling.cuda.NativeDevice;
import starling.cuda.PlayedLibrary;
import starling.device.Activation;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.GemmProvider;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Providers;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * gemm by cuBLASLt, over made-up CUDA calls and a library that plays cuBLASLt ({@code
 * native/test/fake_cublaslt}) and refuses what the real one refuses.
 */
class CublasLtTest {
  private static final List<String> FILES = List.of("libcublasLt.so.13", "libcublasLt.so.12");
  private static FakeCuda gpu;
  private static PlayedLibrary cublaslt;

  @TempDir Path dir;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
    cublaslt = new PlayedLibrary("cublaslt");
  }

  @AfterAll
  static void close() {
    if (cublaslt != null) {
      cublaslt.close();
    }
    if (gpu != null) {
      gpu.close();
    }
  }

  private static float[] result(
      NativeDevice device,
      DType dtype,
      int rows,
      Activation activation,
      Norms norms,
      boolean bias,
      boolean residual) {
    try (TensorArena arena = device.arena("test")) {
      var random = new Random(4);
      int in = 44;
      int out = 24;
      int wide = activation == Activation.SILU_MUL ? 2 * out : out;
      Tensor x = floats(device, arena, dtype, random, rows, in);
      StoredTensor weight = Gaussian.of(random, 0.2f, wide, in);
      Linear w =
          device.linear(
              arena, dtype, Linear.Source.of(weight, bias ? Gaussian.of(random, 1, wide) : null));
      Norm norm =
          switch (norms) {
            case NONE -> null;
            case RMS -> new Norm(floats(device, arena, dtype, random, in), null, 1e-5f);
            case LAYER ->
                new Norm(
                    floats(device, arena, dtype, random, in),
                    floats(device, arena, dtype, random, in),
                    1e-5f);
          };
      Tensor y =
          residual
              ? floats(device, arena, dtype, random, rows, out)
              : arena.alloc("y", dtype, rows, out);
      device.gemm(y, x, w, norm, activation, residual ? y : null);
      return Floats.of(device, y);
    }
  }

  private enum Norms {
    NONE,
    RMS,
    LAYER
  }

  private static Tensor floats(
      NativeDevice device, TensorArena arena, DType dtype, Random random, Integer... shape) {
    return device.table(arena, dtype, Gaussian.of(random, 1, shape));
  }

  @Test
  void bothAgree() {
    cublaslt.order("");
    int expected = 0;
    try (NativeDevice own = NativeDevice.open(DeviceType.CUDA, Providers.OWN);
        NativeDevice library =
            NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.CUBLASLT))) {
      for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
        // The product is rounded once more before bias, activation and residual.
        double bound = dtype == DType.F32 ? 2e-5 : dtype == DType.BF16 ? 0x1p-5 : 0x1p-8;
        for (Activation activation : Activation.values()) {
          for (Norms norm : Norms.values()) {
            for (int flags = 0; flags < 4; flags++) {
              boolean bias = (flags & 1) != 0;
              boolean residual = (flags & 2) != 0;
              float[] a = result(own, dtype, 40, activation, norm, bias, residual);
              float[] b = result(library, dtype, 40, activation, norm, bias, residual);
              expected++;
              String what = dtype + " " + activation + " " + norm + " " + flags;
              for (int i = 0; i < a.length; i++) {
                assertTrue(Math.abs(a[i] - b[i]) <= bound * (1 + Math.abs(a[i])), what);
              }
            }
          }
        }
      }
      assertEquals(expected, cublaslt.count("products"));
      // Few rows are our own kernel's.
      result(library, DType.BF16, 16, Activation.NONE, Norms.NONE, false, false);
      assertEquals(expected, cublaslt.count("products"));
      // One algorithm a shape, and none that adds in no fixed order (1).
      List<String> chosen = library.gemmAlgorithms();
      assertTrue(
          chosen.contains("40x24x44 bf16: algorithm 7, tile 20, split-k 3, reduction 2"),
          chosen.toString());
      assertEquals(chosen.size(), chosen.stream().distinct().count());
      assertTrue(library.description().endsWith(", gemm by cuBLASLt 13.1.0"));
      assertEquals(List.of(), own.gemmAlgorithms());
    }
  }

  /** Scratch memory grows with the rows and does not pile up: 20 sizes fit where ten would not. */
  @Test
  void scratchMemoryOfASmallerShapeIsGivenBack() {
    cublaslt.order("");
    gpu.order("memory=48000000"); // 32 MiB are the workspace
    try (NativeDevice device =
        NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.CUBLASLT))) {
      for (int rows = 500; rows <= 10_000; rows += 500) {
        result(device, DType.F32, rows, Activation.SILU_MUL, Norms.RMS, false, false);
      }
    } finally {
      gpu.order("");
    }
  }

  @Test
  void whatFailsGetsASentence() {
    cublaslt.order("create=1");
    assertEquals(
        "gemm cublaslt: cublasLtCreate: CUBLAS_STATUS_OF_THE_STUB (1)",
        assertThrows(
                InputException.class,
                () -> NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.CUBLASLT)))
            .getMessage());
    try (NativeDevice auto =
        NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.AUTO))) {
      assertTrue(!auto.description().contains("cuBLASLt"), "auto is our own then");
    }
    cublaslt.order("heuristic=none");
    try (NativeDevice device =
        NativeDevice.open(DeviceType.CUDA, Providers.gemm(GemmProvider.CUBLASLT))) {
      assertEquals(
          "cublasLtMatmulAlgoGetHeuristic: CUBLAS_STATUS_NOT_SUPPORTED (15)",
          failure(device).getMessage());
      assertEquals(0, cublaslt.count("alive"), "what a failed plan had made is gone");
      cublaslt.order("");
      result(device, DType.F32, 40, Activation.NONE, Norms.NONE, false, false);
      cublaslt.order("matmul=13");
      assertEquals("cublasLtMatmul: CUBLAS_STATUS_OF_THE_STUB (13)", failure(device).getMessage());
    }
    assertEquals(0, cublaslt.count("alive"), "closing leaves nothing");
    cublaslt.order("");
    assertEquals(
        "gemm cublaslt needs device cuda",
        assertThrows(
                InputException.class,
                () -> NativeDevice.open(DeviceType.EMULATED, Providers.gemm(GemmProvider.CUBLASLT)))
            .getMessage());
  }

  private static RuntimeException failure(NativeDevice device) {
    return assertThrows(
        IllegalStateException.class,
        () -> result(device, DType.F32, 40, Activation.NONE, Norms.NONE, false, false));
  }

  // ---- where it is looked for ----

  private static List<NvidiaLibrary.Attempt> tried(Map<String, String> environment) {
    return NvidiaLibrary.search("cublaslt", FILES, name -> null, environment::get).attempts();
  }

  @Test
  void everyPlaceIsNamedWithTheReason() throws IOException {
    Path wheel =
        Files.createDirectories(dir.resolve("venv/lib/python3.12/site-packages/nvidia/cu13/lib"));
    Path toolkit = Files.createDirectories(dir.resolve("cuda/lib64"));
    Path loader = Files.createDirectories(dir.resolve("loader"));
    Path text = Files.writeString(wheel.resolve("libcublasLt.so.13"), "no library");
    Files.writeString(toolkit.resolve("libcublasLt.so.12"), "no library");
    Files.writeString(loader.resolve("libcublasLt.so.13"), "no library");
    var environment =
        Map.of(
            "VIRTUAL_ENV", dir.resolve("venv").toString(),
            "CUDA_HOME", dir.resolve("cuda").toString(),
            "LD_LIBRARY_PATH", loader.toString());
    List<String> lines =
        tried(environment).stream().map(a -> a.place() + ": " + a.outcome()).toList();
    for (String place :
        List.of("LD_LIBRARY_PATH " + loader, "CUDA toolkit " + toolkit, "pip wheel " + text)) {
      assertTrue(
          lines.stream().anyMatch(l -> l.startsWith(place) && l.contains("file too short")),
          place + " in " + lines);
    }
    var named = NvidiaLibrary.search("cublaslt", FILES, name -> text.toString(), name -> null);
    assertEquals(1, named.attempts().size(), "a library that was named is the only one tried");
    assertTrue(named.attempts().get(0).place().startsWith("property starling.cublaslt.library"));
  }
}
