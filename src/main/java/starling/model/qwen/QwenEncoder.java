package starling.model.qwen;

import java.util.List;
import starling.checkpoint.QwenVisionConfig;
import starling.checkpoint.QwenVisionWeights;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.ProductRows;
import starling.device.Segments;
import starling.device.Statistics;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.model.ImageCuts;
import starling.model.ImageEncoder;
import starling.prune.ImageTokens;

/**
 * The tower and the merger: pixels to rows of the decoder. The rows of the tower stand window by
 * window, so that a window is a segment of one call; blocks that attend to the whole image read
 * them in the same order. Behind the last attention they are put back in raster order.
 */
final class QwenEncoder implements ImageEncoder {
  private final Device device;
  private final DType dtype;
  private final QwenVisionConfig config;
  private final QwenTower tower;

  QwenEncoder(
      Device device,
      TensorArena arena,
      DType dtype,
      QwenVisionConfig config,
      QwenVisionWeights weights) {
    this.device = device;
    this.dtype = dtype;
    this.config = config;
    this.tower = QwenTower.load(device, arena, dtype, config, weights);
  }

  @Override
  public Seen see(
      List<Tensor> pixels, ImageTokens tokens, Segments crops, TensorArena own, TensorArena work) {
    ImageTokens.Crop grid = tokens.crops().get(0);
    var windows = Windows.of(grid.rows(), grid.columns(), config.windowCells());
    var tables = WindowTables.of(device, work, windows, config.headDim());
    int rows = grid.patches();
    int head = device.headSize(config.headDim());
    int wide = config.numHeads() * head;
    Tensor x = own.empty("vision rows", dtype, rows, config.hiddenSize());
    embed(x, pixels.get(0), tables.patches(), work);
    Tensor qkv = work.empty("vision qkv", dtype, rows, 3 * wide);
    Tensor attn = own.empty("vision attention", dtype, rows, wide);
    Tensor mlp = work.empty("vision mlp", dtype, rows, config.intermediateSize());
    Tensor lse = own.empty("vision lse", DType.F32, config.numHeads(), rows);
    AttentionInputs whole = inputs(rows, wide, head, own);
    var kv = new Kv(whole.kv().k(), whole.kv().v(), tables.windows());
    var inside = new AttentionInputs(whole.q(), kv, Mask.NONE, whole.scale());
    var statistics = Statistics.of(device, work, rows, config.hiddenSize());
    Tensor entering = statistics.of(x);
    if (entering != null) {
      device.rowStatistics(entering, x);
    }
    int last = tower.blocks().size() - 1;
    for (int b = 0; b <= last; b++) {
      QwenTower.Block block = tower.blocks().get(b);
      boolean full = config.fullattBlockIndexes().contains(b);
      var knowing = ProductRows.knowing(statistics.of(x));
      device.gemm(qkv, x, block.qkv(), block.norm1(), Activation.NONE, null, knowing);
      device.rope(whole.q(), whole.kv(), qkv, tables.positions(), tables.rope());
      device.attention(
          attn.split(config.numHeads(), head), b == last ? lse : null, full ? whole : inside);
      if (b < last) {
        finish(block, x, mlp, new ImageCuts.GoOn(List.of(x, attn), null), statistics, statistics);
      }
    }
    return new Seen(whole, lse, x, attn);
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
    merge(x, cuts, work);
  }

  /**
   * The second half of a block: output projection, norm, MLP.
   *
   * @param from rows before the block and their attention, and which of them go on
   * @param leaving where the statistics of {@code x} are left; null if nobody asks
   */
  private void finish(
      QwenTower.Block block,
      Tensor x,
      Tensor mlp,
      ImageCuts.GoOn from,
      Statistics statistics,
      Statistics leaving) {
    var made = new ProductRows(null, from.rows(), statistics.of(x));
    Tensor attn = from.tensors().get(1);
    device.gemm(x, attn, block.proj(), null, Activation.NONE, from.tensors().get(0), made);
    var knowing = ProductRows.knowing(statistics.of(x));
    device.gemm(mlp, x, block.gateUp(), block.norm2(), Activation.SILU_MUL, null, knowing);
    var left = ProductRows.leaving(leaving == null ? null : leaving.of(x));
    device.gemm(x, mlp, block.down(), null, Activation.NONE, x, left);
  }

  /** The patches, in the order of the tower's rows. */
  private void embed(Tensor x, Tensor pixels, Tensor order, TensorArena work) {
    int patch = config.patchSize();
    Tensor raster = work.empty("patches", dtype, x.rows(), 3 * patch * patch);
    Tensor ordered = work.empty("ordered patches", dtype, x.rows(), 3 * patch * patch);
    device.patchify(raster, pixels, patch);
    device.gatherRows(List.of(ordered), List.of(raster), order);
    device.gemm(x, ordered, tower.patchEmbedding(), null, Activation.NONE, null, ProductRows.NONE);
  }

  /** Queries, keys and values of all rows, as {@code rope} writes them. */
  private AttentionInputs inputs(int rows, int wide, int head, TensorArena work) {
    Tensor q = work.empty("vision q", dtype, rows, wide).split(config.numHeads(), head);
    Tensor k = work.empty("vision k", dtype, rows, wide).split(config.numHeads(), head);
    Tensor v = work.empty("vision v", dtype, rows, wide).split(config.numHeads(), head);
    float scale = (float) (1 / Math.sqrt(config.headDim()));
    return new AttentionInputs(q, new Kv(k, v, null), Mask.NONE, scale);
  }

  /** Four rows to one and two products. */
  private void merge(Tensor x, ImageCuts cuts, TensorArena work) {
    device.rmsnorm(x, x, tower.mergerNorm());
    Tensor cells = cuts.beforeProjector(x.fold(config.cellRows()));
    Tensor h = work.empty("merged", dtype, cells.rows(), tower.merge1().out());
    device.gemm(h, cells, tower.merge1(), null, Activation.GELU, null, ProductRows.NONE);
    Tensor rows = cuts.projected(cells.rows());
    device.gemm(rows, h, tower.merge2(), null, Activation.NONE, null, ProductRows.NONE);
    cuts.intoDecoder(rows);
  }
}
