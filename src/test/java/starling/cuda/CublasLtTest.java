package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.device.Activation;
import starling.device.DType;
import starling.device.InputException;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Stored;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * gemm by cuBLASLt, over made-up CUDA calls and a library that plays cuBLASLt ({@code
 * native/test/fake_cublaslt}) and refuses what the real one refuses.
 */
class CublasLtTest {
  private static final Path STUB = Path.of("target/native/test/libfake_cublaslt.so");
  private static final String PROPERTY = "starling.cublaslt.library";
  private static final List<String> FILES = List.of("libcublasLt.so.13", "libcublasLt.so.12");
  private static FakeCuda gpu;
  private static MethodHandle order;
  private static MethodHandle products;
  private static MethodHandle alive;

  @TempDir Path dir;

  @BeforeAll
  static void open() {
    Native.needs(STUB);
    gpu = new FakeCuda("");
    System.setProperty(PROPERTY, STUB.toAbsolutePath().toString());
    SymbolLookup stub = SymbolLookup.libraryLookup(STUB.toAbsolutePath(), Arena.global());
    Linker linker = Linker.nativeLinker();
    order =
        linker.downcallHandle(
            stub.find("fake_cublaslt").orElseThrow(),
            FunctionDescriptor.ofVoid(ValueLayout.ADDRESS));
    products =
        linker.downcallHandle(
            stub.find("fake_cublaslt_products").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT));
    alive =
        linker.downcallHandle(
            stub.find("fake_cublaslt_alive").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_INT));
  }

  /** A library stays loaded: for the tests that come later it does not start. */
  @AfterAll
  static void close() throws Throwable {
    if (gpu != null) {
      order("create=1");
      System.clearProperty(PROPERTY);
      gpu.close();
    }
  }

  private static void order(String text) throws Throwable {
    try (Arena arena = Arena.ofConfined()) {
      order.invokeExact(arena.allocateFrom(text));
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
      Stored weight = stored(random, 0.2f, wide, in);
      Linear w =
          device.linear(
              arena, dtype, Linear.Source.of(weight, bias ? stored(random, 1, wide) : null));
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
      return values(device, y);
    }
  }

  private enum Norms {
    NONE,
    RMS,
    LAYER
  }

  private static Stored stored(Random random, float scale, Integer... shape) {
    float[] values = new float[List.of(shape).stream().reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) random.nextGaussian();
    }
    return Stored.of("w", List.of(shape), values);
  }

  private static Tensor floats(
      NativeDevice device, TensorArena arena, DType dtype, Random random, Integer... shape) {
    return device.table(arena, dtype, stored(random, 1, shape));
  }

  private static float[] values(NativeDevice device, Tensor t) {
    int n = t.rows() * t.width();
    float[] values = new float[n];
    if (t.dtype() == DType.F32) {
      device.download(MemorySegment.ofArray(values), t);
      return values;
    }
    short[] bits = new short[n];
    device.download(MemorySegment.ofArray(bits), t);
    for (int i = 0; i < n; i++) {
      values[i] = t.dtype().value(bits[i]);
    }
    return values;
  }

  @Test
  void bothAgree() throws Throwable {
    order("");
    int expected = 0;
    try (NativeDevice own = NativeDevice.open("cuda", "own");
        NativeDevice library = NativeDevice.open("cuda", "cublaslt")) {
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
      assertEquals(expected, (int) products.invokeExact());
      // Few rows are our own kernel's.
      result(library, DType.BF16, 16, Activation.NONE, Norms.NONE, false, false);
      assertEquals(expected, (int) products.invokeExact());
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
  void scratchMemoryOfASmallerShapeIsGivenBack() throws Throwable {
    order("");
    gpu.order("memory=48000000"); // 32 MiB are the workspace
    try (NativeDevice device = NativeDevice.open("cuda", "cublaslt")) {
      for (int rows = 500; rows <= 10_000; rows += 500) {
        result(device, DType.F32, rows, Activation.SILU_MUL, Norms.RMS, false, false);
      }
    } finally {
      gpu.order("");
    }
  }

  @Test
  void whatFailsGetsASentence() throws Throwable {
    order("create=1");
    assertEquals(
        "gemm cublaslt: cublasLtCreate: CUBLAS_STATUS_OF_THE_STUB (1)",
        assertThrows(InputException.class, () -> NativeDevice.open("cuda", "cublaslt"))
            .getMessage());
    try (NativeDevice auto = NativeDevice.open("cuda", "auto")) {
      assertTrue(!auto.description().contains("cuBLASLt"), "auto is our own then");
    }
    order("heuristic=none");
    try (NativeDevice device = NativeDevice.open("cuda", "cublaslt")) {
      assertEquals(
          "cublasLtMatmulAlgoGetHeuristic: CUBLAS_STATUS_NOT_SUPPORTED (15)",
          failure(device).getMessage());
      assertEquals(0, (int) alive.invokeExact(), "what a failed plan had made is gone");
      order("");
      result(device, DType.F32, 40, Activation.NONE, Norms.NONE, false, false);
      order("matmul=13");
      assertEquals("cublasLtMatmul: CUBLAS_STATUS_OF_THE_STUB (13)", failure(device).getMessage());
    }
    assertEquals(0, (int) alive.invokeExact(), "closing leaves nothing");
    order("");
    assertEquals(
        "gemm cublaslt needs device cuda",
        assertThrows(InputException.class, () -> NativeDevice.open("emulated", "cublaslt"))
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
