package starling.model;

import java.util.List;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.ClipWeights;
import starling.checkpoint.ProjectorWeights;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.ProductRows;
import starling.device.Segments;
import starling.device.Statistics;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.ImageTokens;

/**
 * The CLIP tower and the projector: pixels to rows of the decoder. Blocks behind the feature layer
 * are not run, and {@code post_layernorm} is never applied, as in LLaVA.
 */
public final class ClipEncoder implements ImageEncoder {
  private final Device device;
  private final ClipConfig config;
  private final DType dtype;
  private final ClipTower tower;
  private final Tensor newline;

  /**
   * Puts the weights on a device.
   *
   * @param arena where they lie
   * @param dtype the type of activations
   */
  public ClipEncoder(
      Device device,
      TensorArena arena,
      DType dtype,
      ClipConfig config,
      ClipWeights weights,
      ProjectorWeights projector) {
    this(device, arena, dtype, config, weights, projector, null);
  }

  /**
   * The same for a family whose images have newline rows.
   *
   * @param newline {@code [1, D]}: the row of the decoder that every fixed row is which is none of
   *     the tower's; or null
   */
  public ClipEncoder(
      Device device,
      TensorArena arena,
      DType dtype,
      ClipConfig config,
      ClipWeights weights,
      ProjectorWeights projector,
      StoredTensor newline) {
    this.device = device;
    this.config = config;
    this.dtype = dtype;
    this.tower = ClipTower.load(device, arena, dtype, config, weights, projector);
    this.newline = newline == null ? null : device.table(arena, dtype, newline);
  }

  @Override
  public Seen see(
      List<Tensor> pixels, ImageTokens tokens, Segments crops, TensorArena own, TensorArena work) {
    int rows = tokens.towerRows();
    int wide = config.numAttentionHeads() * device.headSize(config.headDim());
    Tensor x = own.empty("vision rows", dtype, rows, config.hiddenSize());
    embed(x, pixels, work);
    Tensor qkv = own.empty("vision qkv", dtype, rows, 3 * wide);
    Tensor attn = own.empty("vision attention", dtype, rows, wide);
    Tensor mlp = work.empty("vision mlp", dtype, rows, config.intermediateSize());
    Tensor lse = own.empty("vision lse", DType.F32, config.numAttentionHeads(), rows);
    AttentionInputs in = inputs(qkv, wide, crops);
    var statistics = Statistics.of(device, work, rows, config.hiddenSize());
    Tensor entering = statistics.of(x);
    if (entering != null) {
      device.rowStatistics(entering, x);
    }
    int last = tower.blocks().size() - 1;
    for (int b = 0; b <= last; b++) {
      ClipTower.Block block = tower.blocks().get(b);
      var knowing = ProductRows.knowing(statistics.of(x));
      device.gemm(qkv, x, block.qkv(), block.norm1(), Activation.NONE, null, knowing);
      device.attention(heads(attn), b == last ? lse : null, in);
      if (b < last) {
        finish(block, x, mlp, new ImageCuts.GoOn(List.of(x, attn), null), statistics, statistics);
      }
    }
    return new Seen(in, lse, x, attn);
  }

  @Override
  public void encode(Seen seen, ImageCuts cuts, TensorArena work) {
    ImageCuts.GoOn goOn = cuts.goingOn(List.of(seen.x(), seen.attn()));
    int rows = goOn.count();
    Tensor x = goOn.tensors().get(0);
    if (goOn.rows() != null) {
      x = work.empty("vision rows", dtype, rows, x.width());
    }
    Tensor mlp = work.empty("vision mlp", dtype, rows, config.intermediateSize());
    var statistics = Statistics.of(device, work, rows, config.hiddenSize());
    finish(tower.blocks().getLast(), x, mlp, goOn, statistics, null);
    project(cuts.beforeProjector(x.rows(cuts.dropped(), x.rows())), cuts, work);
  }

  /**
   * The second half of a block: output projection, norm, MLP.
   *
   * @param from rows before the block and their attention, and which of them go on
   * @param leaving where the statistics of {@code x} are left; null if nobody asks
   */
  private void finish(
      ClipTower.Block block,
      Tensor x,
      Tensor mlp,
      ImageCuts.GoOn from,
      Statistics statistics,
      Statistics leaving) {
    var made = new ProductRows(null, from.rows(), statistics.of(x));
    Tensor attn = from.tensors().get(1);
    device.gemm(x, attn, block.out(), null, Activation.NONE, from.tensors().get(0), made);
    var knowing = ProductRows.knowing(statistics.of(x));
    device.gemm(mlp, x, block.fc1(), block.norm2(), tower.activation(), null, knowing);
    var left = ProductRows.leaving(leaving == null ? null : leaving.of(x));
    device.gemm(x, mlp, block.fc2(), null, Activation.NONE, x, left);
  }

  /** CLS and the patches of each crop, each with its position, and the norm before the blocks. */
  private void embed(Tensor x, List<Tensor> crops, TensorArena work) {
    int rows = tower.positions().rows();
    int patch = config.patchSize();
    Tensor patches = work.empty("patches", dtype, rows - 1, 3 * patch * patch);
    Tensor positions = tower.positions().rows(1, rows);
    for (int c = 0; c < crops.size(); c++) {
      Tensor own = x.rows(c * rows, (c + 1) * rows);
      device.patchify(patches, crops.get(c), patch);
      device.embed(own.rows(0, 1), tower.row0(), tower.classRow());
      device.gemm(
          own.rows(1, rows),
          patches,
          tower.patchEmbedding(),
          null,
          Activation.NONE,
          positions,
          ProductRows.NONE);
    }
    device.layernorm(x, x, tower.preNorm());
  }

  /** Queries, keys and values side by side, as the product of a block writes them. */
  private AttentionInputs inputs(Tensor qkv, int wide, Segments crops) {
    Tensor k = heads(qkv.columns(wide, 2 * wide));
    Tensor v = heads(qkv.columns(2 * wide, 3 * wide));
    float scale = (float) (1 / Math.sqrt(config.headDim()));
    return new AttentionInputs(heads(qkv.columns(0, wide)), new Kv(k, v, crops), Mask.NONE, scale);
  }

  private Tensor heads(Tensor rows) {
    return rows.split(config.numAttentionHeads(), device.headSize(config.headDim()));
  }

  private void project(Tensor feature, ImageCuts cuts, TensorArena work) {
    Tensor h = work.empty("projector", dtype, feature.rows(), tower.linear1().out());
    device.gemm(h, feature, tower.linear1(), null, Activation.GELU, null, ProductRows.NONE);
    int newlines = cuts.tokens().tableRows();
    Tensor rows = cuts.projected(newlines + feature.rows());
    if (newlines > 0) {
      Tensor first = work.alloc("newlines", DType.I32, newlines); // zeros: the table's only row
      device.embed(rows.rows(0, newlines), first, newline);
    }
    Tensor patches = rows.rows(newlines, rows.rows());
    device.gemm(patches, h, tower.linear2(), null, Activation.NONE, null, ProductRows.NONE);
    cuts.intoDecoder(rows);
  }

  /** Operations of one block on n rows, by {@link Flops#FORMULA}. */
  public static double blockFlops(ClipConfig c, double n) {
    double d = c.hiddenSize();
    return 8 * n * d * d + 4 * n * n * d + 4 * n * d * c.intermediateSize();
  }
}
