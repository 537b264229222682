package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.writable;

/**
 * Arguments of what reads the segment table, and the numbers in it: whose rows and keys lie where,
 * and how the next token of a segment is drawn.
 */
final class SegmentArguments {
  private final TensorChecks check;

  SegmentArguments(TensorChecks check) {
    this.check = check;
  }

  /** A table, and the most rows and keys that a segment of it may have. */
  void table(Segments segments) {
    check.matrix("segments", segments.table(), DType.I32, -1, Segments.WIDTH);
    if (segments.rows() < 0 || segments.keys() < segments.rows()) {
      throw new IllegalArgumentException(
          "segments: %s, of at most %s rows and %s keys each; the keys are at least as many"
              .formatted(segments.table(), segments.rows(), segments.keys()));
    }
    if (segments.count() > Arguments.MAX_SEGMENTS) {
      throw new IllegalArgumentException(
          "segments: " + segments.table() + ", expected at most " + Arguments.MAX_SEGMENTS);
    }
  }

  /** The table of a cache; null if it has none. */
  static Tensor table(Kv kv) {
    return kv.segments() == null ? null : kv.segments().table();
  }

  /** How a sentence about one segment begins. */
  static String named(Tensor table, int s) {
    return "segments: " + table.name() + "[" + s + "]: ";
  }

  // ---- the numbers in a table, where Java can read it ----

  /**
   * The rows of the segments follow each other within {@code q}, their keys lie within the cache,
   * and the bytes of their masks within {@code hidden}, which may be null.
   */
  static void rowsAndKeys(Tensor q, Kv kv, Tensor hidden) {
    Segments segments = kv.segments();
    Tensor table = table(kv);
    long end = 0;
    for (int s = 0; table != null && table.isReadable() && s < table.rows(); s++) {
      int rows = table.index(s, Segments.ROWS);
      if (rows != 0) {
        end = rows(segments, s, q, end);
        keys(segments, s, kv.k());
        mask(table, s, hidden);
      }
    }
  }

  /** Returns where the rows of this segment end. */
  private static long rows(Segments segments, int s, Tensor q, long end) {
    Tensor table = segments.table();
    int rows = table.index(s, Segments.ROWS);
    int row = table.index(s, Segments.ROW);
    if (rows < 0 || rows > segments.rows() || row < end || (long) row + rows > q.rows()) {
      throw new IllegalArgumentException(
          ("%s%s rows (at most %s) from row %s on; they must begin at row %s or later and end"
                  + " within q, where %s")
              .formatted(named(table, s), rows, segments.rows(), row, end, q));
    }
    return (long) row + rows;
  }

  private static void keys(Segments segments, int s, Tensor k) {
    Tensor table = segments.table();
    int rows = table.index(s, Segments.ROWS);
    int at = table.index(s, Segments.AT);
    int capacity = table.index(s, Segments.CAPACITY);
    int length = table.index(s, Segments.LENGTH);
    if (at < 0 || capacity < 0 || (long) at + capacity > k.rows()) {
      throw new IllegalArgumentException(
          named(table, s) + capacity + " keys from " + at + " on are not in k: " + k);
    }
    if (length < 0 || (long) length + rows > Math.min(capacity, segments.keys())) {
      throw new IllegalArgumentException(
          ("%sthere is no room for %s rows behind %s in a capacity of %s," + " of at most %s keys")
              .formatted(named(table, s), rows, length, capacity, segments.keys()));
    }
  }

  private static void mask(Tensor table, int s, Tensor hidden) {
    int first = table.index(s, Segments.HIDDEN);
    long last = (long) first + table.index(s, Segments.CAPACITY);
    if (hidden != null && (first < -1 || (first >= 0 && last > hidden.rows()))) {
      throw new IllegalArgumentException(
          named(table, s) + "bytes " + first + " to " + last + " are not in hidden: " + hidden);
    }
  }

  /** Positions, given or in the table, have angles: they lie below {@code limit}. */
  static void positions(Tensor positions, Segments segments, int limit) {
    if (positions != null) {
      TensorChecks.indices("positions", positions, limit);
      return;
    }
    for (int s = 0; segments.table().isReadable() && s < segments.count(); s++) {
      positions(segments.table(), s, limit);
    }
  }

  private static void positions(Tensor table, int s, int limit) {
    int rows = table.index(s, Segments.ROWS);
    for (int axis = 0; axis < Segments.AXES && rows > 0; axis++) {
      int first = table.index(s, Segments.POSITION + axis);
      if (first < 0 || (long) first + rows > limit) {
        throw new IllegalArgumentException(
            "%s%s rows stand at position %s and behind; there are angles of %s positions"
                .formatted(named(table, s), rows, first, limit));
      }
    }
  }

  // ---- the end of a step ----

  void sample(Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    table(segments);
    int count = segments.count();
    check.matrix("logits", logits, DType.F32, count, -1);
    if (logits.width() < 1 || logits.width() > Arguments.MAX_VOCABULARY) {
      throw new IllegalArgumentException(
          "logits: " + logits + ", expected 1 to " + Arguments.MAX_VOCABULARY + " tokens");
    }
    check.vector("ids", ids, DType.I32, count);
    check.vector("nonFinite", nonFinite, DType.I32, count);
    seen(seen, ids, logits, segments, nonFinite);
    writable("ids", ids);
    apart("ids", ids, "logits", logits);
    apart("ids", ids, "segments", segments.table());
    apart("ids", ids, "nonFinite", nonFinite);
    for (int s = 0; segments.table().isReadable() && s < count; s++) {
      sampling(segments.table(), s, seen != null);
    }
  }

  /** A bit for every token, in memory of its own. */
  private void seen(Tensor seen, Tensor ids, Tensor logits, Segments segments, Tensor nonFinite) {
    if (seen == null) {
      return;
    }
    check.matrix("seen", seen, DType.I32, segments.count(), (logits.width() + 31) / 32);
    writable("seen", seen);
    apart("ids", ids, "seen", seen);
    apart("seen", seen, "logits", logits);
    apart("seen", seen, "segments", segments.table());
    apart("seen", seen, "nonFinite", nonFinite);
  }

  /** A step and a way to draw a token, unless the segment has no rows. */
  private static void sampling(Tensor table, int s, boolean seen) {
    if (table.index(s, Segments.ROWS) == 0) {
      return;
    }
    int step = table.index(s, Segments.STEP);
    float temperature = Float.intBitsToFloat(table.index(s, Segments.TEMPERATURE));
    int topK = table.index(s, Segments.TOP_K);
    float topP = Float.intBitsToFloat(table.index(s, Segments.TOP_P));
    boolean draws = temperature > 0 && topK >= 0 && topP > 0 && topP <= 1;
    if (step < 0 || (temperature != 0 && !draws)) {
      throw new IllegalArgumentException(
          "%sstep %s, temperature %s, top-k %s and top-p %s draw no token"
              .formatted(named(table, s), step, temperature, topK, topP));
    }
    float penalty = Float.intBitsToFloat(table.index(s, Segments.PENALTY));
    if (!(penalty >= 0) || penalty == Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException(
          named(table, s) + "a repetition penalty of " + penalty + "; 0 is none");
    }
    if (penalty != 0 && !seen) {
      throw new IllegalArgumentException(
          named(table, s) + "a repetition penalty of " + penalty + " needs seen");
    }
  }

  void advance(Segments segments) {
    table(segments);
    writable("segments", segments.table());
  }
}
