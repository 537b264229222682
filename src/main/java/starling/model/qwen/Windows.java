package starling.model.qwen;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.prune.ImageTokens;

/**
 * The order of an image's visual tokens in the tower: window by window in raster order, and in
 * raster order inside each. Windows at the right and lower border are cut, not padded.
 *
 * @param rows of the grid of visual tokens
 * @param columns of the grid of visual tokens
 * @param order {@code [rows·columns]}: the token, in raster order, that stands at each place
 * @param sizes tokens of each window
 */
record Windows(int rows, int columns, int[] order, int[] sizes) {

  /**
   * @param side tokens along a side of a window
   */
  static Windows of(int rows, int columns, int side) {
    int[] order = new int[rows * columns];
    int down = Math.ceilDiv(rows, side);
    int across = Math.ceilDiv(columns, side);
    int[] sizes = new int[down * across];
    int place = 0;
    for (int window = 0; window < sizes.length; window++) {
      int from = place;
      int top = window / across * side;
      int left = window % across * side;
      for (int y = top; y < Math.min(top + side, rows); y++) {
        for (int x = left; x < Math.min(left + side, columns); x++) {
          order[place++] = y * columns + x;
        }
      }
      sizes[window] = place - from;
    }
    return new Windows(rows, columns, order, sizes);
  }

  /** The visual tokens of the image, of four rows of the tower each. */
  ImageTokens tokens() {
    int n = order.length;
    int[] sources = new int[4 * n];
    for (int place = 0; place < n; place++) {
      for (int s = 0; s < 4; s++) {
        sources[4 * order[place] + s] = 4 * place + s;
      }
    }
    int[] raster = IntStream.range(0, n).toArray();
    var crop = new ImageTokens.Crop(rows, columns, 0, 0, 4 * n);
    return new ImageTokens(
        List.of(crop), n, raster, new int[n], raster.clone(), sources, new int[0]);
  }

  /** {@code [4·n]}: the patch, in raster order, that stands in each row of the tower. */
  int[] patches() {
    int wide = 2 * columns;
    return IntStream.range(0, 4 * order.length).map(r -> y(r) * wide + x(r)).toArray();
  }

  /** {@code [3, 4·n]}: row and column of the patch in each row of the tower, and 0. */
  int[] positions() {
    int n = 4 * order.length;
    int[] positions = new int[3 * n];
    Arrays.setAll(positions, i -> i < n ? y(i) : i < 2 * n ? x(i - n) : 0);
    return positions;
  }

  private int y(int row) {
    return 2 * (order[row / 4] / columns) + row % 4 / 2;
  }

  private int x(int row) {
    return 2 * (order[row / 4] % columns) + row % 2;
  }

  /** Σ n² over the windows of n rows of the tower. */
  double squares() {
    return IntStream.of(sizes).mapToDouble(s -> 16.0 * s * s).sum();
  }
}
