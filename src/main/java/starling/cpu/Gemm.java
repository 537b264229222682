package starling.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import starling.device.Activation;
import starling.device.Norm;
import starling.device.Tensor;

/**
 * {@code y = activation(norm(x)·wᵀ + bias) + residual}. The input is loaded once, by tiles of 6
 * rows whose elements stand side by side. The weights stay as they are stored; a piece of them is
 * widened or decoded and packed when it is needed, {@code [K block, panel width]}, and the tiles
 * run over it. The products of an element are added in order of k, so it has the same bits whatever
 * the blocks, the number of rows or threads. Up to {@link Gemv#ROWS} rows packing the weights does
 * not pay: see {@link Gemv}.
 */
final class Gemm implements Workers.Task {
  // A panel of 128 stays in a first-level cache of 48 KB and fills one of 32 KB, where it is better
  // streamed from the second level in longer blocks; so it is for a few rows, which use it a few
  // times. Measured, like the number of rows.
  private static final int ROOMY_CACHE = 48;
  private static final int SHORT_K_BLOCK = 128;
  private static final int K_BLOCK_OF_FEW = 256;
  private static final int LONG_K_BLOCK = 512;
  private static final int MIN_ROW_BLOCK = 96;

  private static final int FIRST_CACHE_KB = firstCacheKb();

  private final Workers workers;
  private final Lanes lanes;
  private final NormRows norms;
  private final Gemv gemv;
  private final float[][] panels;
  private final float[][] sums;
  private final float[][] strips;
  private final float[][] rowScratch;
  private float[] in = new float[0];

  private Tensor y;
  private Tensor x;
  private CpuLinear w;
  private Norm before;
  private Activation activation;
  private Tensor residual;
  private Tensor picked; // i32 [T]: rows of x and of the residual; null for all in order
  private int rows;
  private int columns; // outputs per item
  private int rowBlock;
  private int rowBlocks;
  private int kBlock;

  private final Workers.Task loadRows = this::loadRow;
  private final Workers.Task loadTiles = this::loadTile;

  Gemm(Workers workers, Lanes lanes, NormRows norms) {
    this.workers = workers;
    this.lanes = lanes;
    this.norms = norms;
    this.gemv = new Gemv(workers, lanes);
    this.panels = new float[workers.count()][LONG_K_BLOCK * lanes.panelWidth()];
    this.sums = new float[workers.count()][0];
    this.strips = new float[workers.count()][lanes.strip() * (LONG_K_BLOCK + lanes.strip())];
    this.rowScratch = new float[workers.count()][lanes.panelWidth()];
  }

  /** As Linux names it, {@code 32K}; elsewhere 32, the commoner size. */
  private static int firstCacheKb() {
    try {
      String size = Files.readString(Path.of("/sys/devices/system/cpu/cpu0/cache/index0/size"));
      return Integer.parseInt(size.strip().replaceFirst("K$", ""));
    } catch (IOException | NumberFormatException e) {
      return 32;
    }
  }

