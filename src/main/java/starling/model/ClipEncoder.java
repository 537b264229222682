package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.ClipWeights;
import starling.checkpoint.ProjectorWeights;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The CLIP tower and the projector: pixels to rows of the decoder. Blocks behind the feature layer
 * are not run, and {@code post_layernorm} is never applied, as in LLaVA.
 */
public final class ClipEncoder implements ImageEncoder {
  private record Block(Norm norm1, Linear qkv, Linear out, Norm norm2, Linear fc1, Linear fc2) {}

  private final Device device;
  private final ClipConfig config;
  private final DType dtype;
  private final Tensor classRow; // [1, D], its position added
  private final Tensor positions; // [N + 1, D]
  private final Linear patchEmbedding;
  private final Norm preNorm;
  private final List<Block> blocks = new ArrayList<>();
  private final Activation activation;
  private final Linear linear1;
  private final Linear linear2;
  private final Tensor zero; // i32 [1]

  /** Puts the weights on a device. */
  public ClipEncoder(
      Device device,
      TensorArena arena,
      DType dtype,
      ClipConfig config,
      ClipWeights w,
      ProjectorWeights p) {
    this.device = device;
    this.config = config;
    this.dtype = dtype;
    this.classRow = device.table(arena, dtype, classRow(w));
    this.positions = device.table(arena, dtype, w.positionEmbedding());
    this.patchEmbedding = device.linear(arena, dtype, Linear.Source.of(w.patchEmbedding(), null));
    this.preNorm = norm(arena, w.preNormWeight(), w.preNormBias());
    for (ClipWeights.Block b : w.blocks()) {
      blocks.add(block(arena, b));
    }
    this.activation =
        this.config.hiddenAct().equals("gelu") ? Activation.GELU : Activation.QUICK_GELU;
    this.linear1 =
        device.linear(arena, dtype, Linear.Source.of(p.linear1Weight(), p.linear1Bias()));
    this.linear2 =
        device.linear(arena, dtype, Linear.Source.of(p.linear2Weight(), p.linear2Bias()));
    this.zero = arena.alloc("row 0", DType.I32, 1);
  }

  private Block block(TensorArena arena, ClipWeights.Block b) {
    int d = config.headDim();
    var qkv =
        new Linear.Source(
            List.of(b.qWeight(), b.kWeight(), b.vWeight()),
            List.of(b.qBias(), b.kBias(), b.vBias()),
            d,
            0);
    var out = new Linear.Source(List.of(b.outWeight()), List.of(b.outBias()), 0, d);
    return new Block(
        norm(arena, b.norm1Weight(), b.norm1Bias()),
        device.linear(arena, dtype, qkv),
        device.linear(arena, dtype, out),
        norm(arena, b.norm2Weight(), b.norm2Bias()),
        device.linear(arena, dtype, Linear.Source.of(b.fc1Weight(), b.fc1Bias())),
        device.linear(arena, dtype, Linear.Source.of(b.fc2Weight(), b.fc2Bias())));
  }

  private Norm norm(TensorArena arena, StoredTensor weight, StoredTensor bias) {
    return new Norm(
        device.table(arena, dtype, weight),
        device.table(arena, dtype, bias),
        config.layerNormEps());
  }

  /** CLS is the same row for every image, so its position is added once. */
  private static StoredTensor classRow(ClipWeights w) {
    int width = (int) w.classEmbedding().elements();
    float[] row = new float[width];
    for (int i = 0; i < width; i++) {
      row[i] = w.classEmbedding().get(i) + w.positionEmbedding().get(i);
    }
    return StoredTensor.of(w.classEmbedding().name(), List.of(1, width), row);
  }

  /** Operations of one block on n rows. */
  public static double blockFlops(ClipConfig c, double n) {
    double d = c.hiddenSize();
    return 8 * n * d * d + 4 * n * n * d + 4 * n * d * c.intermediateSize();
  }

  @Override
  public void encode(List<Tensor> crops, ImageCuts cuts, TensorArena work) {
    Tensor pixels = crops.get(0);
    int patches = positions.rows() - 1;
    int width = config.hiddenSize();
    int heads = config.numAttentionHeads();
    int head = device.headSize(config.headDim());
    Tensor x = work.alloc("vision rows", dtype, patches + 1, width);
    Tensor patch =
        work.alloc("patches", dtype, patches, 3 * config.patchSize() * config.patchSize());
    device.patchify(patch, pixels, config.patchSize());
    device.embed(x.rows(0, 1), zero, classRow);
    device.gemm(
        x.rows(1, patches + 1),
        patch,
        patchEmbedding,
        null,
        Activation.NONE,
        positions.rows(1, patches + 1));
    device.layernorm(x, x, preNorm);

    Tensor qkv = work.alloc("vision qkv", dtype, patches + 1, 3 * heads * head);
    Tensor q = qkv.columns(0, heads * head).split(heads, head);
    var kv =
        new Kv(
            qkv.columns(heads * head, 2 * heads * head).split(heads, head),
            qkv.columns(2 * heads * head, 3 * heads * head).split(heads, head),
            null);
    Tensor attn = work.alloc("vision attention", dtype, patches + 1, heads * head);
    Tensor h = work.alloc("vision mlp", dtype, patches + 1, config.intermediateSize());
    Tensor lse = work.alloc("vision lse", DType.F32, heads, patches + 1);
    float scale = (float) (1 / Math.sqrt(config.headDim()));
    var in = new AttentionInputs(q, kv, Mask.NONE, scale);
    cuts.sees(in, lse);

    for (int b = 0; b < blocks.size(); b++) {
      Block block = blocks.get(b);
      boolean last = b == blocks.size() - 1;
      device.gemm(qkv, x, block.qkv, block.norm1, Activation.NONE, null);
      device.attention(attn.split(heads, head), last ? lse : null, in);
      if (last) {
        List<Tensor> goOn = cuts.behindAttention(List.of(x, attn));
        x = goOn.get(0);
        attn = goOn.get(1);
        h = h.rows(0, x.rows());
      }
      device.gemm(x, attn, block.out, null, Activation.NONE, x);
      device.gemm(h, x, block.fc1, block.norm2, activation, null);
      device.gemm(x, h, block.fc2, null, Activation.NONE, x);
    }
    project(cuts.beforeProjector(x.rows(cuts.dropped(), x.rows())), cuts, work);
  }

  private void project(Tensor feature, ImageCuts cuts, TensorArena work) {
    Tensor h = work.alloc("projector", dtype, feature.rows(), linear1.out());
    device.gemm(h, feature, linear1, null, Activation.GELU, null);
    Tensor rows = cuts.projected(feature.rows());
    device.gemm(rows, h, linear2, null, Activation.NONE, null);
    cuts.intoDecoder(rows);
  }
}
