package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.input.InputException;

/** What the bench measures, and what it says that it cannot. */
class BenchTest {
  private static Bench.Options options(
      DeviceType device, List<String> operators, Map<String, List<Integer>> axes, DType dtype) {
    return new Bench.Options(
        device,
        Preset.TINY,
        operators,
        axes,
        List.of(dtype),
        List.of(
            device == DeviceType.CPU && operators.isEmpty() ? CacheState.COLD : CacheState.WARM),
        null,
        null,
        List.of(Provider.OWN),
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
            "type",
            "description",
            "arena",
            "graph",
            "slab",
            "head_size",
            "weight_formats",
            "linear",
            "as_linear",
            "table",
            "upload",
            "download",
            "record_event",
            "elapsed_millis",
            "passes_statistics",
            "repeat",
            "close"));
    assertEquals(operators, new HashSet<>(Bench.operators()));
  }

  @Test
  void everyOperatorIsRightAndCountedOnTheHostLayer() {
    Native.needs(Native.HOST);
    for (DType dtype : List.of(DType.F32, DType.BF16, DType.F16)) {
      KernelReport report =
          Bench.kernels(options(DeviceType.EMULATED, List.of(), Map.of(), dtype), text -> {});
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

  /**
   * Qwen's tower and decoder on the host layer, against the cpu device: windows of 64, 48, 16 and
   * 12 rows with heads of 80, a block that sees the whole image, cells of four rows, three axes,
   * the most tokens.
   */
  @Test
  void whatQwenAsksIsRightOnTheHostLayer() {
    Native.needs(Native.HOST);
    var tower = Map.of("T", 1564, "S", 1564, "d", 80, "causal", 0);
    rightOnTheHostLayer("attention", tower, Map.of("H", 16, "G", 16, "across", 46, "window", 8));
    rightOnTheHostLayer("attention", tower, Map.of("H", 1, "G", 1));
    rightOnTheHostLayer("colsum_select", tower, Map.of("H", 1, "G", 1, "n", 391, "k", 39, "w", 4));
    rightOnTheHostLayer("rope", Map.of("T", 391, "axes", 3), Map.of("H", 16, "G", 2, "d", 128));
    rightOnTheHostLayer("rope", Map.of("T", 391, "axes", 3), Map.of("H", 16, "G", 16, "d", 80));
    rightOnTheHostLayer("token_select", Map.of("n", 16_384, "k", 1638), Map.of("H", 16, "w", 4));
  }

  private static void rightOnTheHostLayer(
      String operator, Map<String, Integer> some, Map<String, Integer> others) {
    var axes = new HashMap<String, List<Integer>>();
    some.forEach((axis, n) -> axes.put(axis, List.of(n)));
    others.forEach((axis, n) -> axes.put(axis, List.of(n)));
    KernelReport report =
        Bench.kernels(
            options(DeviceType.EMULATED, List.of(operator), axes, DType.BF16), text -> {});
    assertEquals(List.of(), report.failures());
    assertEquals(1, report.rows().size());
  }

  @Test
  void theKernelsBehindAnOperatorAreNamed() {
    Native.needs(Native.HOST);
    var axes = Map.of("T", List.of(1, 40), "out_features", List.of(64));
    KernelReport report =
        Bench.kernels(options(DeviceType.EMULATED, List.of("gemm"), axes, DType.BF16), text -> {});
    assertEquals(
        List.of(List.of("gemv"), List.of("gemm")),
        report.rows().stream().map(r -> r.work().kernels()).toList());
    assertTrue(report.text().lines().anyMatch(l -> l.contains("  gemv ")), report.text());
  }

  @Test
  void aKernelCanBeAskedForByItsName() {
    Native.needs(Native.HOST);
    var names = List.of("gemv", "attention_decode");
    KernelReport report =
        Bench.kernels(options(DeviceType.EMULATED, names, Map.of(), DType.BF16), text -> {});
    assertEquals(names, report.rows().stream().map(Row::op).toList());
    assertEquals(List.of(), report.failures());
    var rows = Map.of("T", List.of(40));
    report =
        Bench.kernels(options(DeviceType.EMULATED, List.of("gemv"), rows, DType.BF16), text -> {});
    assertTrue(report.failures().get(0).endsWith("at these sizes the device runs gemm"));
    refused("gemv is a kernel of gemm, which emulated and cuda have", List.of("gemv"), Map.of());
  }

  @Test
  @Tag("slow")
  void everyOperatorHasATimeOnTheCpu() {
    KernelReport report =
        Bench.kernels(options(DeviceType.CPU, List.of(), Map.of(), DType.F32), text -> {});
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
                DeviceType.CPU,
                List.of("token_select"),
                Map.of("n", List.of(64, 100), "k", List.of(5, 9)),
                DType.BF16),
            text -> {});
    assertEquals(
        List.of("n=64 k=5 H=4", "n=64 k=9 H=4", "n=100 k=5 H=4", "n=100 k=9 H=4"),
        report.rows().stream().map(Row::sizes).distinct().toList());
    assertEquals(List.of(DType.F32), report.rows().stream().map(Row::dtype).distinct().toList());
  }

  @Test
  void whatDoesNotExistOrFitIsNamed() {
    refused("operator 'rmsnrm' is not one of", List.of("rmsnrm"), Map.of());
    refused(
        "--n is no axis of rmsnorm, which has [T, D]", List.of("rmsnorm"), Map.of("n", List.of(4)));
    refused(
        "k=9 is more than n=4", List.of("token_select"), Map.of("n", List.of(4), "k", List.of(9)));
    refused("--T is 0; it must be at least 1", List.of("rmsnorm"), Map.of("T", List.of(0)));
    refused("--causal is 2; it is 0 or 1", List.of("attention"), Map.of("causal", List.of(0, 2)));
    refused("--causal is -1; it is 0 or 1", List.of("attention"), Map.of("causal", List.of(-1)));
    refused("--axes is 2; it is 1 or 3", List.of("rope"), Map.of("axes", List.of(2)));
    refused(
        "--window and --across, the rows of a line of the grid, go together",
        List.of("attention"),
        Map.of("window", List.of(8)));
    refused(
        "--window needs T = S, causal 0, and T a multiple of across, which is 46",
        List.of("attention"),
        Map.of("T", List.of(577), "S", List.of(577), "across", List.of(46), "window", List.of(8)));
    refused(
        "n=145 of w=4 are more than S=577",
        List.of("colsum_select"),
        Map.of("n", List.of(145), "w", List.of(4)));
    List<Integer> many = IntStream.rangeClosed(1, 101).boxed().toList();
    refused("more than 10000 rows", List.of("rmsnorm"), Map.of("T", many, "D", many));
  }

  /** Products beyond an int and a long, and what is merely more than there is. */
  @Test
  void sizesThatAreTooLargeAreOneSentenceEach() {
    for (String sizes :
        List.of(
            "gemm T=65536 in_features=65536 out_features=1",
            "gemm T=most in_features=most out_features=most",
            "gemm T=1 in_features=1 out_features=most",
            "rmsnorm T=most D=4",
            "attention T=most S=most H=most",
            "attention_colsum T=most S=most H=1",
            "token_select n=most k=most H=most",
            "combine_rows n=most k=most w=most",
            "compact_rows L=most S=most",
            "patchify image=most patch=1",
            "row_map T=most",
            "sample V=most",
            "advance n=most",
            "embed T=1 D=1 V=most")) {
      String[] words = sizes.split(" ", -1);
      var axes = new HashMap<String, List<Integer>>();
      for (int i = 1; i < words.length; i++) {
        String[] size = words[i].split("=", -1);
        axes.put(
            size[0],
            List.of(size[1].equals("most") ? Integer.MAX_VALUE : Integer.parseInt(size[1])));
      }
      String why =
          Bench.kernels(options(DeviceType.CPU, List.of(words[0]), axes, DType.F32), text -> {})
              .failures()
              .get(0);
      assertTrue(
          why.matches("(?s).*: (it needs [0-9.]+ GB, and the device has|[a-z]+ would take) .*"),
          why);
    }
  }

  @Test
  void whatIsAskedForTwiceIsOneRow() {
    var axes = Map.of("T", List.of(8, 16, 8), "D", List.of(4, 4));
    KernelReport report =
        Bench.kernels(
            options(DeviceType.CPU, List.of("rmsnorm", "rmsnorm"), axes, DType.F32), text -> {});
    assertEquals(
        List.of("rmsnorm T=8 D=4 f32 warm", "rmsnorm T=16 D=4 f32 warm"),
        report.rows().stream().map(Row::key).toList());
  }

  @Test
  void anotherSeedGivesOtherInputsEverywhere() {
    try (Device device = Devices.open(DeviceType.CPU);
        var arena = device.arena("inputs")) {
      for (Operator o : Catalogue.OPERATORS) {
        if (o.name().equals("advance")) {
          continue; // has no input but what it changes
        }
        Sizes sizes = Preset.TINY.sizes(o).get(0);
        var results = new HashSet<String>();
        for (int seed = 0; seed < 3; seed++) {
          var in = new Inputs(device, arena, DType.F32, seed);
          Runnable call = o.body().apply(in, sizes);
          in.poison();
          call.run();
          Tensor out = in.outputs().get(0);
          results.add(java.util.Arrays.toString(in.values(out)));
        }
        assertEquals(3, results.size(), o.name());
      }
    }
  }

  private static void refused(String why, List<String> operators, Map<String, List<Integer>> axes) {
    String sentence =
        assertThrows(
                InputException.class,
                () ->
                    Bench.kernels(options(DeviceType.CPU, operators, axes, DType.F32), text -> {}))
            .getMessage();
    assertTrue(sentence.contains(why), sentence);
  }
}
