package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.Devices;
import starling.Pages;
import starling.bench.Operator.Sizes;
import starling.cpu.CpuDevice;
import starling.cuda.FakeCuda;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.input.InputException;

/** What the bench measures, and above all what it refuses to give a time. */
class BenchTest {
  @TempDir Path dir;

  private static Bench.Options options(
      DeviceType device, List<String> operators, Map<String, List<Integer>> axes, DType dtype) {
    return new Bench.Options(
        device,
        "tiny",
        operators,
        axes,
        List.of(dtype),
        List.of(device == DeviceType.CPU && operators.isEmpty() ? "cold" : "warm"),
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
            "head_size",
            "weight_formats",
            "linear",
            "as_linear",
            "table",
            "upload",
            "download",
            "record_event",
            "elapsed_millis",
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

  @Test
  void theKernelsBehindAnOperatorAreNamed() {
    Native.needs(Native.HOST);
    var axes = Map.of("T", List.of(1, 40), "out", List.of(64));
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
    refused("--causal is 2; it is 0 or 1", List.of("attention"), Map.of("causal", List.of(0, 2)));
    refused("--causal is -1; it is 0 or 1", List.of("attention"), Map.of("causal", List.of(-1)));
    List<Integer> many = IntStream.rangeClosed(1, 101).boxed().toList();
    refused("more than 10000 rows", List.of("rmsnorm"), Map.of("T", many, "D", many));
  }

  /** Products beyond an int and a long, and what is merely more than there is. */
  @Test
  void sizesThatAreTooLargeAreOneSentenceEach() {
    for (String sizes :
        List.of(
            "gemm T=65536 in=65536 out=1",
            "gemm T=most in=most out=most",
            "gemm T=1 in=1 out=most",
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

  // ---- what a row says ----

  @Test
  void aRowSaysWhyItsSamplingEnded() {
    var axes = Map.of("T", List.of(8));
    var easy =
        new Bench.Options(
            DeviceType.CPU,
            "tiny",
            List.of("rmsnorm"),
            axes,
            List.of(DType.F32),
            List.of("warm"),
            null,
            null,
            List.of(Provider.OWN),
            1e6,
            1);
    Row reached = Bench.kernels(easy, text -> {}).rows().get(0);
    assertEquals("precision 1000000 reached", reached.stopped());
    assertEquals(20, reached.time().rounds().length);
    var hopeless =
        new Bench.Options(
            DeviceType.CPU,
            "tiny",
            List.of("rmsnorm"),
            axes,
            List.of(DType.F32),
            List.of("cold", "warm"),
            null,
            null,
            List.of(Provider.OWN),
            1e-9,
            0.02);
    KernelReport report = Bench.kernels(hopeless, text -> {});
    for (Row row : report.rows()) {
      String at = Row.shortest(row.time().interval().precision());
      assertEquals("time used up at " + at, row.stopped());
      assertTrue(report.text().contains(row.stopped()));
      assertTrue(report.csv().contains("," + row.stopped() + ","));
      assertTrue(report.json().toString().contains("stopped=" + row.stopped()));
    }
    assertTrue(report.control().rounds().length >= 20);
  }

  @Test
  void digitsThatMatter() {
    assertEquals("0.04", Row.shortest(0.04));
    assertEquals("0.12", Row.shortest(0.1234));
    assertEquals("0.00012", Row.shortest(0.000123));
    assertEquals("1.3", Row.shortest(1.25001));
    assertEquals("more than can be said", Row.shortest(Double.POSITIVE_INFINITY));
  }

  /** RFC 4180: a column for every axis and figure, the same ones for all, nothing rounded. */
  @Test
  void theCsvHasEveryAxisAndAllDigits() {
    var times = new Samples(new double[] {1.0 / 3, 2.0 / 3, 100.0 / 7});
    var timed =
        new Row(
            "token_select",
            new LinkedHashMap<>(Map.of("n", 576)),
            "f32",
            "warm",
            times,
            Double.NaN,
            123_456_789,
            7,
            12.345678901234567,
            "bytes",
            1.25e-7,
            "time used up at 3",
            null,
            null,
            null,
            null);
    var work = new starling.cuda.Work(1, 2, 3, 4, 5, 6, List.of("a", "b"));
    var counted =
        new Row(
            "row_map",
            Map.of("T", 636),
            "f32",
            "counted",
            null,
            Double.NaN,
            10,
            0,
            Double.NaN,
            "",
            0,
            null,
            work,
            null,
            null,
            null);
    Row failed =
        Row.failed("embed", Map.of("V", 5), "bf16", "cold", "it said \"no\", twice\r\nand so");
    String csv =
        new KernelReport(Map.of(), null, null, List.of(), List.of(timed, counted, failed)).csv();
    String[] lines = csv.split("\n", 3);
    assertEquals(
        "op,image,patch,T,D,V,in,out,H,G,d,S,causal,n,k,w,L,dtype,cache,median_us,p5_us,p95_us,"
            + "min_us,spread,samples,precision,stopped,bytes,gb_per_s,flops,tflop_per_s,"
            + "percent_of_ceiling,bound,error,host_us,mhz_before,mhz_after,throttled,kernels,"
            + "launches,blocks,barriers,read_bytes,written_bytes,counted_flops,failure",
        lines[0]);
    assertEquals(
        "token_select,,,,,,,,,,,,,576,,,,f32,warm,0.6666666666666666,0.3333333333333333,"
            + "14.285714285714286,0.3333333333333333,20.92857142857143,3,Infinity,time used up at 3,"
            + "123456789,185185.1835,7,1.05E-5,12.345678901234567,bytes,1.25E-7,,,,,,,,,,,,",
        lines[1]);
    assertEquals(
        "row_map,,,636,,,,,,,,,,,,,,f32,counted,,,,,,,,,10,,0,,,,0.0,,,,,a b,1,2,6,3,4,5,\n"
            + "embed,,,,,5,,,,,,,,,,,,bf16,cold"
            + ",".repeat(27)
            + "\"it said \"\"no\"\", twice\r\nand so\"\n",
        lines[2]);
  }

  // ---- what was right once ----

  /** On the cpu, where nothing counts: right until it is timed, then nothing, or what it was. */
  @Test
  void whatIsRightOnlyBeforeItIsTimedHasNoTime() {
    Operator rmsnorm =
        Catalogue.OPERATORS.stream().filter(o -> o.name().equals("rmsnorm")).findFirst().get();
    try (Device device = Devices.open(DeviceType.CPU);
        Device reference = CpuDevice.scalar();
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, 0.5, 0.01)) {
      var sizes = Preset.TINY.sizes(rmsnorm).get(0);
      assertEquals(null, failure(bench, rmsnorm, sizes));
      String nothing = failure(bench, after(device, rmsnorm, first -> () -> {}), sizes);
      assertTrue(nothing.startsWith("out[0] is NaN: it was not written"), nothing);
      String same = failure(bench, after(device, rmsnorm, first -> first::put), sizes);
      assertTrue(same.startsWith("out is wrong: relative distance 1."), same);
    }
  }

  /** The first result of an operator. */
  private record Result(Device device, Tensor out, float[] values) {
    void put() {
      device.upload(out, MemorySegment.ofArray(values));
    }
  }

  /** An operator that computes the first time, and does something else from then on. */
  private static Operator after(
      Device device, Operator real, java.util.function.Function<Result, Runnable> then) {
    return new Operator(
        real.name(),
        real.axes(),
        real.typed(),
        (in, s) -> {
          Runnable call = real.body().apply(in, s);
          if (in.device != device) {
            return call;
          }
          var later = new Runnable[1];
          return () -> {
            if (later[0] != null) {
              later[0].run();
              return;
            }
            call.run();
            Tensor out = in.outputs().get(0);
            var values = new float[out.rows() * out.width()];
            device.download(MemorySegment.ofArray(values), out);
            later[0] = then.apply(new Result(device, out, values));
          };
        },
        real.bytes(),
        real.flops());
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

  // ---- times that cannot be ----

  private interface Measurement {
    String on(FakeCuda gpu, KernelBench bench, Operator operator, Sizes sizes);
  }

  private static String onFakeGpu(String op, Measurement measurement) {
    try (var gpu = new FakeCuda("");
        Device device = Devices.open(DeviceType.CUDA);
        Device reference = Devices.open(DeviceType.CPU);
        Meter meter = Meter.of(device);
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
    var one = new Case(operator.name(), operator, sizes, DType.F32);
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
              assertEquals(null, row(bench, operator, sizes, "cold").failure());
              // From here events tell a ten-thousandth of the true time.
              gpu.order("clock=0.0001");
              return bench.ceilings.frozen(() -> row(bench, operator, sizes, "cold").failure());
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
              assertEquals(
                  null, bench.growth(new Case(operator.name(), operator, sizes, DType.F32)));
              gpu.order("constant=5");
              return bench.growth(new Case(operator.name(), operator, sizes, DType.F32));
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

  /** Nothing of the host's own time is in a cold or warm figure: events are on the stream. */
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

  /** The worked example of the page about kernels. */
  private static String example() {
    return Pages.example("rank.cu");
  }

  private KernelReport own(String source) throws IOException {
    Native.needs(Native.HOST);
    Path file = Files.writeString(dir.resolve("rank.cu"), source);
    return Bench.kernels(
        new Bench.Options(
            DeviceType.EMULATED,
            "tiny",
            List.of("token_select"),
            Map.of("n", List.of(576), "k", List.of(58)),
            List.of(DType.F32),
            List.of("warm"),
            file,
            "rank_select",
            List.of(Provider.OWN),
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
    assertEquals(List.of(), report.notes(), "it is right about NaN");
    assertEquals(
        List.of("token_select:rank_select", "token_select"),
        report.rows().stream().map(Row::op).toList());
  }

  /** The same without what the definition says of numbers that are not finite. */
  @Test
  void whatIsWrongAboutNanIsSaid() throws IOException {
    String source = example();
    String naive = source.replace("finite(mean) ? mean : -INFINITY", "mean");
    assertFalse(naive.equals(source));
    KernelReport report = own(naive);
    assertEquals(List.of(), report.failures(), "its row stands");
    assertEquals(1, report.notes().size(), report.notes().toString());
    String note = report.notes().get(0);
    assertTrue(
        note.startsWith(
            "token_select:rank_select n=576 k=58 H=4 f32, where inputs are not finite: "),
        note);
    String silent = source.replace("if (!finite(mean)) atomic_or(non_finite, 1);", "");
    assertFalse(silent.equals(source));
    note = own(silent).notes().get(0);
    assertTrue(note.endsWith("where inputs are not finite: nonFinite[0] is 0.0, not 1.0"), note);
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
    var wrong = source.replace("int better = 0;", "int better = nothing;");
    wrong = wrong.replace("int place = 0;", "int place = nowhere;");
    Path two = Files.writeString(dir.resolve("-two.cu"), wrong);
    var errors =
        assertThrows(UserKernel.DoesNotCompile.class, () -> compiled(DeviceType.EMULATED, two))
            .errors();
    assertEquals(2, errors.size(), errors.toString());
    assertTrue(errors.get(0).matches(".*-two.cu:[0-9]+:[0-9]+: error: .*nothing.*"), errors.get(0));
    assertTrue(errors.get(1).matches(".*-two.cu:[0-9]+:[0-9]+: error: .*nowhere.*"), errors.get(1));
    why = compileError(source.replace("int rank_select(", "int other_select("));
    assertTrue(why.contains("there is no function rank_select"), why);
  }

  @Test
  void theExampleCompilesForCuda() throws IOException {
    Native.needs(Native.CUDA);
    Path file = Files.writeString(dir.resolve("rank.cu"), example());
    assertTrue(Files.size(compiled(DeviceType.CUDA, file)) > 1_000_000);
  }

  /** As an operator's parameters were until they came in one structure. */
  @Test
  void aKernelInTheOldFormIsToldTheNewOne() throws IOException {
    String source = example();
    String old =
        source.substring(0, source.indexOf("extern \"C\""))
            + """
            extern "C" STARLING_API int rank_select(int32_t* keep, float* score, int32_t* non_finite, const float* sums,
                                                    int64_t sums_stride, int32_t heads, int32_t n, int32_t k,
                                                    int32_t rows, starling_stream* stream) {
              return gpu::guarded([&] {
                gpu::launch<rank_select_kernel>(dim3(1), dim3(512), 0, stream, keep, score, non_finite, sums, sums_stride,
                                                heads, n, k, rows);
              });
            }
            """;
    String signature =
        "extern \"C\" STARLING_API int rank_select(const starling_token_select_args *args, starling_stream *stream)";
    String why = compileError(old);
    assertTrue(
        why.endsWith(
            "rank.cu: rank_select has not the parameters of the operator, which come in one structure; it must be "
                + signature),
        why);
    // In C++ it is another function of that name.
    why = compileError(old.replace("extern \"C\" STARLING_API", ""));
    assertTrue(why.endsWith("there is no function rank_select; it must be " + signature), why);
    if (Files.exists(Native.CUDA)) {
      Path file = Files.writeString(dir.resolve("old.cu"), old);
      why = assertThrows(InputException.class, () -> compiled(DeviceType.CUDA, file)).getMessage();
      assertTrue(why.contains("which come in one structure"), why);
    }
  }

  /** A kernel is compiled against headers that a jar does not hold. */
  @Test
  void aKernelNeedsTheCheckoutThatTheProgramRunsFrom() {
    Path tree = dir.resolve("starling");
    assertEquals(tree, UserKernel.checkout(tree.resolve("target/classes")));
    assertEquals(tree, UserKernel.checkout(tree.resolve("target/starling-0.1.0.jar")));
    Path jar = dir.resolve("repository/starling/0.1.0/starling-0.1.0.jar");
    String why = assertThrows(InputException.class, () -> UserKernel.checkout(jar)).getMessage();
    assertTrue(why.startsWith("--source needs a checkout of Starling, "), why);
    assertTrue(why.endsWith("this program runs from " + jar), why);
    assertTrue(Files.exists(UserKernel.checkout().resolve("kernels/gpu/gpu.h")));
  }

  private Path compiled(DeviceType device, Path source) {
    return UserKernel.compile(device, Checkout.ROOT, source, "token_select", "rank_select", dir);
  }

  private String compileError(String source) {
    String why = assertThrows(InputException.class, () -> own(source)).getMessage();
    assertEquals(1, why.lines().count(), why);
    return why;
  }
}
