package starling.bench;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.LinkedHashMap;
import java.util.Map;
import starling.cuda.Clock;
import starling.cuda.Work;
import starling.device.DType;

/**
 * What was measured of one operator at one size in one cache state.
 *
 * @param op the operator; a user's own kernel: {@code op:entry}
 * @param axes its sizes
 * @param dtype element type
 * @param cache what it was measured with
 * @param time null where nothing was timed
 * @param hostMicros what the call took the host, without waiting; NaN where the call is the work
 * @param bytes that must move
 * @param flops of the definition
 * @param ceiling percent of the measured ceiling, of bytes or FLOPs, whichever binds; NaN if
 *     unknown
 * @param bound {@code bytes} or {@code flops}
 * @param error relative L2 distance from the reference; 0 for whole numbers that agree
 * @param stopped why no more samples were taken; null where nothing was timed
 * @param work what the host layer counted, else null
 * @param before clock at the start, null if unknown
 * @param after clock at the end
 * @param failure why there is no figure, else null
 */
record Row(
    String op,
    Map<String, Integer> axes,
    DType dtype,
    CacheState cache,
    Samples time,
    double hostMicros,
    long bytes,
    long flops,
    double ceiling,
    String bound,
    double error,
    String stopped,
    Work work,
    Clock before,
    Clock after,
    String failure) {

  String sizes() {
    return new Operator.Sizes(axes).toString();
  }

  /** What tells rows of one file apart, and finds the same one in another. */
  String key() {
    return op + " " + sizes() + " " + dtype.label() + " " + cache.label();
  }

  boolean isOf(Case c) {
    return op.equals(c.name()) && axes.equals(c.sizes().of()) && dtype == c.dtype();
  }

  /** Everything but what was asked for, unrounded, under names that never change. */
  Map<String, Object> figures() {
    var f = new LinkedHashMap<String, Object>();
    boolean timed = time != null;
    f.put("median_us", timed ? time.median() : null);
    f.put("p5_us", timed ? time.percentile(5) : null);
    f.put("p95_us", timed ? time.percentile(95) : null);
    f.put("min_us", timed ? time.min() : null);
    f.put("spread", timed ? time.spread() : null);
    f.put("samples", timed ? time.micros().length : null);
    f.put("precision", timed ? time.interval().precision() : null);
    f.put("stopped", stopped);
    f.put("bytes", failure == null ? bytes : null);
    f.put("gb_per_s", timed ? gigabytesPerSecond() : null);
    f.put("flops", failure == null ? flops : null);
    f.put("tflop_per_s", timed && flops > 0 ? teraflops() : null);
    f.put("percent_of_ceiling", ceiling);
    f.put("bound", bound);
    f.put("error", error);
    f.put("host_us", hostMicros);
    f.put("mhz_before", before == null ? null : before.mhz());
    f.put("mhz_after", after == null ? null : after.mhz());
    f.put("throttled", before == null ? null : held());
    f.put("kernels", work == null ? null : String.join(" ", work.kernels()));
    f.put("launches", work == null ? null : work.launches());
    f.put("blocks", work == null ? null : work.blocks());
    f.put("barriers", work == null ? null : work.barriers());
    f.put("read_bytes", work == null ? null : work.read());
    f.put("written_bytes", work == null ? null : work.written());
    f.put("counted_flops", work == null ? null : work.flops());
    f.put("failure", failure);
    return f;
  }

  /** Whether something held the clock down, before or after. */
  boolean held() {
    return before.throttled() || (after != null && after.throttled());
  }

  double gigabytesPerSecond() {
    return bytes / time.median() / 1e3;
  }

  double teraflops() {
    return flops / time.median() / 1e6;
  }

  Row failed(String why) {
    return failed(op, axes, dtype, cache, why);
  }

  static Row failed(
      String op, Map<String, Integer> axes, DType dtype, CacheState cache, String failure) {
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
        null,
        failure);
  }

  /** Two digits that matter, without zeros behind them. */
  static String shortest(double x) {
    return Double.isInfinite(x)
        ? "more than can be said"
        : new BigDecimal(x).round(new MathContext(2)).stripTrailingZeros().toPlainString();
  }
}
