package starling.bench;

import java.util.LinkedHashMap;
import java.util.Map;
import starling.device.Clock;
import starling.device.Work;

/**
 * What was measured of one operator at one size in one cache state.
 *
 * @param op the operator; a user's own kernel: {@code op:entry}
 * @param axes its sizes
 * @param dtype element type
 * @param cache {@code cold}, {@code warm}, or {@code counted} where work is counted instead of time
 * @param time null where nothing was timed
 * @param hostMicros what the call took the host, without waiting; NaN where the call is the work
 * @param bytes that must move
 * @param flops of the definition
 * @param ceiling percent of the measured ceiling, of bytes or FLOPs, whichever binds; NaN if
 *     unknown
 * @param bound {@code bytes} or {@code flops}
 * @param error relative L2 distance from the reference; 0 for whole numbers that agree
 * @param work what the host layer counted, else null
 * @param before clock at the start, null if unknown
 * @param after clock at the end
 * @param failure why there is no figure, else null
 */
record Row(
    String op,
    Map<String, Integer> axes,
    String dtype,
    String cache,
    Samples time,
    double hostMicros,
    long bytes,
    long flops,
    double ceiling,
    String bound,
    double error,
    Work work,
    Clock before,
    Clock after,
    String failure) {

  String sizes() {
    var text = new StringBuilder();
    axes.forEach(
        (axis, n) -> text.append(text.isEmpty() ? "" : " ").append(axis).append('=').append(n));
    return text.toString();
  }

  /** What tells rows of one file apart, and finds the same one in another. */
  String key() {
    return op + " " + sizes() + " " + dtype + " " + cache;
  }

  boolean isOf(String name, Operator.Sizes sizes, starling.device.DType type) {
    return op.equals(name) && axes.equals(sizes.of()) && dtype.equals(type.label());
  }

  double gigabytesPerSecond() {
    return bytes / time.median() / 1e3;
  }

  double teraflops() {
    return flops / time.median() / 1e6;
  }

  static Row failed(
      String op, Map<String, Integer> axes, String dtype, String cache, String failure) {
    return new Row(
        op,
        new LinkedHashMap<>(axes),
        dtype,
        cache,
        null,
        Double.NaN,
        0,
        0,
        Double.NaN,
        "",
        Double.NaN,
        null,
        null,
        null,
        failure);
  }
}
