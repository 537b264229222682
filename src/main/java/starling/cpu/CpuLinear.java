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
   * Products of packed rows with rows of outputs from {@code output} on as they are stored: see
   * {@link Lanes#multiply}.
   *
   * @return how many elements of a row were taken, none where the rows must be loaded first
   */
  int multiply(Lanes lanes, float[] x, int xAt, int count, int output, float[] sums, int sumsAt) {
    int part = 0;
    int row = output;
    while (row >= rows[part].rows()) {
      row -= rows[part].rows();
      part++;
    }
    if (blocks[part] != null || row + Lanes.outputs(count) > rows[part].rows()) {
      return 0;
    }
    return lanes.multiply(x, xAt, count, rows[part], row, sums, sumsAt);
  }
}
