package starling.model.mosaic;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.PositionRule;
import starling.device.Sampling;
import starling.image.Image;
import starling.input.InputException;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Plan;
import starling.model.Request;
import starling.model.Stage;
import starling.prune.Budget;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * A second family under every method: two images with different grids and several crops, fixed rows
 * between candidates of four tower rows, positions on three axes, budgets per image and per crop.
 */
class MosaicTest {
  /** Logits of about 5, float arithmetic through six layers. */
  private static final double BOUND = 2e-4;

  private static final int[] IDS = {1, 20, Mosaic.IMAGE, 31, 32, Mosaic.IMAGE, 33, 34, 35};

  private static final Mosaic MOSAIC = new Mosaic();
  private static List<ImageInput> images;
  private static Device device;
  private static LoadedModel model;

  @BeforeAll
  static void open() {
    device = CpuDevice.open();
    model = new LoadedModel(device, MOSAIC, MOSAIC.weights(null), DType.F32);
    images = List.of(image(60, 30, 3), image(20, 60, 4));
  }

  @AfterAll
  static void close() {
    model.close();
    device.close();
  }

  /** An image of noise. */
  private static ImageInput image(int width, int height, long seed) {
    byte[] rgb = new byte[3 * width * height];
    new Random(seed).nextBytes(rgb);
    return MOSAIC
        .images(null)
        .prepare(new Image(width, height, rgb), ImageOptions.DEFAULT, "noise");
  }

  private record Outcome(
      List<float[]> logits, int[] tokens, List<Stage> stages, List<List<Integer>> kept, Plan plan) {

    /** What an image keeps in a stage, all groups together; all candidates if there is none. */
    List<List<Integer>> kept(int stage) {
      var all = new ArrayList<List<Integer>>();
      for (int image = 0; image < images.size(); image++) {
        var of = new TreeSet<Integer>();
        for (int s = 0; s < stages.size(); s++) {
          if (stages.get(s).stage() == stage && stages.get(s).image() == image) {
            of.addAll(kept.get(s));
          }
        }
        boolean none = of.isEmpty();
        int n = images.get(image).tokens().candidates();
        all.add(none ? IntStream.range(0, n).boxed().toList() : List.copyOf(of));
      }
      return all;
    }

    int layer() {
      return stages.stream()
          .filter(s -> s.stage() == 2)
          .mapToInt(Stage::layer)
          .findFirst()
          .orElse(0);
    }
  }

  private static Outcome run(Method method, Mode mode) {
    return run(model, method, mode);
  }

  private static Outcome run(LoadedModel on, Method method, Mode mode) {
    var request =
        new Request(IDS.clone(), images, method, mode, Sampling.GREEDY, 4, (p, d, o) -> {});
    try (Generation generation = on.prefill(request)) {
      var logits = new ArrayList<float[]>();
      int[] tokens = new int[4];
      for (int i = 0; i < 4; i++) {
        tokens[i] = generation.next();
        logits.add(generation.logits());
      }
      var kept =
          generation.stages().stream()
              .map(s -> Arrays.stream(generation.ints(s.kept())).boxed().toList())
              .toList();
      return new Outcome(logits, tokens, generation.stages(), kept, generation.plan());
    }
  }

  private static Outcome run(String spec) {
    return run(Methods.parse(spec), Mode.COMPACT);
  }

  private static void assertIsTheReferees(Outcome o) {
    var referee = new MosaicReferee(MOSAIC);
    for (int drawn : new int[] {0, 1, 3}) {
      double[] right =
          referee.logits(
              IDS, Arrays.copyOf(o.tokens, drawn), images, o.kept(1), o.layer(), o.kept(2));
      for (int i = 0; i < right.length; i++) {
        assertEquals(right[i], o.logits.get(drawn)[i], BOUND, "logit " + i + " behind " + drawn);
      }
    }
  }

