package starling.model;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * A run of rows that is parted among layers, one behind the other.
 *
 * @param from the first row
 * @param capacity rows of each layer
 */
record LayerRows(int from, int[] capacity) {
  LayerRows {
    capacity = capacity.clone();
  }

  /** The row behind the last. */
  int to() {
    return from + total();
  }

  /** Rows of all layers. */
  int total() {
    return Arrays.stream(capacity).reduce(0, Math::addExact);
  }

  /** Where a layer begins, counted from the first row. */
  int first(int layer) {
    return IntStream.range(0, layer).map(l -> capacity[l]).sum();
  }

  /** Whether no layer of {@code other} has fewer rows. */
  boolean fitsInto(int[] other) {
    return other.length == capacity.length
        && IntStream.range(0, other.length).allMatch(l -> other[l] >= capacity[l]);
  }

  @Override
  public String toString() {
    return Arrays.toString(capacity) + " rows";
  }
}
