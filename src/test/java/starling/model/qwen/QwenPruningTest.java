package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.model.qwen.QwenCheckpoint.BOUND;
import static starling.model.qwen.QwenCheckpoint.ints;
import static starling.model.qwen.QwenCheckpoint.near;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.model.Mode;
import starling.model.qwen.QwenCheckpoint.Outcome;
import starling.prune.Methods;

/**
 * What pruning makes of Qwen2.5-VL: scores, kept sets and answers of transformers for two methods,
 * and for all of them that masking is compacting, that keeping all changes no bit, and that the
 * answer goes on where the whole prompt ends; on both devices.
 */
class QwenPruningTest {
  /** A score is a mean of probabilities, of about 1/140. */
  private static final double SCORE_BOUND = 1e-6;

  private static final List<String> SPECS =
      List.of(
          "star:R=0.3,K=2,P=0.7",
          "star:R=0.3,K=2,P=0.6,queries=last",
          "star:R=0.2,K=3,P=0.5,base=remaining,score=cls",
          "star:R=0.5,P=0,score=colmean_cls",
          "fastv:K=1,keep=0.4",
          "fastervlm:keep=0.3",
          "fastervlm:keep=0.3,budget=crop",
          "vispruner:keep=0.4",
          "random:keep=0.5,seed=3",
          "uniform:keep=0.5");

  private static final List<String> ALL =
      List.of(
          "star:R=0.0001,K=2,P=0.0002",
          "fastervlm:keep=1.0",
          "vispruner:keep=1.0",
          "fastv:K=1,keep=1.0",
          "random:keep=1.0,seed=3",
          "uniform:keep=1.0");

  private static Device cpu;
  private static Device emulated; // null where its library is not there
  private static QwenCheckpoint free;
  private static QwenCheckpoint tied;
  private static QwenCheckpoint kernels;

  @BeforeAll
  static void open() throws IOException {
    cpu = CpuDevice.open();
    free = QwenCheckpoint.open("qwen-free", cpu);
    tied = QwenCheckpoint.open("qwen-tied", cpu);
    if (Native.HOST.toFile().exists()) {
      emulated = NativeDevice.open(DeviceType.EMULATED);
      kernels = QwenCheckpoint.open("qwen-free", emulated);
    }
  }

  @AfterAll
  static void close() {
    free.close();
    tied.close();
    cpu.close();
    if (emulated != null) {
      kernels.close();
      emulated.close();
    }
  }

  static Stream<String> specs() {
    return SPECS.stream();
  }

  static Stream<String> all() {
    return ALL.stream();
  }

  // ---- transformers ----

  private static void assertPruned(QwenCheckpoint checkpoint, Mode mode) {
    for (JsonNode of : checkpoint.golden().get("cases")) {
      JsonNode star = of.get("pruned").get(0);
      Outcome own = checkpoint.run(of, "star:R=0.3,K=2,P=0.7", mode);
      for (int i = 0; i < star.get("stage1").size(); i++) {
        near(of.get("images").get(i).get("scores"), own.score().get(i), SCORE_BOUND, "score");
        assertArrayEquals(ints(star.get("stage1").get(i)), own.kept(1).get(i));
        assertArrayEquals(ints(star.get("stage2").get(i)), own.kept(2).get(i));
      }
      assertAnswer(star, own);
      JsonNode fastv = of.get("pruned").get(1);
      Outcome other = checkpoint.run(of, "fastv:K=2,keep=0.3", mode);
      for (int i = 0; i < fastv.get("stage2").size(); i++) {
        assertArrayEquals(ints(fastv.get("stage2").get(i)), other.kept().get(i));
      }
      assertAnswer(fastv, other);
    }
  }

  private static void assertAnswer(JsonNode golden, Outcome own) {
    near(golden.get("logits"), own.logits().get(0), BOUND, golden.get("method") + " logit");
    int[] answer = ints(golden.get("answer"));
    assertArrayEquals(answer, Arrays.copyOf(own.tokens(), answer.length));
  }

  @ParameterizedTest
  @EnumSource(Mode.class)
  void scoresKeptSetsAndPrunedAnswersAreThoseOfTransformers(Mode mode) {
    assertPruned(free, mode);
    assertPruned(tied, mode);
  }

  @ParameterizedTest
  @EnumSource(Mode.class)
  void kernelsAgreeWithTransformersToo(Mode mode) {
    Native.needs(Native.HOST);
    assertPruned(kernels, mode);
  }

  // ---- every method ----

