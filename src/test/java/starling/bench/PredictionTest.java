package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.bench.Operator.Sizes;
import starling.cuda.CountedLaunches.Launch;
import starling.device.DType;
import starling.input.InputException;

/** Predictions by hand, what they say they are, and that nothing else is said of a card. */
class PredictionTest {
  private static final Card CARD = Card.of("h200");

  /** 100 registers of 128 threads: 4 blocks of 46,080 bytes of shared memory an SM. */
  private static final KernelWork GEMM = new KernelWork(128, 100, 0, 200, 32, 32, 62, 1000);

  private static Case gemm(int rows, int deep, int wide) {
    Map<String, Integer> sizes = new LinkedHashMap<>();
    sizes.put("T", rows);
    sizes.put("in_features", deep);
    sizes.put("out_features", wide);
    return new Case("gemm", RowOperators.GEMM, new Sizes(sizes), DType.BF16);
  }

  private static Case rmsnorm() {
    Map<String, Integer> sizes = new LinkedHashMap<>();
    sizes.put("T", 636);
    sizes.put("D", 4096);
    return new Case("rmsnorm", RowOperators.RMSNORM, new Sizes(sizes), DType.BF16);
  }

  /** 320 blocks on 132 SMs: the busiest has 3 of them, and 4 fit. */
  private static PredictedRow product(int count) {
    var launch = new Launch("gemm<bf16,Large,false,false>", 32, 10, 1, 128, 46_080);
    var work = new Counted(launch, 1, 500e6, 5e6, 4096.0 * 5_242_880);
    return PredictedRow.of(CARD, gemm(636, 4096, 4096), count, work, GEMM);
  }

  @Test
  void aProductIsTheLargestOfItsPartsAndItsLaunch() {
    PredictedRow r = product(1);
    double share = 3.0 / 320;
    double passes = 5_242_880 / 32.0;
    assertEquals(5_242_880, r.products());
    assertEquals(passes * 200 + 320 * 4 * 1000, r.instructions());
    assertEquals(passes * 62, r.wavefronts());
    assertEquals(r.instructions() * share / (4 * 1755), r.micros().get("issue"), 1e-9);
    double flops = 4096.0 * 5_242_880;
    assertEquals(flops * share / (620e6 / 132), r.micros().get("products"), 1e-9);
    assertEquals(passes * 62 * share / 1755, r.micros().get("shared"), 1e-9);
    assertEquals(505 / 6.65, r.micros().get("l2"), 1e-9);
    assertEquals(2 * (2 * 636 * 4096 + 4096 * 4096) / 4.3e6, r.micros().get("memory"), 1e-9);
    assertEquals("l2", r.bound());
    assertEquals(505 / 6.65 + 1, r.total(), 1e-9);
    assertEquals(4, r.blocks());
    assertEquals(320 / (4 * 132.0), r.waves(), 1e-12);
  }

  @Test
  void aNormGoesByItsBytes() {
    var launch = new Launch("rmsnorm<bf16>", 159, 1, 1, 128, 0);
    var code = new KernelWork(128, 38, 0, 160, 0, 64, 0, 90);
    var work = new Counted(launch, 1, 15.6e6, 5.2e6, 0);
    PredictedRow r = PredictedRow.of(CARD, rmsnorm(), 1, work, code);
    assertEquals(0, r.products());
    assertEquals(15.6e6 / (32 * 64) * 160 + 159 * 4 * 90, r.instructions(), 1e-6);
    assertEquals(20.8 / 6.65, r.micros().get("l2"), 1e-9);
    assertEquals(20.8 / 6.65 + 1, r.total(), 1e-9);
    assertEquals(12, r.blocks(), "65536 / (40 * 128) in fours of a warp");
  }

  @Test
  void blocksOfAnSmAreLimitedByRegistersSharedMemoryAndThreads() {
    assertEquals(2, new KernelWork(128, 210, 0, 0, 0, 0, 0, 0).blocks(69_632));
    assertEquals(3, new KernelWork(128, 24, 0, 0, 0, 0, 0, 0).blocks(70_000));
    assertEquals(2, new KernelWork(1024, 32, 0, 0, 0, 0, 0, 0).blocks(0));
    assertEquals(32, new KernelWork(32, 16, 0, 0, 0, 0, 0, 0).blocks(0));
  }

