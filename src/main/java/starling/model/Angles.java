package starling.model;

import java.util.List;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.OutOfMemoryException;
import starling.device.Rope;
import starling.device.StoredTensor;
import starling.device.TensorArena;
import starling.input.Limits;

/**
 * The decoder's rotary embeddings. Contexts are much longer than most answers, so the table grows
 * with what is asked; one that was outgrown stays where it is, because captured work may still read
 * it.
 */
final class Angles {
  /** Angles that are there from the start: all that LLaVA-1.5's context needs. */
  private static final int FIRST = 4096 * 64;

  private final Device device;
  private final TensorArena arena;
  private final TextConfig config;
  private final int half;
  private final int[] sections; // null for positions on one axis
  private Rope table;

  Angles(Device device, TensorArena arena, TextConfig config, int[] sections) {
    this.device = device;
    this.arena = arena;
    this.config = config;
    this.half = config.headDim() / 2;
    this.sections = sections;
    this.table = table(Math.clamp(FIRST / half, 1, config.maxPositionEmbeddings()));
  }

  Rope table() {
    return table;
  }

  /** Makes sure that positions below {@code positions} have angles. */
  void reach(int positions) {
    long most = Math.min(config.maxPositionEmbeddings(), Limits.ROTARY_ANGLES / half);
    if (positions > most) {
      throw new OutOfMemoryException(
          "rotary embeddings of "
              + positions
              + " positions with head_dim "
              + config.headDim()
              + " would not fit into memory; ask for fewer tokens");
    }
    int now = table.cos().rows();
    if (positions > now) {
      table = table((int) Math.min(Math.max(positions, 2L * now), most));
    }
  }

  /** Angles in double, stored f32; one row per position, however few rows a layer may hold. */
  private Rope table(int positions) {
    float[] cos = new float[positions * half];
    float[] sin = new float[positions * half];
    for (int i = 0; i < half; i++) {
      double frequency = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
      for (int p = 0; p < positions; p++) {
        cos[p * half + i] = (float) Math.cos(p * frequency);
        sin[p * half + i] = (float) Math.sin(p * frequency);
      }
    }
    var shape = List.of(positions, half);
    return new Rope(
        device.table(arena, DType.F32, StoredTensor.of("rope cos", shape, cos)),
        device.table(arena, DType.F32, StoredTensor.of("rope sin", shape, sin)),
        sections);
  }
}
