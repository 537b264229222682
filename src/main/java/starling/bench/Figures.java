package starling.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.input.InputException;

/**
 * What a row of a file says: times by round, counters, or neither where it failed.
 *
 * @param times null where nothing was timed
 */
record Figures(Samples times, Map<String, Long> counters) {
  private static final List<String> COUNTERS =
      List.of("launches", "blocks", "barriers", "read", "written", "flops");

  /** No sample is longer, in microseconds: eleven days. */
  private static final double MAX_MICROS = 1e12;

  /** Samples and the median that was written beside them differ by less, if of one unit. */
  private static final double UNIT = 100;

  /**
   * @param file for what is said of a row that cannot be read
   * @throws InputException if it holds what is no time or no count
   */
  static Figures of(Object file, JsonNode row) {
    JsonNode own = row.path("starling");
    String name = file + ": " + own.path("key").asText();
    own.fieldNames().forEachRemaining(field -> checkUnit(name, field));
    Samples times = samples(name, own.path("samples_us"));
    Map<String, Long> counters = counters(name, own.path("work"));
    if (row.path("is_skipped").asBoolean()) {
      return new Figures(null, Map.of());
    }
    if (times == null && counters.isEmpty()) {
      throw new InputException(name + ": neither samples_us nor work, and no skip_reason");
    }
    if (times != null) {
      checkMedian(name, times, own.path("median_us"));
    }
    return new Figures(times, counters);
  }

  private static void checkUnit(String name, String field) {
    if (field.startsWith("samples_") && !field.equals("samples_us")) {
      throw new InputException(
          name + ": " + field + ", and times are compared in microseconds, samples_us");
    }
  }

  private static void checkMedian(String name, Samples times, JsonNode median) {
    if (median.isNumber()) {
      double ratio = times.median() / median.asDouble();
      if (!(ratio < UNIT && ratio > 1 / UNIT)) { // nor NaN
        throw new InputException(
            name + ": samples_us are of another unit than median_us, " + median.asText());
      }
    }
  }

  private static Map<String, Long> counters(String name, JsonNode work) {
    var counters = new LinkedHashMap<String, Long>();
    if (work.isMissingNode()) {
      return counters;
    }
    for (String counter : COUNTERS) {
      JsonNode value = work.path(counter);
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
        throw new InputException(name + ": work." + counter + " is no count: " + value);
      }
      counters.put(counter, value.asLong());
    }
    return counters;
  }

  /** By round; null where nothing was timed. */
  static Samples samples(String name, JsonNode list) {
    if (list.isMissingNode()) {
      return null;
    }
    if (!list.isArray() || list.isEmpty()) {
      throw new InputException(name + ": no samples");
    }
    double[][] rounds = new double[list.size()][];
    for (int r = 0; r < rounds.length; r++) {
      rounds[r] = round(name, list.get(r));
    }
    return new Samples(rounds);
  }

  private static double[] round(String name, JsonNode round) {
    if (!round.isArray() || round.isEmpty()) {
      throw new InputException(name + ": a round without samples");
    }
    double[] micros = new double[round.size()];
    for (int i = 0; i < micros.length; i++) {
      JsonNode sample = round.get(i);
      double x = sample.asDouble(Double.NaN);
      if (!sample.isNumber() || !(x > 0 && x <= MAX_MICROS)) { // nor NaN
        throw new InputException(name + ": a sample is no time: " + sample);
      }
      micros[i] = x;
    }
    return micros;
  }

  double median() {
    return times == null ? Double.NaN : times.median();
  }

  /** The row failed. */
  boolean none() {
    return times == null && counters.isEmpty();
  }

  /** What the other has and this one lacks is a failure of this one. */
  boolean lacks(Figures other) {
    return (times == null && other.times != null)
        || (counters.isEmpty() && !other.counters.isEmpty());
  }
}