  @Test
  void workBetweenTwoSmallSizesIsALine() {
    var small = new Counted(new Launch("k", 3, 1, 1, 128, 0), 1, 100, 10, 1000);
    var twice = new Counted(new Launch("k", 3, 2, 1, 128, 0), 1, 180, 10, 2000);
    Counted c = small.line(twice, 32);
    assertEquals(new Launch("k", 3, 32, 1, 128, 0), c.launch());
    assertEquals(100 + 31 * 80, c.read());
    assertEquals(10, c.written());
    assertEquals(32_000, c.flops());
  }

  @Test
  void aSumIsOfAllLaunches() {
    double one = product(1).total();
    assertEquals(42 * one, PredictionReport.sum(List.of(product(32), product(10))), 1e-6);
  }

  @Test
  void anAnswerHasTheLaunchesOfTheModel() {
    int prefill = Answer.prefill().stream().mapToInt(Answer.Step::count).sum();
    // kernels/README.md, of 23 blocks and 32 layers.
    int b = 23;
    int l = 32;
    assertEquals(1 + 3 + 1 + 2 + (1 + 4 * b + 2 + 4 * l) + 1 + (b + l) + l + 1, prefill);
    int token = Answer.token().stream().mapToInt(Answer.Step::count).sum();
    assertEquals(1 + 3 * l + 1 + l + 1 + 1, token);
  }

  @Test
  void anUnknownCardIsRefusedInOneSentence() {
    var e = assertThrows(InputException.class, () -> Card.of("a100"));
    assertEquals("card 'a100' is not one of h200, h100", e.getMessage());
  }

  @Test
  void everyFormSaysThatItIsAPrediction() {
    var rows = List.of(product(1));
    var report = new PredictionReport(CARD, rows, rows, rows, Map.of());
    for (String form :
        List.of(report.text(), report.markdown(), report.csv(), report.json().toString())) {
      assertTrue(form.contains("prediction"), form);
    }
    for (String form : List.of(report.text(), report.markdown(), report.json().toString())) {
      assertTrue(form.contains("never run on a GPU"), form);
    }
    String key = "gemm T=636 in_features=4096 out_features=4096 bf16";
    var beside = new PredictionReport(CARD, rows, List.of(), List.of(), Map.of(key, 77.5));
    assertTrue(beside.text().contains("measured us"), beside.text());
    assertTrue(beside.text().contains("77.5"), beside.text());
    assertTrue(beside.csv().contains(",77.5\n"), beside.csv());
    assertTrue(!beside.text().contains("never run"), beside.text());
  }

  @Test
  void resultsOfTheCardAloneAreTaken(@TempDir Path folder) throws IOException {
    String file =
        """
        {"starling": {"environment": {"device": "cuda", "card": "NVIDIA %s"}},
         "benchmarks": [{"states": [{"is_skipped": false, "starling":
           {"key": "rmsnorm T=636 D=4096 bf16 warm", "samples_us": [[4.0, 5.0, 6.0]]}}]}]}
        """;
    Files.writeString(folder.resolve("a.json"), file.formatted("A100"));
    assertTrue(Prediction.measured(CARD, folder).isEmpty());
    Files.writeString(folder.resolve("b.json"), file.formatted("H200"));
    assertEquals(Map.of("rmsnorm T=636 D=4096 bf16", 5.0), Prediction.measured(CARD, folder));
    assertTrue(Prediction.measured(CARD, folder.resolve("none")).isEmpty());
  }

  @Test
  void theTableOfKernelsIsRead() {
    Map<String, KernelWork> all = KernelWork.all();
    assertTrue(all.size() > 40, "" + all.size());
    assertTrue(all.get("gemm<bf16,Large,false,false>").loopProducts() > 0);
    assertNull(all.get("gemm<f16,Large,false,false>"));
  }
}