  private static double distance(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> Math.abs(a[i] - b[i])).max().orElse(0);
  }

  // ---- the family ----

  @Test
  void imagesHaveGridsOfTheirOwn() {
    ImageTokens wide = images.get(0).tokens();
    ImageTokens tall = images.get(1).tokens();
    assertEquals("19 rows, 16 candidates of 3 crop(s)", wide.toString());
    assertEquals("29 rows, 22 candidates of 4 crop(s)", tall.toString());
    assertEquals(17 + 25 + 25, wide.towerRows());
    // The first row of the grid: three cells of one tile, three of the other.
    assertArrayEquals(new int[] {1, 1, 1, 2, 2, 2}, Arrays.copyOfRange(wide.crop(), 4, 10));
    assertArrayEquals(new int[] {5, 6, 7, 8, 9, 10, 12}, Arrays.copyOfRange(wide.row(), 4, 11));
    assertArrayEquals(new int[] {18, 19, 24, 25}, Arrays.copyOfRange(wide.sources(), 16, 20));
  }

  // ---- methods ----

  @ParameterizedTest
  @ValueSource(
      strings = {
        "none",
        "star:R=0.3,K=2,P=0.6",
        "star:R=0.3,K=2,P=0.6,budget=crop",
        "star:R=0,K=1,P=0.8,queries=last",
        "star:R=0.5,P=0,score=cls,budget=crop",
        "star:R=0.2,K=3,P=0.5,score=colmean_cls,base=remaining",
        "fastv:K=2,keep=7",
        "fastv:K=2,keep=2,budget=crop",
        "fastervlm:keep=9",
        "fastervlm:keep=3,budget=crop",
        "vispruner:keep=8",
        "vispruner:keep=3,budget=crop",
        "random:keep=6,seed=3",
        "random:keep=2,budget=crop",
        "uniform:keep=5",
        "uniform:keep=0.5,budget=crop"
      })
  void everyMethodGivesTheRefereesLogitsAndMaskingIsCompacting(String spec) {
    Outcome compact = run(spec);
    assertIsTheReferees(compact);
    Outcome mask = run(Methods.parse(spec), Mode.MASK);
    assertEquals(compact.kept, mask.kept);
    assertArrayEquals(compact.tokens, mask.tokens);
    for (int i = 0; i < 4; i++) {
      assertTrue(distance(compact.logits.get(i), mask.logits.get(i)) < BOUND, "token " + i);
    }
    if (!spec.equals("none")) {
      assertTrue(distance(compact.logits.get(0), run("none").logits.get(0)) > 100 * BOUND);
    }
  }

  /** The kernels make the same choices of the same scores, and are as near to the doubles. */
  @Test
  void kernelsAgree() {
    Native.needs(Native.HOST);
    try (var emulated = NativeDevice.open(DeviceType.EMULATED);
        var kernels = new LoadedModel(emulated, MOSAIC, MOSAIC.weights(null), DType.F32)) {
      for (String spec :
          List.of(
              "none",
              "star:R=0.3,K=2,P=0.6",
              "star:R=0.3,K=2,P=0.6,budget=crop",
              "fastervlm:keep=3,budget=crop",
              "vispruner:keep=8",
              "vispruner:keep=3,budget=crop",
              "fastv:K=2,keep=7",
              "uniform:keep=5")) {
        for (Mode mode : Mode.values()) {
          Outcome own = run(kernels, Methods.parse(spec), mode);
          assertEquals(run(spec).kept, own.kept, spec);
          assertIsTheReferees(own);
        }
      }
    }
  }

  @Test
  void aBudgetCountsOverTheImageOrOverEveryCrop() {
    Outcome image = run("fastervlm:keep=0.5");
    assertEquals(List.of(8, 11), image.kept.stream().map(List::size).toList());
    Outcome crop = run("fastervlm:keep=0.5,budget=crop");
    assertEquals(List.of(2, 3, 3, 2, 3, 3, 3), crop.kept.stream().map(List::size).toList());
    assertEquals(List.of(0, 1, 2, 0, 1, 2, 3), crop.stages.stream().map(Stage::crop).toList());
    for (int s = 0; s < crop.kept.size(); s++) {
      Stage stage = crop.stages.get(s);
      int[] of = images.get(stage.image()).tokens().crop();
      assertTrue(crop.kept.get(s).stream().allMatch(j -> of[j] == stage.crop()));
    }
    assertArrayEquals(new int[] {48, 29, 29}, image.plan.visualTokens());
    // The text and the newlines of both images stay.
    assertEquals(7 + 10 + 19, image.plan.tokensPerLayer()[0]);
  }

  @Test
  void stage1KeepsTheBestOfTheRefereesScores() {
    var referee = new MosaicReferee(MOSAIC);
    Outcome none = run("none");
    referee.logits(IDS, new int[0], images, none.kept(1), 0, none.kept(2));
    Outcome cls = run("fastervlm:keep=5");
    Outcome mean = run("star:R=0.5,P=0,budget=crop");
    for (int image = 0; image < 2; image++) {
      assertEquals(best(all(image), referee.fromCls.get(image), 5), cls.kept.get(image));
    }
    for (int s = 0; s < mean.stages.size(); s++) {
      Stage stage = mean.stages.get(s);
      int[] of = images.get(stage.image()).tokens().crop();
      List<Integer> own = all(stage.image()).stream().filter(j -> of[j] == stage.crop()).toList();
      double[] scores = referee.fromPatches.get(stage.image());
      assertEquals(best(own, scores, mean.kept.get(s).size()), mean.kept.get(s));
    }
  }

  private static List<Integer> all(int image) {
    return IntStream.range(0, images.get(image).tokens().candidates()).boxed().toList();
  }

  private static List<Integer> best(List<Integer> of, double[] scores, int k) {
    return of.stream().sorted(Comparator.comparing(j -> -scores[j])).limit(k).sorted().toList();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.0001,K=2,P=0.0002,budget=crop",
        "fastervlm:keep=1.0",
        "vispruner:keep=1.0,budget=crop",
        "fastv:K=1,keep=1.0"
      })
  void keepingEverythingIsTheUnprunedModelBitForBit(String spec) {
    Outcome dense = run("none");
    Outcome all = run(spec);
    for (int i = 0; i < 4; i++) {
      assertArrayEquals(dense.logits.get(i), all.logits.get(i));
    }
  }

  @Test
  void rowsThatCannotBeRenumberedAreNot() {
    String message =
        assertThrows(InputException.class, () -> run("star:K=2,P=0.5,positions=compact"))
            .getMessage();
    assertTrue(message.contains("cannot be renumbered"), message);
  }

  // ---- counts of the device, and replays ----

  /** The same sets, once decided on the device and once known before. */
  private static Method noThirds(CutSite where, Budget budget, boolean counted) {
    return new Method() {
      @Override
      public String spec(VlmShape shape) {
        return "no-thirds";
      }

      @Override
      public Budget budget() {
        return budget;
      }

      @Override
      public List<CutPoint> cuts(VlmShape shape) {
        List<int[]> sets =
            shape.groups().stream()
                .map(g -> IntStream.range(0, g.size()).filter(j -> j % 3 > 0).toArray())
                .toList();
        return List.of(new Sets(where, where == CutSite.DECODER ? 2 : 0, sets, shape, counted));
      }
    };
  }

  private record Sets(CutSite where, int layer, List<int[]> sets, VlmShape shape, boolean counted)
      implements CutPoint {
    @Override
    public int kept(int group) {
      return counted ? shape.groups().get(group).size() : sets.get(group).length;
    }

    @Override
    public PositionRule positions() {
      return PositionRule.KEEP;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      int[] set = sets.get(context.group());
      context.device().upload(out.keep().rows(0, set.length), MemorySegment.ofArray(set));
      if (counted) {
        context.device().upload(out.count(), MemorySegment.ofArray(new int[] {set.length}));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(CutSite.class)
  void aCountOfTheDeviceIsAsGoodAsOneKnownBefore(CutSite where) {
    for (Budget budget : Budget.values()) {
      Outcome known = run(noThirds(where, budget, false), Mode.COMPACT);
      Outcome counted = run(noThirds(where, budget, true), Mode.COMPACT);
      assertIsTheReferees(known);
      assertEquals(known.kept, counted.kept);
      for (int i = 0; i < 4; i++) {
        assertArrayEquals(known.logits.get(i), counted.logits.get(i), "token " + i);
      }
      assertArrayEquals(known.plan.tokensPerLayer(), counted.plan.tokensPerLayer());
      assertArrayEquals(known.plan.visualTokens(), counted.plan.visualTokens());
      assertTrue(counted.stages.stream().allMatch(Stage::counted));
      Outcome mask = run(noThirds(where, budget, true), Mode.MASK);
      assertEquals(known.kept, mask.kept);
      assertArrayEquals(known.tokens, mask.tokens);
      assertTrue(distance(known.logits.get(3), mask.logits.get(3)) < BOUND);
    }
  }

  /** Every second candidate, with a share of the one behind it. */
  private record Pairs(CutSite where, int layer, VlmShape shape, float weight) implements CutPoint {
    @Override
    public int kept(int group) {
      return shape.groups().get(group).size() / 2;
    }

    @Override
    public int sources() {
      return 2;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public PositionRule positions() {
      return PositionRule.KEEP;
    }

    @Override
    public void select(CutContext context, Selection out) {
      int n = out.keep().rows();
      float[] weights = new float[2 * n];
      for (int i = 0; i < 2 * n; i++) {
        weights[i] = i % 2 == 0 ? weight : 1 - weight;
      }
      int[] keep = IntStream.range(0, n).map(i -> 2 * i).toArray();
      context.device().upload(out.keep(), MemorySegment.ofArray(keep));
      context
          .device()
          .upload(out.index(), MemorySegment.ofArray(IntStream.range(0, 2 * n).toArray()));
      context.device().upload(out.weight(), MemorySegment.ofArray(weights));
    }
  }

  private static Method pairs(CutSite where, Budget budget, float weight) {
    return new Method() {
      @Override
      public String spec(VlmShape shape) {
        return "pairs";
      }

      @Override
      public Budget budget() {
        return budget;
      }

      @Override
      public List<CutPoint> cuts(VlmShape shape) {
        return List.of(new Pairs(where, where == CutSite.DECODER ? 2 : 0, shape, weight));
      }
    };
  }

  /** Sums of one row each are those rows, wherever newlines stand between them. */
  @ParameterizedTest
  @EnumSource(
      value = CutSite.class,
      names = {"PROJECTOR_INPUT", "PROJECTOR_OUTPUT", "DECODER"})
  void mergedTokensStandInTheirPlaces(CutSite where) {
    Outcome one = run(pairs(where, Budget.IMAGE, 1), Mode.COMPACT);
    assertEquals(List.of(8, 11), one.kept.stream().map(List::size).toList());
    assertIsTheReferees(one);
    Outcome half = run(pairs(where, Budget.IMAGE, 0.5f), Mode.COMPACT);
    assertTrue(distance(one.logits.get(0), half.logits.get(0)) > 100 * BOUND);
  }

  @Test
  void whereTokensCannotBeMergedIsSaid() {
    String crop =
        assertThrows(
                InputException.class,
                () -> run(pairs(CutSite.DECODER, Budget.CROP, 1), Mode.COMPACT))
            .getMessage();
    assertTrue(crop.contains("counts over images"), crop);
    String tower =
        assertThrows(
                InputException.class,
                () -> run(pairs(CutSite.VISION, Budget.IMAGE, 1), Mode.COMPACT))
            .getMessage();
    assertTrue(tower.contains("before the projector"), tower);
  }

  /** A trace has an entry for every crop; a replay takes those of an image together. */
  @Test
  void aTraceOfCropsIsReplayed(@TempDir Path dir) throws IOException {
    Outcome own = run("star:R=0.3,K=2,P=0.6,budget=crop");
    var entries = new ArrayList<String>();
    for (int s = 0; s < own.stages.size(); s++) {
      Stage of = own.stages.get(s);
      entries.add(
          "{\"stage\":%d,\"image\":%d,\"crop\":%d,\"layer\":%d,\"kept\":%s}"
              .formatted(of.stage(), of.image(), of.crop(), of.layer(), own.kept.get(s)));
    }
    Path trace = Files.writeString(dir.resolve("trace.json"), "{\"stages\":" + entries + "}");
    Outcome replayed = run("replay:" + trace);
    assertEquals(4, replayed.stages.size());
    assertEquals(own.kept(1), replayed.kept(1));
    assertEquals(own.kept(2), replayed.kept(2));
    for (int i = 0; i < 4; i++) {
      assertArrayEquals(own.logits.get(i), replayed.logits.get(i));
    }
  }
}
