package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.Demo;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.PositionRule;
import starling.device.Sampling;
import starling.input.InputException;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * The method seam holds for a method that merges: pairs of neighbouring tokens become one, at each
 * place in turn. With weights 1 and 0 it is the same as keeping the even tokens.
 */
class MergingMethodTest {
  /** Tokens 2i and 2i + 1 become row i. */
  private record Pairs(CutSite where, int layer, float weight) implements Method, CutPoint {
    @Override
    public String spec(VlmShape shape) {
      return "pairs";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public int kept(int group) {
      return 288;
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
      return where == CutSite.DECODER ? PositionRule.KEEP : PositionRule.CONTIGUOUS;
    }

    @Override
    public void select(CutContext context, Selection out) {
      int[] keep = IntStream.range(0, 288).map(i -> 2 * i).toArray();
      int[] index = IntStream.range(0, 576).toArray();
      float[] weights = new float[576];
      for (int i = 0; i < 576; i++) {
        weights[i] = i % 2 == 0 ? weight : 1 - weight;
      }
      context.device().upload(out.keep(), MemorySegment.ofArray(keep));
      context.device().upload(out.index(), MemorySegment.ofArray(index));
      context.device().upload(out.weight(), MemorySegment.ofArray(weights));
    }
  }

  private static float[] logits(LoadedModel llava, Method method, Mode mode) {
    var preprocess = PreprocessorConfig.read(Demo.MODEL);
    var pixels =
        preprocess.apply(
            Demo.read("small-00.png"), starling.image.ImageMode.CHECKPOINT, "small-00");
    int[] ids = {1, 266, 446, 500, 501, 500, 13, 297, 398, 288, 262, 322, 447, 275, 446};
    var request =
        new Request(
            ids,
            List.of(new ImageInput(llava.family().typicalImage(), List.of(pixels))),
            method,
            mode,
            Sampling.GREEDY,
            2,
            (p, d, o) -> {});
    try (Generation generation = llava.prefill(request)) {
      generation.next();
      float[] first = generation.logits();
      generation.next();
      return first;
    }
  }

  private static void onDemo(java.util.function.Consumer<LoadedModel> test) {
    VisionLanguageModel config = Families.read(Demo.MODEL);
    try (var device = CpuDevice.open();
        var files = Safetensors.open(Demo.MODEL);
        var llava = new LoadedModel(device, config, config.weights(files), DType.F32)) {
      test.accept(llava);
    }
  }

  @ParameterizedTest
  @EnumSource(CutSite.class)
  void mergesAtEveryPlace(CutSite where) {
    onDemo(
        llava -> {
          int layer = 4;
          float[] picked = logits(llava, new Pairs(where, layer, 1), Mode.COMPACT);
          float[] merged = logits(llava, new Pairs(where, layer, 0.5f), Mode.COMPACT);
          float[] dense = logits(llava, starling.prune.Methods.parse("none"), Mode.COMPACT);
          assertTrue(distance(picked, merged) > 1e-2);
          assertTrue(distance(merged, dense) > 1e-2);
          if (where == CutSite.PROJECTOR_OUTPUT) {
            float[] before =
                logits(llava, new Pairs(CutSite.PROJECTOR_INPUT, layer, 1), Mode.COMPACT);
            // Keeping even tokens before or after the projector is the same, row by row.
            assertEquals(0, distance(picked, before));
          }
        });
  }

  @Test
  void hasNoMaskedForm() {
    onDemo(
        llava ->
            assertTrue(
                assertThrows(
                        InputException.class,
                        () -> logits(llava, new Pairs(CutSite.DECODER, 4, 0.5f), Mode.MASK))
                    .getMessage()
                    .contains("no masked form")));
  }

  private static double distance(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> Math.abs(a[i] - b[i])).max().orElse(0);
  }
}
