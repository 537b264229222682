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
  private final int[] firstRow; // of a part, among the rows of all
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
    this.firstRow = new int[rows.length];
    for (int part = 1; part < rows.length; part++) {
      firstRow[part] = firstRow[part - 1] + rows[part - 1].rows();
    }
    this.blocks = formats.stream().map(f -> f.isPlain() ? null : f).toArray(WeightFormat[]::new);
  }

  CpuLinear(Tensor weight, Tensor bias) {
    super(weight, bias);
    this.rows = new Tensor[] {weight};
    this.firstRow = new int[1];
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
    int part = part(output);
    int row = output - firstRow[part];
    Tensor stored = rows[part];
    if (blocks[part] == null) {
      lanes.load(stored, row, from, n, out, at);
    } else {
      blocks[part].decode(stored.memory(), stored.offset(row), from, n, out, at);
    }
  }

  /** Whether rows of a part can be taken as they are stored. */
  boolean isReadable(Lanes lanes) {
    for (int part = 0; part < rows.length; part++) {
      if (readable(lanes, firstRow[part], 1) > 0) {
        return true;
      }
    }
    return false;
  }

  /** How many elements of rows {@code output … output + n} can be taken as they are stored. */
  int readable(Lanes lanes, int output, int n) {
    int part = part(output);
    int row = output - firstRow[part];
    return blocks[part] == null && row + n <= rows[part].rows() ? lanes.readable(rows[part]) : 0;
  }

  /** {@link Lanes#multiply} of rows from {@code output} on, as they are stored. */
  void multiply(
      Lanes lanes,
      float[] x,
      int xAt,
      int count,
      int output,
      int from,
      int n,
      float[] sums,
      int to) {
    int part = part(output);
    lanes.multiply(x, xAt, count, rows[part], output - firstRow[part], from, n, sums, to);
  }

  private int part(int output) {
    int part = 0;
    while (part + 1 < rows.length && output >= firstRow[part + 1]) {
      part++;
    }
    return part;
  }
}
