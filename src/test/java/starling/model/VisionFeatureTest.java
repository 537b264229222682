package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.Demo;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Sampling;
import starling.device.Tensor;
import starling.image.ImageMode;
import starling.prune.Attention;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * The tower's feature and the projector's rows against the float64 reference, read through the
 * method seam.
 */
class VisionFeatureTest {
  /** Float32 against float64 through two or three blocks on values of a few units. */
  private static final double BOUND = 2e-5;

  /** Keeps everything and copies what it sees to the host. */
  private static class Look implements Method, CutPoint {
    private final CutSite where;
    private final int patches;
    private float[] rows;
    private int width;

    Look(CutSite where, int patches) {
      this.where = where;
      this.patches = patches;
    }

    @Override
    public String spec(VlmShape shape) {
      return "look";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public CutSite where() {
      return where;
    }

    @Override
    public int layer() {
      return 0;
    }

    @Override
    public int kept(int group) {
      return patches;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      width = context.features().width();
      rows = new float[patches * width];
      context.device().download(MemorySegment.ofArray(rows), context.features());
      keepAll(context, out);
    }

    void keepAll(CutContext context, Selection out) {
      context
          .device()
          .upload(out.keep(), MemorySegment.ofArray(IntStream.range(0, patches).toArray()));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"names436", "names452", "names5"})
  void towerAndProjectorGiveTheRowsOfTheReference(String name) throws IOException {
    Path folder = Checkout.path("src/test/resources/starling/model").resolve(name);
    JsonNode golden =
        new ObjectMapper()
            .readTree(Files.readAllBytes(folder.resolve("golden.json")))
            .at("/cases/0");
    VisionLanguageModel config = Families.read(folder);
    var preprocess = PreprocessorConfig.read(folder);
    var pixels =
        preprocess.apply(Demo.read(golden.at("/images/0").textValue()), ImageMode.CHECKPOINT, "x");
    int[] ids = {1, config.imageToken(), 300};
    try (var device = CpuDevice.open();
        var files = Safetensors.open(folder);
        var llava = new LoadedModel(device, config, config.weights(files), DType.F32)) {
      for (CutSite where : List.of(CutSite.PROJECTOR_INPUT, CutSite.PROJECTOR_OUTPUT)) {
        var look = new Look(where, config.typicalImage().candidates());
        var request =
            new Request(
                ids,
                List.of(new ImageInput(config.typicalImage(), List.of(pixels))),
                look,
                Mode.COMPACT,
                Sampling.GREEDY,
                1,
                (p, d, o) -> {});
        try (Generation generation = llava.prefill(request)) {
          generation.next();
        }
        JsonNode rows =
            golden.get(where == CutSite.PROJECTOR_INPUT ? "feature_rows" : "projected_rows");
        int compared = 0;
        for (var row : rows.properties()) {
          int patch = Integer.parseInt(row.getKey()) - 1; // the reference counts CLS as row 0
          for (int i = 0; i < 8 && patch >= 0; i++, compared++) {
            assertEquals(
                row.getValue().get(i).doubleValue(),
                look.rows[patch * look.width + i],
                BOUND,
                where + " row " + patch);
          }
        }
        assertTrue(compared >= 16);
      }
    }
  }

  /** Sees what the methods go by before the decoder, and keeps what it checks. */
  private static final class Statistics extends Look {
    private double worst = 0;

    Statistics(int patches) {
      super(CutSite.VISION, patches);
    }

    @Override
    public void select(CutContext context, Selection out) {
      Attention.Part part = context.attention().parts().getFirst();
      Tensor q = part.inputs().q();
      Tensor k = part.inputs().kv().k();
      float[] queries = context.floats(q.rows(0, part.rows()));
      float[] keys = context.floats(k.rows(0, part.rows()));
      float[] lse = context.floats(part.lse());
      int heads = q.dim(1);
      int d = q.dim(2);
      for (int h = 0; h < heads; h++) {
        for (int t = 0; t < part.rows(); t++) {
          double sum = 0;
          for (int j = 0; j < part.rows(); j++) {
            double dot = 0;
            for (int c = 0; c < d; c++) {
              dot += (double) queries[(t * heads + h) * d + c] * keys[(j * heads + h) * d + c];
            }
            sum += Math.exp(dot * part.inputs().scale());
          }
          worst = Math.max(worst, Math.abs(Math.log(sum) / Math.log(2) - lse[h * part.rows() + t]));
        }
      }
      keepAll(context, out);
    }
  }

  /** What a block's softmax was divided by is that of the block whose attention is handed over. */
  @ParameterizedTest
  @ValueSource(strings = {"names5", "qwen-free"})
  void statisticsAreThoseOfTheLastAttention(String name) {
    Path folder = Checkout.path("src/test/resources/starling/model").resolve(name);
    VisionLanguageModel family = Families.read(folder);
    ImageInput image =
        family.images(folder).prepare(Demo.read("small-00.png"), ImageOptions.DEFAULT, "image");
    var statistics = new Statistics(image.tokens().candidates());
    var request =
        new Request(
            new int[] {1, family.imageToken(), 3},
            List.of(image),
            statistics,
            Mode.COMPACT,
            Sampling.GREEDY,
            1,
            (p, d, o) -> {});
    try (var device = CpuDevice.open();
        var files = Safetensors.open(folder);
        var model = new LoadedModel(device, family, family.weights(files), DType.F32)) {
      model.prefill(request).close();
    }
    assertEquals(0, statistics.worst, BOUND);
  }
}
