package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static starling.model.qwen.QwenCheckpoint.BOUND;
import static starling.model.qwen.QwenCheckpoint.ints;
import static starling.model.qwen.QwenCheckpoint.near;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.device.Span;
import starling.model.ImageInput;
import starling.model.Layout;
import starling.model.Mode;
import starling.model.Positions;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * Random checkpoints against transformers ({@code src/test/golden/make_qwen_goldens.py}), in the
 * order in which a port goes wrong: pixels, positions, merged rows, logits, answers. Grids are one
 * window, several with cut borders, and narrow ones; two images in a prompt.
 */
class QwenGoldenTest {
  private static Device cpu;
  private static QwenCheckpoint free;
  private static QwenCheckpoint tied;
  private static QwenCheckpoint saved;

  @BeforeAll
  static void open() throws IOException {
    cpu = CpuDevice.open();
    free = QwenCheckpoint.open("qwen-free", cpu);
    tied = QwenCheckpoint.open("qwen-tied", cpu);
    saved = QwenCheckpoint.open("qwen-saved457", cpu);
  }

  @AfterAll
  static void close() {
    free.close();
    tied.close();
    saved.close();
    cpu.close();
  }

  // ---- what goes in ----

  @Test
  void pixelsAreThoseOfTheProcessorToTheBit() {
    for (JsonNode of : free.golden().get("cases")) {
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
    for (JsonNode of : free.golden().get("cases")) {
      var tokens = free.images(of).stream().map(ImageInput::tokens).toList();
      int[] ids = ints(of.get("ids"));
      int[] rows = tokens.stream().mapToInt(t -> t.rows()).toArray();
      Positions positions = free.family().positions(layout(ids, rows), tokens);
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
      boolean image = id == free.family().imageToken();
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

  private static void assertMergedRowsAndAnswers(QwenCheckpoint checkpoint) {
    for (JsonNode of : checkpoint.golden().get("cases")) {
      var seen = new ArrayList<float[]>();
      QwenCheckpoint.Outcome looked = checkpoint.run(of, new Looking(seen), Mode.COMPACT);
      for (int i = 0; i < seen.size(); i++) {
        near(of.get("images").get(i).get("merged"), seen.get(i), BOUND, "merged row");
      }
      QwenCheckpoint.Outcome dense = checkpoint.run(of, Methods.parse("none"), Mode.COMPACT);
      near(of.get("logits"), dense.logits().get(0), BOUND, "logit");
      assertArrayEquals(ints(of.get("greedy")), dense.tokens());
      QwenCheckpoint.Outcome penalized = checkpoint.run(of, Sampling.GREEDY.penalizing(1.3f));
      assertArrayEquals(ints(of.get("penalized")), penalized.tokens(), "penalized");
      for (int t = 0; t < dense.tokens().length; t++) {
        assertArrayEquals(dense.logits().get(t), looked.logits().get(t), "all kept, token " + t);
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

  /** Names, configuration and a head of its own beside no word of ties, as 4.57.6 wrote them. */
  @Test
  void whatAnOlderTransformersSavedIsReadAsTheNewerReadsIt() {
    assertMergedRowsAndAnswers(saved);
  }

  @ParameterizedTest
  @ValueSource(strings = {"qwen-free", "qwen-tied", "qwen-saved457"})
  void kernelsAgreeWithTransformersToo(String name) throws IOException {
    Native.needs(Native.HOST);
    try (var emulated = NativeDevice.open(DeviceType.EMULATED);
        QwenCheckpoint kernels = QwenCheckpoint.open(name, emulated)) {
      assertMergedRowsAndAnswers(kernels);
    }
  }
}
