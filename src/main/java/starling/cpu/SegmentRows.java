package starling.cpu;

import java.util.Arrays;
import starling.device.Segments;
import starling.device.Tensor;

/** The segments of a call that are not idle, read once into arrays that are reused. */
final class SegmentRows {
  private int[] numbers = new int[0];
  private int[] items = new int[1];
  private int count;

  /** Reads a table; without one all rows of the call are a segment. */
  void read(Segments segments, int callRows) {
    Tensor table = segments == null ? null : segments.table();
    int n = table == null ? 1 : table.rows();
    if (items.length <= n) {
      numbers = new int[n * Segments.WIDTH];
      items = new int[n + 1];
    }
    count = 0;
    if (table == null) {
      Arrays.fill(numbers, 0, Segments.WIDTH, 0);
      numbers[Segments.ROWS] = callRows;
      count = callRows == 0 ? 0 : 1;
    }
    for (int s = 0; table != null && s < n; s++) {
      if (Rows.index(table, s, Segments.ROWS) > 0) {
        for (int c = 0; c < Segments.WIDTH; c++) {
          numbers[count * Segments.WIDTH + c] = Rows.index(table, s, c);
        }
        count++;
      }
    }
  }

  int count() {
    return count;
  }

  int get(int segment, int column) {
    return numbers[segment * Segments.WIDTH + column];
  }

  int row(int segment) {
    return get(segment, Segments.ROW);
  }

  int rows(int segment) {
    return get(segment, Segments.ROWS);
  }

  int at(int segment) {
    return get(segment, Segments.AT);
  }

  int length(int segment) {
    return get(segment, Segments.LENGTH);
  }

  /** States that the work of a segment is {@code n} items; segments are stated in order. */
  void items(int segment, int n) {
    items[segment + 1] = items[segment] + n;
  }

  /** Items of all segments. */
  int items() {
    return items[count];
  }

  /** The number that {@code item} has among the items of its segment. */
  int within(int item, int segment) {
    return item - items[segment];
  }

  /** The segment that {@code item} belongs to. */
  int of(int item) {
    int low = 0;
    for (int high = count - 1; low < high; ) {
      int middle = (low + high) >>> 1;
      if (item < items[middle + 1]) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