  void run(
      Tensor y,
      Tensor x,
      CpuLinear w,
      Norm before,
      Activation activation,
      Tensor residual,
      Tensor picked) {
    this.y = y;
    this.x = x;
    this.w = w;
    this.before = before;
    this.activation = activation;
    this.residual = residual;
    this.picked = picked;
    this.rows = y.rows();
    if (rows <= Gemv.ROWS) {
      gemv.makeRoom(rows, w);
      workers.run(loadRows, rows, 4L * rows * w.in());
      gemv.run(y, activation, residual, picked);
      return;
    }
    int padded = Math.ceilDiv(rows, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    if (in.length < padded * w.in()) {
      in = new float[padded * w.in()];
    }
    workers.run(loadTiles, padded / Lanes.TILE_ROWS, 8L * rows * w.in());
    columns = activation == Activation.SILU_MUL ? lanes.panelWidth() / 2 : lanes.panelWidth();
    int columnBlocks = Math.ceilDiv(y.width(), columns);
    int wanted = Math.max(1, 4 * workers.count() / columnBlocks);
    rowBlock =
        Math.max(MIN_ROW_BLOCK, Math.ceilDiv(padded, wanted * Lanes.TILE_ROWS) * Lanes.TILE_ROWS);
    rowBlocks = Math.ceilDiv(rows, rowBlock);
    kBlock =
        rows < MIN_ROW_BLOCK
            ? K_BLOCK_OF_FEW
            : FIRST_CACHE_KB < ROOMY_CACHE ? LONG_K_BLOCK : SHORT_K_BLOCK;
    workers.run(this, columnBlocks * rowBlocks, (long) rows * w.in() * w.out());
  }

  private void loadRow(int t, int worker) {
    float[] row = Attention.scratch(rowScratch, worker, gemv.padded(w.in()));
    load(t, row, 0, worker);
    gemv.place(row, t);
  }

  /** The row that row {@code t} of the product is made of. */
  static int source(Tensor picked, int t) {
    return picked == null ? t : Rows.index(picked, t);
  }

  /** One row of the input as f32, normalised if asked and rounded as storage would round it. */
  private void load(int t, float[] out, int at, int worker) {
    Rows.load(x, source(picked, t), out, at);
    if (before != null) {
      norms.apply(out, at, w.in(), before, worker);
      Rows.round(out, at, w.in(), x.dtype());
    }
  }

  /** The rows of a tile, element by element side by side; beyond the last row zeros. */
  private void loadTile(int tile, int worker) {
    float[] row = Attention.scratch(rowScratch, worker, w.in());
    int at = tile * Lanes.TILE_ROWS * w.in();
    for (int r = 0; r < Lanes.TILE_ROWS; r++) {
      int t = tile * Lanes.TILE_ROWS + r;
      if (t < rows) {
        load(t, row, 0, worker);
      } else {
        Arrays.fill(row, 0, w.in(), 0);
      }
      for (int i = 0, to = at + r; i < w.in(); i++, to += Lanes.TILE_ROWS) {
        in[to] = row[i];
      }
    }
  }

  @Override
  public void run(int item, int worker) {
    int firstColumn = item / rowBlocks * columns;
    int firstRow = item % rowBlocks * rowBlock;
    int rows = Math.min(rowBlock, this.rows - firstRow);
    int width = lanes.panelWidth();
    int padded = Math.ceilDiv(rows, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    if (sums[worker].length < padded * width) {
      sums[worker] = new float[padded * width];
    }
    float[] c = sums[worker];
    Arrays.fill(c, 0, padded * width, 0);
    for (int k0 = 0; k0 < w.in(); k0 += kBlock) {
      int k = Math.min(kBlock, w.in() - k0);
      pack(firstColumn, k0, k, worker);
      for (int r = 0; r < rows; r += Lanes.TILE_ROWS) {
        int at = (firstRow + r) * w.in() + k0 * Lanes.TILE_ROWS;
        lanes.tile(in, at, 1, Lanes.TILE_ROWS, panels[worker], 0, k, c, r * width, width);
      }
    }
    for (int r = 0; r < rows; r++) {
      finish(c, r * width, firstRow + r, firstColumn, worker);
    }
  }

  /**
   * Columns of the panel are rows of the weight: {@code columns} outputs, or as many gates and as
   * many ups.
   */
  private void pack(int firstColumn, int k0, int k, int worker) {
    float[] strip = strips[worker];
    int stride = k + lanes.strip();
    for (int j0 = 0; j0 < lanes.panelWidth(); j0 += lanes.strip()) {
      for (int j = 0; j < lanes.strip(); j++) {
        int output = firstColumn + (j0 + j) % columns;
        if (output < y.width()) {
          int row = output + (j0 + j) / columns * y.width();
          w.load(lanes, row, k0, k, strip, j * stride);
        } else {
          Arrays.fill(strip, j * stride, j * stride + k, 0);
        }
      }
      lanes.transpose(strip, stride, k, panels[worker], j0);
    }
  }

  /** Bias, activation, residual, and the one rounding. */
  private void finish(float[] c, int at, int row, int firstColumn, int worker) {
    int n = Math.min(columns, y.width() - firstColumn);
    if (w.isBiased()) {
      for (int i = 0; i < n; i++) {
        c[at + i] += w.bias(firstColumn + i);
      }
      for (int i = 0; i < n && activation == Activation.SILU_MUL; i++) {
        c[at + columns + i] += w.bias(y.width() + firstColumn + i);
      }
    }
    activate(lanes, activation, c, at, at + columns, n, rowScratch[worker]);
    if (residual != null) {
      Rows.load(residual, source(picked, row), firstColumn, n, rowScratch[worker], 0);
      for (int i = 0; i < n; i++) {
        c[at + i] += rowScratch[worker][i];
      }
    }
    Rows.store(c, at, y, row, firstColumn, n);
  }

  /**
   * Applies an activation to {@code n} values at {@code at}.
   *
   * @param up where the ups of SILU_MUL stand, whose gates are at {@code at}
   * @param scratch room for {@code n} values
   */
  static void activate(
      Lanes lanes, Activation activation, float[] c, int at, int up, int n, float[] scratch) {
    switch (activation) {
      case NONE -> {}
      case QUICK_GELU -> silu(lanes, c, at, n, 1.702f, scratch);
      case GELU -> {
        for (int i = at; i < at + n; i++) {
          c[i] = (float) (0.5 * c[i] * (1 + Erf.of(c[i] * Math.sqrt(0.5))));
        }
      }
      case SILU_MUL -> {
        silu(lanes, c, at, n, 1, scratch);
        for (int i = 0; i < n; i++) {
          c[at + i] *= c[up + i];
        }
      }
    }
  }

  /** {@code c = c / (1 + exp(-steepness·c))}. */
  private static void silu(
      Lanes lanes, float[] c, int at, int n, float steepness, float[] scratch) {
    System.arraycopy(c, at, scratch, 0, n);
    lanes.exp2(scratch, 0, n, -steepness * Lanes.LOG2_E, 0);
    for (int i = 0; i < n; i++) {
      c[at + i] /= 1 + scratch[i];
    }
  }
}
