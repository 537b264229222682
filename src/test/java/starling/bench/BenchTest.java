package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cuda.FakeCuda;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.Device;
import starling.device.InputException;
import starling.device.Meter;

/** What the bench measures, and above all what it refuses to give a time. */
class BenchTest {
  @TempDir Path dir;

  private static Bench.Options options(
      String device, List<String> operators, Map<String, List<Integer>> axes, String dtype) {
    return new Bench.Options(
        device,
        "tiny",
        operators,
        axes,
        List.of(dtype),
        List.of(device.equals("cpu") && operators.isEmpty() ? "cold" : "warm"),
        null,
        null,
        List.of("own"),
        0.5,
        0.01);
  }

  @Test
  void theCatalogueHasEveryOperatorOfTheDevice() {
    var operators = new HashSet<String>();
    for (var method : Device.class.getDeclaredMethods()) {
      operators.add(
          method.getName().replaceAll("([A-Z])", "_$1").toLowerCase(java.util.Locale.ROOT));
    }
    operators.removeAll(
        List.of(
            "name",
            "description",
            "arena",
            "head_size",
            "linear",
            "table",
            "upload",
            "download",
            "mark",
            "millis",
            "repeat",
            "close"));
    assertEquals(operators, new HashSet<>(Bench.operators()));
  }

  @Test
  void everyOperatorIsRightAndCountedOnTheHostLayer() {
    Native.needs(Native.HOST);
    for (String dtype : List.of("f32", "bf16", "f16")) {
      KernelReport report =
          Bench.kernels(options("emulated", List.of(), Map.of(), dtype), text -> {});
      assertEquals(List.of(), report.failures());
      for (Row r : report.rows()) {
        assertTrue(r.work().launches() >= 1, r.key());
        assertEquals(r.work().launches(), r.work().kernels().size(), r.key());
        assertTrue(r.work().written() > 0, r.key());
        assertTrue(r.work().flops() >= r.flops(), r.key());
        assertEquals(null, r.time());
      }
    }
  }

  @Test
  void theKernelsBehindAnOperatorAreNamed() {
    Native.needs(Native.HOST);
    var axes = Map.of("T", List.of(1, 40), "out", List.of(64));
    KernelReport report =
        Bench.kernels(options("emulated", List.of("gemm"), axes, "bf16"), text -> {});
    assertEquals(
        List.of(List.of("gemv"), List.of("gemm")),
        report.rows().stream().map(r -> r.work().kernels()).toList());
    assertTrue(report.text().lines().anyMatch(l -> l.contains("  gemv ")), report.text());
  }

  @Test
  void aKernelCanBeAskedForByItsName() {
    Native.needs(Native.HOST);
    var names = List.of("gemv", "attention_decode");
    KernelReport report = Bench.kernels(options("emulated", names, Map.of(), "bf16"), text -> {});
    assertEquals(names, report.rows().stream().map(Row::op).toList());
    assertEquals(List.of(), report.failures());
    var rows = Map.of("T", List.of(40));
    report = Bench.kernels(options("emulated", List.of("gemv"), rows, "bf16"), text -> {});
    assertTrue(report.failures().get(0).endsWith("at these sizes the device runs gemm"));
    refused("gemv is a kernel of gemm, which emulated and cuda have", List.of("gemv"), Map.of());
  }

  @Test
  void everyOperatorHasATimeOnTheCpu() {
    KernelReport report = Bench.kernels(options("cpu", List.of(), Map.of(), "f32"), text -> {});
    assertEquals(List.of(), report.failures());
    assertEquals(
        new HashSet<>(Bench.operators()),
        new HashSet<>(report.rows().stream().map(Row::op).toList()));
    for (Row r : report.rows()) {
      assertTrue(r.time().min() > 0 && r.time().min() <= r.time().median(), r.key());
      assertTrue(r.ceiling() > 0, r.key());
    }
    assertTrue(report.text().contains("% ceiling"));
    assertEquals(report.rows().size() + 1, report.csv().lines().count());
    assertEquals(report.rows().size() + 2, report.markdown().lines().count());
  }

