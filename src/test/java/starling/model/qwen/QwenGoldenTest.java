package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.device.Span;
import starling.image.Image;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Layout;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Positions;
import starling.model.Request;
import starling.model.Stage;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * Two random checkpoints against transformers ({@code src/test/golden/make_qwen_goldens.py}), in
 * the order in which a port goes wrong: pixels, positions, merged rows, scores, kept sets, logits,
 * answers. Grids are one window, several with cut borders, and narrow ones; two images in a prompt.
 */
class QwenGoldenTest {
  /** Float32 against float32 on values of a few units, through eight blocks. */
  private static final double BOUND = 1e-4;

  /** A score is a mean of probabilities, of about 1/140. */
  private static final double SCORE_BOUND = 1e-6;

  private static Device cpu;
  private static Checkpoint free;
  private static Checkpoint tied;

  @BeforeAll
  static void open() throws IOException {
    cpu = CpuDevice.open();
    free = Checkpoint.open("qwen-free", cpu);
    tied = Checkpoint.open("qwen-tied", cpu);
  }

  @AfterAll
  static void close() {
    free.close();
    tied.close();
    cpu.close();
  }

  private record Checkpoint(
      Path dir, JsonNode golden, Qwen25Vl family, Safetensors files, LoadedModel model) {
    static Checkpoint open(String name, Device device) throws IOException {
      Path dir = Checkout.path("src/test/resources/starling/model").resolve(name);
      JsonNode golden = new ObjectMapper().readTree(dir.resolve("golden.json").toFile());
      Qwen25Vl family = Qwen25Vl.read(dir);
      Safetensors files = Safetensors.open(dir);
      var model = new LoadedModel(device, family, family.weights(files), DType.F32);
      return new Checkpoint(dir, golden, family, files, model);
    }

    void close() {
      model.close();
      files.close();
    }

    /** The images of a case: noise that script and test draw alike. */
    List<ImageInput> images(JsonNode of) {
      var images = new ArrayList<ImageInput>();
      for (JsonNode image : of.get("images")) {
        Image noise = noise(ints(image.get("size")), image.get("seed").intValue());
        images.add(family.images(dir).prepare(noise, ImageOptions.DEFAULT, "noise"));
      }
      return images;
    }

    Outcome run(JsonNode of, Method method, Mode mode) {
      var request =
          new Request(
              ints(of.get("ids")), images(of), method, mode, Sampling.GREEDY, 6, (p, d, n) -> {});
      try (Generation generation = model.prefill(request)) {
        var logits = new ArrayList<float[]>();
        int[] tokens = new int[6];
        for (int i = 0; i < tokens.length; i++) {
          tokens[i] = generation.next();
          logits.add(generation.logits());
        }
        List<Stage> stages = generation.stages();
        return new Outcome(
            logits,
            tokens,
            stages,
            stages.stream().map(s -> generation.ints(s.kept())).toList(),
            stages.stream()
                .map(s -> s.score() == null ? null : generation.floats(s.score()))
                .toList());
      }
    }
  }

  private record Outcome(
      List<float[]> logits,
      int[] tokens,
      List<Stage> stages,
      List<int[]> kept,
      List<float[]> score) {
    List<int[]> kept(int stage) {
      return IntStream.range(0, stages.size())
          .filter(s -> stages.get(s).stage() == stage)
          .mapToObj(kept::get)
          .toList();
    }
  }

  private static Image noise(int[] size, long seed) {
    byte[] rgb = new byte[3 * size[0] * size[1]];
    long s = seed;
    for (int i = 0; i < rgb.length; i++) {
      s = s * 1103515245 + 12345 & 0x7fffffff;
      rgb[i] = (byte) (s >> 16);
    }
    return new Image(size[1], size[0], rgb);
  }

