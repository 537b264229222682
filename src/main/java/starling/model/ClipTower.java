package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.ClipWeights;
import starling.checkpoint.ProjectorWeights;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Device;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The weights of a CLIP tower and of the projector behind it, on a device.
 *
 * @param classRow {@code [1, D]}, its position added
 * @param positions {@code [N + 1, D]}
 * @param row0 i32 {@code [1]}: 0
 */
record ClipTower(
    Tensor classRow,
    Tensor positions,
    Linear patchEmbedding,
    Norm preNorm,
    List<Block> blocks,
    Activation activation,
    Linear linear1,
    Linear linear2,
    Tensor row0) {

  /** A transformer block; {@code qkv} makes queries, keys and values at once. */
  record Block(Norm norm1, Linear qkv, Linear out, Norm norm2, Linear fc1, Linear fc2) {}

  static ClipTower load(
      Device device,
      TensorArena arena,
      DType dtype,
      ClipConfig config,
      ClipWeights w,
      ProjectorWeights p) {
    var load = new Loading(device, arena, dtype, config);
    Tensor classRow = device.table(arena, dtype, classRow(w));
    Tensor positions = device.table(arena, dtype, w.positionEmbedding());
    Linear patchEmbedding = load.linear(w.patchEmbedding(), null);
    Norm preNorm = load.norm(w.preNormWeight(), w.preNormBias());
    var blocks = new ArrayList<Block>();
    for (ClipWeights.Block b : w.blocks()) {
      blocks.add(load.block(b));
    }
    return new ClipTower(
        classRow,
        positions,
        patchEmbedding,
        preNorm,
        List.copyOf(blocks),
        config.hiddenAct().equals("gelu") ? Activation.GELU : Activation.QUICK_GELU,
        load.linear(p.linear1Weight(), p.linear1Bias()),
        load.linear(p.linear2Weight(), p.linear2Bias()),
        arena.alloc("row 0", DType.I32, 1));
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

  private record Loading(Device device, TensorArena arena, DType dtype, ClipConfig config) {
    Block block(ClipWeights.Block b) {
      int d = config.headDim();
      var qkv =
          new Linear.Source(
              List.of(b.qWeight(), b.kWeight(), b.vWeight()),
              List.of(b.qBias(), b.kBias(), b.vBias()),
              d,
              0);
      var out = new Linear.Source(List.of(b.outWeight()), List.of(b.outBias()), 0, d);
      return new Block(
          norm(b.norm1Weight(), b.norm1Bias()),
          device.linear(arena, dtype, qkv),
          device.linear(arena, dtype, out),
          norm(b.norm2Weight(), b.norm2Bias()),
          linear(b.fc1Weight(), b.fc1Bias()),
          linear(b.fc2Weight(), b.fc2Bias()));
    }

    Linear linear(StoredTensor weight, StoredTensor bias) {
      return device.linear(arena, dtype, Linear.Source.of(weight, bias));
    }

    Norm norm(StoredTensor weight, StoredTensor bias) {
      return new Norm(
          device.table(arena, dtype, weight),
          device.table(arena, dtype, bias),
          config.layerNormEps());
    }
  }
}
