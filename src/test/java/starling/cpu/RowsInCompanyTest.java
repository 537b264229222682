package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import starling.device.Activation;
import starling.device.DType;
import starling.device.EightBits;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.StoredTensor;
import starling.device.Tensor;

/**
 * The products of a decode step: a row has the same bits alone and among any others of a call, so
 * an answer does not depend on the questions that are answered beside it.
 */
class RowsInCompanyTest extends CpuOperators {
  private static final int MOST = 16;

  /**
   * Outputs and elements: whole vectors and blocks; a few of each too many; several pieces of k.
   */
  private static final int[][] SIZES = {{64, 96}, {37, 32}, {5, 43}, {1, 7}, {41, 2144}};

  private static Stream<Arguments> products() {
    return Stream.of("f32", "bf16", "f16", "blocks")
        .flatMap(
            format ->
                Stream.of(Activation.NONE, Activation.SILU_MUL)
                    .map(activation -> Arguments.of(format, activation)));
  }

  @ParameterizedTest
  @MethodSource("products")
  void aRowsBitsAreThoseItHasAlone(String format, Activation activation) {
    for (int[] size : SIZES) {
      if (format.equals("blocks") && size[1] % 32 != 0) {
        continue;
      }
      for (CpuDevice device : devices()) {
        Linear w = weights(device, format, activation == Activation.SILU_MUL, size[0], size[1]);
        check(device, w, activation, size[0], size[1]);
      }
    }
  }

  /** Two matrices, so that rows that are multiplied together may lie in both, and a bias. */
  private Linear weights(CpuDevice device, String format, boolean gated, int out, int in) {
    int rows = gated ? 2 * out : out;
    int first = (rows + 1) / 3;
    return first == 0
        ? device.linear(arena, type(format), Linear.Source.of(stored(format, rows, in), null))
        : device.linear(
            arena,
            type(format),
            new Linear.Source(
                List.of(stored(format, first, in), stored(format, rows - first, in)),
                List.of(
                    StoredTensor.of("b", List.of(first), gaussians(first, 1)),
                    StoredTensor.of("b", List.of(rows - first), gaussians(rows - first, 1))),
                0,
                0));
  }

  private static DType type(String format) {
    return format.equals("blocks") ? DType.BF16 : DType.of(format);
  }

  private StoredTensor stored(String format, int rows, int in) {
    StoredTensor plain = StoredTensor.of("w", List.of(rows, in), gaussians(rows * in, 0.2));
    return format.equals("blocks") ? EightBits.of(plain) : plain;
  }

  private void check(CpuDevice device, Linear w, Activation activation, int out, int in) {
    DType dtype = w.activations();
    Tensor x = table(dtype, in);
    Tensor scale = arena.alloc("scale", dtype, in);
    Rows.store(gaussians(in, 1), 0, scale, 0, 0, in);
    var norm = new Norm(scale, null, 1e-5f);
    Tensor residual = table(dtype, out);
    float[][] alone = new float[MOST][];
    for (int row = 0; row < MOST; row++) {
      alone[row] = product(device, w, activation, x.rows(row, row + 1), norm, residual, row, out);
    }
    for (int rows = 2; rows <= MOST; rows++) {
      int first = MOST - rows;
      float[] y = product(device, w, activation, x.rows(first, MOST), norm, residual, first, out);
      for (int row = 0; row < rows; row++) {
        float[] own = Arrays.copyOfRange(y, row * out, (row + 1) * out);
        assertArrayEquals(alone[first + row], own, rows + " rows, row " + row);
      }
    }
  }

  private float[] product(
      CpuDevice device,
      Linear w,
      Activation activation,
      Tensor x,
      Norm norm,
      Tensor residual,
      int first,
      int out) {
    Tensor y = arena.alloc("y", w.activations(), x.rows(), out);
    device.gemm(y, x, w, norm, activation, residual.rows(first, first + x.rows()));
    float[] values = new float[x.rows() * out];
    for (int row = 0; row < x.rows(); row++) {
      Rows.load(y, row, values, row * out);
    }
    return values;
  }

  private Tensor table(DType dtype, int width) {
    Tensor t = arena.alloc("t", dtype, MOST, width);
    for (int row = 0; row < MOST; row++) {
      Rows.store(gaussians(width, 1), 0, t, row, 0, width);
    }
    return t;
  }
}