  private static void assertMaskIsCompact(QwenCheckpoint checkpoint, String spec, JsonNode of) {
    Outcome compact = checkpoint.run(of, spec, Mode.COMPACT);
    Outcome mask = checkpoint.run(of, spec, Mode.MASK);
    for (int s = 0; s < compact.kept().size(); s++) {
      assertArrayEquals(compact.kept().get(s), mask.kept().get(s), spec);
    }
    assertArrayEquals(compact.tokens(), mask.tokens());
    for (int t = 0; t < QwenCheckpoint.TOKENS; t++) {
      near(compact.logits().get(t), mask.logits().get(t), spec);
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void maskingIsCompactingForEveryMethod(String spec) {
    for (JsonNode of : free.golden().get("cases")) {
      assertMaskIsCompact(free, spec, of);
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void maskingIsCompactingOnKernelsToo(String spec) {
    Native.needs(Native.HOST);
    assertMaskIsCompact(kernels, spec, kernels.caseAt(1));
    assertMaskIsCompact(kernels, spec, kernels.caseAt(4)); // two images
  }

  private static void assertAllIsWhole(QwenCheckpoint checkpoint, String spec, JsonNode of) {
    Outcome dense = checkpoint.run(of, "none", Mode.COMPACT);
    Outcome all = checkpoint.run(of, spec, Mode.COMPACT);
    for (int t = 0; t < QwenCheckpoint.TOKENS; t++) {
      assertArrayEquals(dense.logits().get(t), all.logits().get(t), spec);
    }
  }

  @ParameterizedTest
  @MethodSource("all")
  void keepingEverythingIsTheUnprunedModelBitForBit(String spec) {
    for (JsonNode of : free.golden().get("cases")) {
      assertAllIsWhole(free, spec, of);
    }
  }

  @ParameterizedTest
  @MethodSource("all")
  void keepingEverythingChangesNoBitOnKernelsEither(String spec) {
    Native.needs(Native.HOST);
    assertAllIsWhole(kernels, spec, kernels.caseAt(1));
    assertAllIsWhole(kernels, spec, kernels.caseAt(4));
  }

  /**
   * A token of the answer has the logits that it has as the last of a longer prompt of which the
   * same rows are kept; there positions come with the prompt.
   */
  private static void assertGoesOn(QwenCheckpoint checkpoint, String spec, JsonNode of) {
    Outcome answer = checkpoint.run(of, spec, Mode.COMPACT);
    int[] ids = checkpoint.ids(of);
    for (int t = 1; t < 4; t++) {
      int[] longer = Arrays.copyOf(ids, ids.length + t);
      System.arraycopy(answer.tokens(), 0, longer, ids.length, t);
      Outcome anew =
          checkpoint.run(
              longer,
              checkpoint.images(of),
              SameRows.of(spec, answer),
              Mode.COMPACT,
              Sampling.GREEDY);
      near(anew.logits().get(0), answer.logits().get(t), spec + ", token " + t);
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void theAnswerGoesOnWhereTheWholePromptEnds(String spec) {
    for (JsonNode of : free.golden().get("cases")) {
      assertGoesOn(free, spec, of);
    }
  }

  @ParameterizedTest
  @MethodSource("specs")
  void theAnswerGoesOnThereOnKernelsToo(String spec) {
    Native.needs(Native.HOST);
    assertGoesOn(kernels, spec, kernels.caseAt(4));
  }

  /** A tower without CLS has no row of its own for "what CLS attends"; all patches stand in. */
  @Test
  void methodsThatAskClsGoByWhatAllPatchesAttend() {
    JsonNode of = free.caseAt(1);
    Outcome mean = free.run(of, "star:R=0.7,P=0", Mode.COMPACT);
    Outcome cls = free.run(of, "fastervlm:keep=0.3", Mode.COMPACT);
    assertArrayEquals(mean.score().get(0), cls.score().get(0));
    assertTrue(mean.score().get(0)[0] > 0);
  }

  // ---- the repetition penalty ----

  /**
   * An image's id counts once as a token that was there, whatever was pruned, and also where it is
   * the very id that would be drawn.
   */
  private static void assertPenalized(Device device, String spec, int of) throws IOException {
    int drawn;
    try (QwenCheckpoint plain = QwenCheckpoint.open("qwen-free", device)) {
      drawn = plain.run(plain.caseAt(of), spec, Mode.COMPACT).tokens()[0];
    }
    try (QwenCheckpoint own = QwenCheckpoint.open("qwen-free", device, drawn)) {
      JsonNode golden = own.caseAt(of);
      var sampling = Sampling.GREEDY.penalizing(3);
      Outcome out =
          own.run(own.ids(golden), own.images(golden), Methods.parse(spec), Mode.COMPACT, sampling);
      var seen = new HashSet<Integer>();
      Arrays.stream(own.ids(golden)).forEach(seen::add);
      for (int t = 0; t < QwenCheckpoint.TOKENS; t++) {
        float[] logits = out.logits().get(t).clone();
        for (int id : seen) {
          logits[id] = logits[id] > 0 ? logits[id] / 3 : logits[id] * 3;
        }
        assertEquals(best(logits), out.tokens()[t], spec + ", token " + t);
        seen.add(out.tokens()[t]);
      }
      assertTrue(drawn == best(out.logits().get(0)) && drawn != out.tokens()[0], "it counted");
    }
  }

  private static int best(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "star:R=0.5,K=2,P=0.7", "fastv:K=1,keep=1"})
  void anImagesIdIsPenalizedOnce(String spec) throws IOException {
    assertPenalized(cpu, spec, 0);
    assertPenalized(cpu, spec, 4);
    Native.needs(Native.HOST);
    assertPenalized(emulated, spec, 4);
  }

  /** Some ids that stand for images are beyond the rows of the head. */
  @Test
  void anIdThatCannotBeDrawnHasNoPenalty() throws IOException {
    var sampling = Sampling.GREEDY.penalizing(1.3f);
    try (QwenCheckpoint beyond = QwenCheckpoint.open("qwen-free", cpu, 1000)) {
      for (JsonNode of : beyond.golden().get("cases")) {
        assertArrayEquals(free.run(of, sampling).tokens(), beyond.run(of, sampling).tokens());
      }
    }
  }
}
