package starling.cpu;

import java.util.List;
import starling.device.DType;
import starling.device.Linear;
import starling.device.Tensor;
import starling.device.WeightFormat;

/**
 * A matrix that stays as it is stored: rows of a plain type are widened, rows of blocks decoded, by
 * whoever needs them.
 */
final class CpuLinear extends Linear {
  private final Tensor[] rows;
  private final WeightFormat[] blocks; // null where a part is of a plain type

  CpuLinear(
      String name,
      DType activations,
      int in,
      List<Tensor> parts,
      List<WeightFormat> formats,
      Tensor bias) {
    super(name, activations, in, parts, formats, bias);
    this.rows = parts.toArray(Tensor[]::new);
    this.blocks = formats.stream().map(f -> f.isPlain() ? null : f).toArray(WeightFormat[]::new);
  }

  CpuLinear(Tensor weight, Tensor bias) {
    super(weight, bias);
    this.rows = new Tensor[] {weight};
    this.blocks = new WeightFormat[1];
  }

  float bias(int output) {
    return bias() == null ? 0 : Rows.get(bias(), output, 0);
  }

  boolean isBiased() {
    return bias() != null;
  }

  /** Elements {@code from … from + n} of row {@code output} over all parts, as f32. */
  void load(Lanes lanes, int output, int from, int n, float[] out, int at) {
    int part = 0;
    int row = output;
    while (row >= rows[part].rows()) {
      row -= rows[part].rows();
      part++;
    }
    Tensor stored = rows[part];
    if (blocks[part] == null) {
      lanes.load(stored, row, from, n, out, at);
    } else {
      blocks[part].decode(stored.memory(), stored.offset(row), from, n, out, at);
    }
  }

  /**
   * {@code x} times row {@code output}, the same bits as if that had been loaded first.
   *
   * @param scratch room for the row
   */
  float dot(Lanes lanes, float[] x, int output, float[] scratch) {
    int part = 0;
    int row = output;
    while (row >= rows[part].rows()) {
      row -= rows[part].rows();
      part++;
    }
    Tensor stored = rows[part];
    if (blocks[part] == null) {
      return lanes.dot(x, 0, stored, row, scratch);
    }
    blocks[part].decode(stored.memory(), stored.offset(row), 0, in(), scratch, 0);
    return lanes.dot(x, 0, scratch, 0, in());
  }
}