  private static int[] ints(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).intValue()).toArray();
  }

  private static void near(JsonNode golden, float[] actual, double bound, String what) {
    assertEquals(golden.size(), actual.length, what);
    for (int i = 0; i < actual.length; i++) {
      assertEquals(golden.get(i).doubleValue(), actual[i], bound, what + " " + i);
    }
  }

  // ---- what goes in ----

  @Test
  void pixelsAreThoseOfTheProcessorToTheBit() {
    for (JsonNode of : free.golden.get("cases")) {
      List<ImageInput> images = free.images(of);
      for (int i = 0; i < images.size(); i++) {
        JsonNode golden = of.get("images").get(i);
        var prepared = images.get(i).crops().get(0);
        assertArrayEquals(
            ints(golden.get("grid")), new int[] {prepared.height() / 14, prepared.width() / 14});
        float[] pixels = prepared.pixels();
        float[] sample = new float[Math.ceilDiv(pixels.length, 503)];
        for (int j = 0; j < sample.length; j++) {
          sample[j] = pixels[503 * j];
        }
        near(golden.get("pixels"), sample, 0, "pixel");
      }
    }
  }

  @Test
  void positionsHaveThreeAxes() {
    for (JsonNode of : free.golden.get("cases")) {
      var tokens = free.images(of).stream().map(ImageInput::tokens).toList();
      int[] ids = ints(of.get("ids"));
      int[] rows = tokens.stream().mapToInt(t -> t.rows()).toArray();
      Positions positions = free.family.positions(layout(ids, rows), tokens);
      int n = positions.values().length / 3;
      for (int axis = 0; axis < 3; axis++) {
        int[] own =
            IntStream.range(axis * n, (axis + 1) * n).map(i -> positions.values()[i]).toArray();
        assertArrayEquals(ints(of.get("positions").get(axis)), own);
      }
      assertEquals(of.get("next").intValue(), positions.next());
    }
  }

  private static Layout layout(int[] ids, int[] imageRows) {
    var images = new ArrayList<Span>();
    int row = 0;
    for (int id : ids) {
      boolean image = id == free.family.imageToken();
      int to = row + (image ? imageRows[images.size()] : 1);
      if (image) {
        images.add(new Span(row, to));
      }
      row = to;
    }
    return new Layout(row, images, List.of());
  }

  // ---- what comes out ----

  /** Keeps all merged rows, and remembers some columns of them. */
  private record Looking(List<float[]> seen) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return "looking";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(new Look(shape, seen));
    }
  }

  private record Look(VlmShape shape, List<float[]> seen) implements CutPoint {
    @Override
    public CutSite where() {
      return CutSite.PROJECTOR_OUTPUT;
    }

    @Override
    public int layer() {
      return shape.visionBlocks();
    }

    @Override
    public int kept(int group) {
      return shape.groups().get(group).size();
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      float[] rows = context.floats(context.features());
      int width = rows.length / context.candidates();
      float[] sample = new float[context.candidates() * Math.ceilDiv(width, 5)];
      for (int i = 0, at = 0; i < rows.length; i++) {
        if (i % width % 5 == 0) {
          sample[at++] = rows[i];
        }
      }
      seen.add(sample);
      int[] all = IntStream.range(0, context.candidates()).toArray();
      context.device().upload(out.keep(), MemorySegment.ofArray(all));
    }
  }

  private static void assertMergedRowsAndAnswers(Checkpoint checkpoint) {
    for (JsonNode of : checkpoint.golden.get("cases")) {
      var seen = new ArrayList<float[]>();
      Outcome looked = checkpoint.run(of, new Looking(seen), Mode.COMPACT);
      for (int i = 0; i < seen.size(); i++) {
        near(of.get("images").get(i).get("merged"), seen.get(i), BOUND, "merged row");
      }
      Outcome dense = checkpoint.run(of, Methods.parse("none"), Mode.COMPACT);
      near(of.get("logits"), dense.logits.get(0), BOUND, "logit");
      assertArrayEquals(ints(of.get("greedy")), dense.tokens);
      for (int t = 0; t < dense.tokens.length; t++) {
        assertArrayEquals(dense.logits.get(t), looked.logits.get(t), "all kept, token " + t);
      }
    }
  }

  @Test
  void mergedRowsLogitsAndAnswersAreThoseOfTransformers() {
    assertMergedRowsAndAnswers(free);
  }

  @Test
  void theHeadMayBeTheTableOfTokens() {
    assertMergedRowsAndAnswers(tied);
  }

  private static void assertPruned(Checkpoint checkpoint, Mode mode) {
    for (JsonNode of : checkpoint.golden.get("cases")) {
      JsonNode star = of.get("pruned").get(0);
      Outcome own = checkpoint.run(of, Methods.parse("star:R=0.3,K=2,P=0.7"), mode);
      for (int i = 0; i < star.get("stage1").size(); i++) {
        near(of.get("images").get(i).get("scores"), own.score.get(i), SCORE_BOUND, "score");
        assertArrayEquals(ints(star.get("stage1").get(i)), own.kept(1).get(i));
        assertArrayEquals(ints(star.get("stage2").get(i)), own.kept(2).get(i));
      }
      assertAnswer(star, own);
      JsonNode fastv = of.get("pruned").get(1);
      Outcome other = checkpoint.run(of, Methods.parse("fastv:K=2,keep=0.3"), mode);
      for (int i = 0; i < fastv.get("stage2").size(); i++) {
        assertArrayEquals(ints(fastv.get("stage2").get(i)), other.kept.get(i));
      }
      assertAnswer(fastv, other);
    }
  }

  private static void assertAnswer(JsonNode golden, Outcome own) {
    near(golden.get("logits"), own.logits.get(0), BOUND, golden.get("method") + " logit");
    int[] answer = ints(golden.get("answer"));
    assertArrayEquals(answer, Arrays.copyOf(own.tokens, answer.length));
  }

  @ParameterizedTest
  @EnumSource(Mode.class)
  void scoresKeptSetsAndPrunedAnswersAreThoseOfTransformers(Mode mode) {
    assertPruned(free, mode);
    assertPruned(tied, mode);
  }

  /** The kernels are as near, and make the same choices. */
  @Test
  void kernelsAgreeWithTransformersToo() throws IOException {
    Native.needs(Native.HOST);
    try (var emulated = NativeDevice.open(DeviceType.EMULATED)) {
      Checkpoint kernels = Checkpoint.open("qwen-free", emulated);
      try {
        assertMergedRowsAndAnswers(kernels);
        assertPruned(kernels, Mode.COMPACT);
      } finally {
        kernels.close();
      }
    }
  }

  // ---- every method ----

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.3,K=2,P=0.6,queries=last",
        "star:R=0.2,K=3,P=0.5,base=remaining,score=cls",
        "star:R=0.5,P=0,score=colmean_cls",
        "fastv:K=1,keep=0.4",
        "fastervlm:keep=0.3",
        "fastervlm:keep=0.3,budget=crop",
        "vispruner:keep=0.4",
        "random:keep=0.5,seed=3",
        "uniform:keep=0.5"
      })
  void maskingIsCompactingForEveryMethod(String spec) {
    for (JsonNode of : free.golden.get("cases")) {
      Outcome compact = free.run(of, Methods.parse(spec), Mode.COMPACT);
      Outcome mask = free.run(of, Methods.parse(spec), Mode.MASK);
      for (int s = 0; s < compact.kept.size(); s++) {
        assertArrayEquals(compact.kept.get(s), mask.kept.get(s), spec);
      }
      assertArrayEquals(compact.tokens, mask.tokens);
      for (int t = 0; t < compact.tokens.length; t++) {
        near(compact.logits.get(t), mask.logits.get(t));
      }
    }
  }

  private static void near(float[] a, float[] b) {
    for (int i = 0; i < a.length; i++) {
      assertEquals(a[i], b[i], BOUND, "logit " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.0001,K=2,P=0.0002",
        "fastervlm:keep=1.0",
        "vispruner:keep=1.0",
        "fastv:K=1,keep=1.0"
      })
  void keepingEverythingIsTheUnprunedModelBitForBit(String spec) {
    for (JsonNode of : free.golden.get("cases")) {
      Outcome dense = free.run(of, Methods.parse("none"), Mode.COMPACT);
      Outcome all = free.run(of, Methods.parse(spec), Mode.COMPACT);
      for (int t = 0; t < dense.tokens.length; t++) {
        assertArrayEquals(dense.logits.get(t), all.logits.get(t), spec);
      }
    }
  }

  /** A tower without CLS has no row of its own for "what CLS attends"; all patches stand in. */
  @Test
  void methodsThatAskClsGoByWhatAllPatchesAttend() {
    JsonNode of = free.golden.get("cases").get(1);
    Outcome mean = free.run(of, Methods.parse("star:R=0.7,P=0"), Mode.COMPACT);
    Outcome cls = free.run(of, Methods.parse("fastervlm:keep=0.3"), Mode.COMPACT);
    assertArrayEquals(mean.score.get(0), cls.score.get(0));
    assertTrue(mean.score.get(0)[0] > 0);
  }
}
