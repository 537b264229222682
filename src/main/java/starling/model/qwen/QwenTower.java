package starling.model.qwen;

import java.util.List;
import starling.checkpoint.QwenVisionConfig;
import starling.checkpoint.QwenVisionWeights;
import starling.device.DType;
import starling.device.Device;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.StoredTensor;
import starling.device.TensorArena;

/** The weights of Qwen2.5-VL's tower and of the merger behind it, on a device. */
record QwenTower(
    Linear patchEmbedding, List<Block> blocks, Norm mergerNorm, Linear merge1, Linear merge2) {
  private static final float EPS = 1e-6f; // transformers has no field for it

  /** A transformer block; {@code qkv} makes queries, keys and values at once. */
  record Block(Norm norm1, Linear qkv, Linear proj, Norm norm2, Linear gateUp, Linear down) {}

  static QwenTower load(
      Device device, TensorArena arena, DType dtype, QwenVisionConfig config, QwenVisionWeights w) {
    var load = new Loading(device, arena, dtype, config.headDim());
    return new QwenTower(
        load.linear(w.patchEmbedding(), null),
        w.blocks().stream().map(load::block).toList(),
        load.norm(w.mergerNorm()),
        load.linear(w.merger().linear1Weight(), w.merger().linear1Bias()),
        load.linear(w.merger().linear2Weight(), w.merger().linear2Bias()));
  }

  private record Loading(Device device, TensorArena arena, DType dtype, int head) {
    Block block(QwenVisionWeights.Block b) {
      var qkv = new Linear.Source(List.of(b.qkvWeight()), List.of(b.qkvBias()), head, 0);
      var proj = new Linear.Source(List.of(b.projWeight()), List.of(b.projBias()), 0, head);
      var gateUp =
          new Linear.Source(
              List.of(b.gateWeight(), b.upWeight()), List.of(b.gateBias(), b.upBias()), 0, 0);
      return new Block(
          norm(b.norm1()),
          device.linear(arena, dtype, qkv),
          device.linear(arena, dtype, proj),
          norm(b.norm2()),
          device.linear(arena, dtype, gateUp),
          linear(b.downWeight(), b.downBias()));
    }

    Linear linear(StoredTensor weight, StoredTensor bias) {
      return device.linear(arena, dtype, Linear.Source.of(weight, bias));
    }

    Norm norm(StoredTensor weight) {
      return new Norm(device.table(arena, dtype, weight), null, EPS);
    }
  }
}