  @Test
  void axesCombine() {
    KernelReport report =
        Bench.kernels(
            options(
                "cpu",
                List.of("token_select"),
                Map.of("n", List.of(64, 100), "k", List.of(5, 9)),
                "bf16"),
            text -> {});
    assertEquals(
        List.of("n=64 k=5 H=4", "n=64 k=9 H=4", "n=100 k=5 H=4", "n=100 k=9 H=4"),
        report.rows().stream().map(Row::sizes).distinct().toList());
    assertEquals(List.of("f32"), report.rows().stream().map(Row::dtype).distinct().toList());
  }

  @Test
  void whatDoesNotExistOrFitIsNamed() {
    refused("operator 'rmsnrm' is not one of", List.of("rmsnrm"), Map.of());
    refused(
        "--n is no axis of rmsnorm, which has [T, D]", List.of("rmsnorm"), Map.of("n", List.of(4)));
    refused(
        "k=9 is more than n=4", List.of("token_select"), Map.of("n", List.of(4), "k", List.of(9)));
    refused("--T is 0; it must be at least 1", List.of("rmsnorm"), Map.of("T", List.of(0)));
  }

  private static void refused(String why, List<String> operators, Map<String, List<Integer>> axes) {
    String sentence =
        assertThrows(
                InputException.class,
                () -> Bench.kernels(options("cpu", operators, axes, "f32"), text -> {}))
            .getMessage();
    assertTrue(sentence.contains(why), sentence);
  }

  // ---- times that cannot be ----

  private interface Measurement {
    String on(FakeCuda gpu, KernelBench bench, Operator operator, Sizes sizes);
  }

  private static String onFakeGpu(String op, Measurement measurement) {
    try (var gpu = new FakeCuda("");
        Device device = Devices.open("cuda");
        Device reference = Devices.open("cpu");
        Meter meter = Devices.meter(device);
        var bench = new KernelBench(device, reference, meter, null, 0.5, 0.01)) {
      Operator operator =
          Catalogue.OPERATORS.stream().filter(o -> o.name().equals(op)).findFirst().orElseThrow();
      try {
        return measurement.on(gpu, bench, operator, Preset.TINY.sizes(operator).get(0));
      } finally {
        gpu.order("");
      }
    }
  }

  private static Row row(KernelBench bench, Operator operator, Sizes sizes, String cache) {
    var one = new KernelBench.Case(operator.name(), operator, sizes, DType.F32);
    return bench.rows(List.of(one), List.of(cache), text -> {}).get(0);
  }

  private static String failure(KernelBench bench, Operator operator, Sizes sizes) {
    return row(bench, operator, sizes, "warm").failure();
  }

  @Test
  void aTimeAboveTheCeilingIsAnError() {
    String why =
        onFakeGpu(
            "rmsnorm",
            (gpu, bench, operator, sizes) -> {
              assertEquals(null, failure(bench, operator, sizes));
              // From here events tell a ten-thousandth of the true time.
              gpu.order("clock=0.0001");
              return bench.ceilings.frozen(() -> failure(bench, operator, sizes));
            });
    assertTrue(why.startsWith("impossible: "), why);
    assertTrue(why.contains("% of what this device can do"), why);
  }

  @Test
  void aTimeThatDoesNotGrowIsAnError() {
    String why =
        onFakeGpu(
            "rmsnorm",
            (gpu, bench, operator, sizes) -> {
              assertEquals(null, bench.growth(operator, sizes, DType.F32));
              gpu.order("constant=5");
              return bench.growth(operator, sizes, DType.F32);
            });
    assertNotNull(why);
    assertTrue(why.startsWith("its time does not grow with the work: "), why);
  }

