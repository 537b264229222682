package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Demo;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.cuda.abi.HostCounters;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.PositionRule;
import starling.device.Sampling;
import starling.image.ImageMode;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Request;
import starling.model.VisionLanguageModel;
import starling.prune.AttentionCut;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Queries;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * That all tensor arithmetic of an answer happens in kernels: what crosses to the device and back
 * is pixels, ids and segment tables up, one integer per token down; the launches per kernel are
 * those of the formula in kernels/README.md; and two decode steps have the same arguments to the
 * byte.
 */
class LaunchTest {
  private NativeDevice device;
  private HostCounters host;
  private Safetensors files;
  private LoadedModel llava;
  private VisionLanguageModel config;

  @BeforeEach
  void open() throws Exception {
    Native.needs(Native.HOST);
    device = NativeDevice.open(DeviceType.EMULATED);
    host = new HostCounters(DynamicLibrary.open(Native.HOST));
    config = Families.read(Demo.MODEL);
    files = Safetensors.open(Demo.MODEL);
    llava = new LoadedModel(device, config, config.weights(files), DType.BF16);
  }

  @AfterEach
  void close() {
    if (llava != null) {
      llava.close();
      files.close();
      device.close();
    }
  }

  private record Launched(String kernel, String arguments) {}

  private List<Launched> recorded(Runnable work) {
    host.record();
    work.run();
    long size = host.records(MemorySegment.NULL, 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(size + 1);
      host.records(text, size);
      return text.getString(0)
          .lines()
          .map(line -> line.split("\t", -1))
          .map(f -> new Launched(f[0].replaceFirst("<.*", "").replaceFirst("_kernel$", ""), f[4]))
          .toList();
    }
  }

  private Request request(String spec) {
    return request(Methods.parse(spec));
  }

  private Request request(Method method) {
    var pixels =
        PreprocessorConfig.read(Demo.MODEL)
            .apply(Demo.read("scene-03.png"), ImageMode.CHECKPOINT, "scene");
    int image = config.imageToken();
    int[] ids = {1, 20, image, 30, 31, 32, 33};
    return new Request(
        ids,
        List.of(new ImageInput(config.typicalImage(), List.of(pixels))),
        method,
        Mode.COMPACT,
        Sampling.GREEDY,
        8,
        (what, done, of) -> {});
  }

  private static Map<String, Long> counts(List<Launched> launches) {
    return new TreeMap<>(
        launches.stream().collect(Collectors.groupingBy(Launched::kernel, Collectors.counting())));
  }

  @ParameterizedTest
  @CsvSource({"'star:R=0.1,K=4,P=0.9',2", "'vispruner:keep=58',1", "none,0"})
  void launchesFollowTheFormulaAndOnlyIntegersComeBack(String spec, int stages) {
    Request request = request(spec);
    float[] pixels = request.images().get(0).crops().get(0).pixels();
    float[] before = pixels.clone();
    var generation = new Generation[1];
    device.resetTransfers();
    List<Launched> prefill = recorded(() -> generation[0] = llava.prefill(request));
    // Whatever the host still holds is poisoned: nothing of it may be read again.
    Arrays.fill(pixels, Float.NaN);
    Arrays.fill(request.ids(), Integer.MIN_VALUE);
    int[] tokens = new int[8];
    List<Launched> decode =
        recorded(
            () -> {
              for (int i = 0; i < 8; i++) {
                tokens[i] = generation[0].next();
              }
            });
    var transfers = device.transfers();
    generation[0].close();
    int l = config.text().numHiddenLayers();
    // Pixels, ids, a flag, and a table of this sequence in every layer, for the prompt and for the
    // steps; before the first of these also the ids of its 16 places.
    long up = 4L * before.length + 4L * 7 + 4 + 2L * l * 64 + 4 * 16;
    assertEquals(new Transfers(5, up, 8, 4 * 8), transfers);

    int b = visionBlocks();
    assertEquals(LaunchFormula.prefill(spec, b, l), counts(prefill), spec);
    assertEquals(LaunchFormula.decode(l, 7), counts(decode), spec);
    assertTrue(Arrays.stream(tokens).allMatch(t -> t >= 0));
    assertEquals(stages, spec.equals("none") ? 0 : generation[0].stages().size());
  }

  /** Chooses by attention, and says how many or merges; nothing of it is known beforehand. */
  private record Own(AttentionCut chosen, boolean counted, int sources)
      implements Method, CutPoint {
    @Override
    public String spec(VlmShape shape) {
      return "own";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public CutSite where() {
      return chosen.where();
    }

    @Override
    public int layer() {
      return chosen.layer();
    }

    @Override
    public int kept(int group) {
      return chosen.kept(group);
    }

    @Override
    public void select(CutContext context, Selection out) {
      chosen.select(context, out);
      if (counted) {
        context.device().upload(out.count(), MemorySegment.ofArray(new int[] {50}));
      }
    }
  }

  @Test
  void rowsOfAnyOtherMethodAreNamedInALaunchOfTheirOwn() {
    for (CutSite where : List.of(CutSite.VISION, CutSite.DECODER)) {
      boolean decoder = where == CutSite.DECODER;
      var cut =
          new AttentionCut(
              where,
              decoder ? 4 : visionBlocks(),
              decoder ? Queries.LAST : Queries.PATCHES,
              List.of(58),
              PositionRule.KEEP,
              false);
      // A merging one also names the rows that are no candidates: here CLS, or the text.
      assertEquals(2, mapped(new Own(cut, false, 2)), "merging at " + where);
      assertEquals(1, mapped(new Own(cut, true, 1)), "counting at " + where);
      assertEquals(1, mapped(new Own(cut, false, 1)), "of its own at " + where);
    }
  }

  private long mapped(Method method) {
    List<Launched> prefill = recorded(() -> llava.prefill(request(method)).close());
    return counts(prefill).getOrDefault("row_map", 0L);
  }

  /** LLaVA-1.5 on Vicuna 7B: 23 blocks of its tower are run, and 32 layers. */
  @Test
  void sevenBillionHaveFewLaunches() {
    long prefill = LaunchFormula.prefill("none", 23, 32).values().stream().mapToLong(n -> n).sum();
    long token = LaunchFormula.decode(32, 1).values().stream().mapToLong(n -> n).sum();
    assertTrue(prefill <= 330, "launches of a prefill: " + prefill);
    assertTrue(token <= 140, "launches of a token: " + token);
  }

  private int visionBlocks() {
    return config.visionBlocks();
  }

  @Test
  void twoDecodeStepsHaveTheSameArguments() {
    try (Generation generation = llava.prefill(request("star:R=0.1,K=4,P=0.9"))) {
      generation.next();
      List<Launched> first = recorded(generation::next);
      List<Launched> second = recorded(generation::next);
      assertTrue(first.size() > 30, "a step has launches");
      assertEquals(first, second);
    }
  }
}
