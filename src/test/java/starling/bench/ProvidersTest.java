package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Checkout;
import starling.cuda.FakeCuda;
import starling.cuda.Native;
import starling.cuda.PlayedLibrary;
import starling.device.DType;
import starling.device.DeviceType;

/** NVIDIA's libraries beside our kernels in the benches, over libraries that play them. */
class ProvidersTest {
  private static final Path FORWARDER = Checkout.path("target/native/test/libforward_cublas.so");

  private static FakeCuda gpu;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
  }

  @AfterAll
  static void close() {
    if (gpu != null) {
      gpu.close();
    }
  }

  private static KernelReport report(
      List<String> operators, Map<String, List<Integer>> axes, DType dtype, Provider... providers) {
    return Bench.kernels(
        new Bench.Options(
            DeviceType.CUDA,
            Preset.TINY,
            operators,
            axes,
            List.of(dtype),
            List.of(CacheState.WARM),
            null,
            null,
            List.of(providers),
            0.5,
            0.01),
        text -> {});
  }

  private static List<String> names(KernelReport report) {
    return report.rows().stream()
        .map(r -> r.op() + (r.failure() == null ? "" : " " + r.failure()))
        .toList();
  }

  @Test
  void everyLibraryHasItsRowsAndWhatItLeavesToUsIsNone() {
    Native.needs(FORWARDER);
    System.setProperty("starling.cublas.forwarding", FORWARDER.toAbsolutePath().toString());
    try (var lt = new PlayedLibrary("cublaslt");
        var cudnn = new PlayedLibrary("cudnn");
        var cublas = new PlayedLibrary("cublas")) {
      lt.order(""); // and the others
      var rows =
          Map.of("T", List.of(1, 40), "in_features", List.of(32), "out_features", List.of(32));
      KernelReport products =
          report(
              List.of("gemm"),
              rows,
              DType.BF16,
              Provider.OWN,
              Provider.CUBLASLT,
              Provider.CUDNN,
              Provider.JCUBLAS);
      assertEquals(
          List.of("gemm:cublaslt", "gemm:jcublas", "gemm:jcublas", "gemm", "gemm"),
          names(products));
      assertEquals(
          List.of(
              "cublaslt: gemm T=1 in_features=32 out_features=32 bf16 is left to our own kernel",
              "jcublas: JCublas over cuBLAS 13.1.0 (libcublas.so.12 forwards to 13)"),
          products.notes());

      var heads =
          Map.of(
              "T",
              List.of(33),
              "S",
              List.of(33),
              "H",
              List.of(2),
              "G",
              List.of(2),
              "d",
              List.of(32),
              "causal",
              List.of(0, 1));
      KernelReport attention = report(List.of("attention"), heads, DType.BF16, Provider.CUDNN);
      assertEquals(List.of("attention:cudnn", "attention:cudnn"), names(attention));
      assertEquals(List.of(), attention.notes());
      KernelReport wide = report(List.of("attention"), heads, DType.F32, Provider.CUDNN);
      assertEquals(List.of(), wide.rows());
      assertEquals(2, wide.notes().size(), wide.notes().toString());

      // A library that reports success and computes something else gets no time.
      cublas.order("wrong=1");
      KernelReport wrong = report(List.of("gemm"), rows, DType.BF16, Provider.JCUBLAS);
      assertTrue(wrong.failed());
      assertTrue(wrong.rows().stream().allMatch(r -> r.time() == null), names(wrong).toString());
      cudnn.order("zeros=1");
      KernelReport zeros = report(List.of("attention"), heads, DType.BF16, Provider.CUDNN);
      assertTrue(zeros.failed());
      assertTrue(
          zeros.failures().stream()
              .allMatch(f -> f.contains("cuDNN's attention differs from our kernel's")),
          zeros.failures().toString());
    } finally {
      System.clearProperty("starling.cublas.forwarding");
    }
  }

  @Test
  void whatIsAbsentHasAReason() {
    try (var cudnn = new PlayedLibrary("cudnn")) {
      cudnn.order("version=90500");
      KernelReport report = report(List.of("attention"), Map.of(), DType.BF16, Provider.CUDNN);
      assertEquals(
          List.of(
              "cudnn: not measured: attention cudnn: 9.13.1 or later is needed, and this is cuDNN"
                  + " 9.5.0"),
          report.notes());
    }
  }

  /** A program without JCuda's jars: a reason, not a class-loading error. */
  @Test
  void classesThatAreAbsentAreAReason() throws Exception {
    Path stubs = Checkout.path("target/native/test");
    String classes =
        Stream.of(System.getProperty("java.class.path").split(":", -1))
            .filter(part -> !part.matches(".*/j(cuda|cublas)(-natives)?-[^/]*"))
            .collect(Collectors.joining(":"));
    String common = "bench %s --device cuda --max-time 0.01";
    for (String[] run :
        List.of(
            new String[] {
              common.formatted("kernels")
                  + " --op gemm --T 20 --in_features 32 --out_features 32 --provider jcublas",
              "jcublas: not measured: JCublas: no class jcuda/jcublas/cublasHandle"
            },
            new String[] {
              common.formatted("ceilings"),
              "JCuda's JNI: not measured: JCuda: no class jcuda/driver/CUmodule"
            })) {
      var command =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--enable-native-access=ALL-UNNAMED",
                  "-Dstarling.cuda.library=" + stubs.resolve("libstarling_fake_cuda.so"),
                  "-Dstarling.cublas.library=" + stubs.resolve("libfake_cublas.so"),
                  "-Dstarling.cublas.forwarding=" + stubs.resolve("libforward_cublas.so"),
                  "-Dstarling.driver.library=" + stubs.resolve("libfake_driver.so"),
                  "-cp",
                  classes,
                  "starling.cli.Main"));
      command.addAll(List.of(run[0].split(" ", -1)));
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.waitFor(), out);
      assertTrue(out.contains(run[1]), out);
    }
  }
}