  @Test
  void aKernelThatWasNotLaunchedHasNoTime() {
    for (String op : List.of("rmsnorm", "token_select", "advance", "compact_rows")) {
      String why =
          onFakeGpu(
              op,
              (gpu, bench, operator, sizes) -> {
                gpu.order("mute=1");
                return failure(bench, operator, sizes);
              });
      assertNotNull(why, op);
    }
  }

  /** Nothing of the host's own time is in a cold or warm figure: marks are on the stream. */
  @Test
  void hostTimeStandsApartOnAGpu() {
    onFakeGpu(
        "rmsnorm",
        (gpu, bench, operator, sizes) -> {
          Row row = row(bench, operator, sizes, "cold");
          assertFalse(Double.isNaN(row.hostMicros()));
          assertEquals("cold", row.cache());
          return "";
        });
  }

  // ---- a user's own kernel ----

  /** The worked example of kernels/README.md. */
  private static String example() throws IOException {
    String readme = Files.readString(Path.of("kernels/README.md"));
    int from = readme.indexOf("```cpp\n") + 7;
    return readme.substring(from, readme.indexOf("```", from));
  }

  private KernelReport own(String source) throws IOException {
    Native.needs(Native.HOST);
    Path file = Files.writeString(dir.resolve("rank.cu"), source);
    return Bench.kernels(
        new Bench.Options(
            "emulated",
            "tiny",
            List.of("token_select"),
            Map.of("n", List.of(576), "k", List.of(58)),
            List.of("f32"),
            List.of("warm"),
            file,
            "rank_select",
            List.of("own"),
            0.1,
            0.1),
        text -> {});
  }

  private String ownFailure(String old, String replacement) throws IOException {
    String source = example();
    assertTrue(source.contains(old), old);
    KernelReport report = own(source.replace(old, replacement));
    assertTrue(report.failed());
    assertEquals(1, report.failures().size(), "ours is right beside it");
    return report.rows().get(0).failure();
  }

  @Test
  void theExampleOfTheReadmeStandsBesideOurs() throws IOException {
    KernelReport report = own(example());
    assertEquals(List.of(), report.failures());
    assertEquals(
        List.of("token_select:rank_select", "token_select"),
        report.rows().stream().map(Row::op).toList());
  }

  @Test
  void aWrongKernelGetsOneSentence() throws IOException {
    String why = ownFailure("store(score + j, mean);", "store(score + j, 2 * mean);");
    assertTrue(why.startsWith("score is wrong: relative distance"), why);
    why = ownFailure("better += s[i] > s[j]", "better += s[i] < s[j]");
    assertTrue(why.startsWith("keep["), why);
    why = ownFailure("store(score + j, mean);", "");
    assertTrue(why.startsWith("score[0] is NaN: it was not written"), why);
  }

  @Test
  void aWriteOutsideGetsOneSentence() throws IOException {
    String why =
        ownFailure(
            "if (stays[j]) store(keep + place, j);", "if (stays[j]) store(keep + place + 1, j);");
    assertTrue(why.startsWith("it writes outside keep, "), why);
    assertEquals(1, why.lines().count());
  }

  @Test
  void whatDoesNotCompileOrIsNotThereGetsOneSentence() throws IOException {
    String source = example();
    String why = compileError(source.replace("int better = 0;", "int better = nothing;"));
    assertTrue(why.contains("rank.cu does not compile: ") && why.contains("nothing"), why);
    why = compileError(source.replace("int rank_select(", "int other_select("));
    assertTrue(why.contains("there is no function rank_select"), why);
  }

  @Test
  void theExampleCompilesForCuda() throws IOException {
    Native.needs(Native.CUDA);
    Path file = Files.writeString(dir.resolve("rank.cu"), example());
    Path library = UserKernel.compile("cuda", Path.of("."), file, "rank_select", dir);
    assertTrue(Files.size(library) > 1_000_000);
  }

  private String compileError(String source) {
    String why = assertThrows(InputException.class, () -> own(source)).getMessage();
    assertEquals(1, why.lines().count(), why);
    return why;
  }
}
