package starling.server;

import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.function.ToLongFunction;
import starling.Load;
import starling.Model;

/** What Prometheus is told. */
final class ServerMetrics {
  private static final double[] SECONDS = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300
  };

  private final PrometheusRegistry registry = new PrometheusRegistry();
  private final PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
  private final Counter requests;
  private final Counter tokens;
  private final Counter visualTokens;
  private final Histogram seconds;
  private final Histogram firstToken;

  ServerMetrics(Model model) {
    requests =
        Counter.builder()
            .name("starling_requests")
            .help("Requests, by path and status.")
            .labelNames("path", "status")
            .register(registry);
    tokens =
        Counter.builder()
            .name("starling_tokens")
            .help("Tokens of prompts, visual ones before any are dropped, and of answers.")
            .labelNames("kind")
            .register(registry);
    visualTokens =
        Counter.builder()
            .name("starling_visual_tokens")
            .help("Visual tokens at the start and behind the two stages.")
            .labelNames("stage")
            .register(registry);
    seconds = histogram("starling_question_seconds", "From the request's arrival to its end.");
    firstToken =
        histogram("starling_first_token_seconds", "From the request's arrival to the first text.");
    gauge("starling_questions_running", "Questions being answered.", model, Load::running);
    gauge("starling_questions_waiting", "Questions in the queue.", model, Load::waiting);
    gauge("starling_cache_bytes", "Keys and values: the pool.", model, Load::cacheBytes);
    gauge(
        "starling_cache_used_bytes",
        "Keys and values: what questions hold of it.",
        model,
        Load::cacheBytesUsed);
  }

  private Histogram histogram(String name, String help) {
    return Histogram.builder()
        .name(name)
        .help(help)
        .classicOnly()
        .classicUpperBounds(SECONDS)
        .register(registry);
  }

  private void gauge(String name, String help, Model model, ToLongFunction<Load> value) {
    GaugeWithCallback.builder()
        .name(name)
        .help(help)
        .callback(callback -> callback.call((double) value.applyAsLong(model.load())))
        .register(registry);
  }

  /** A request has ended. */
  void request(String path, int status) {
    requests.labelValues(path, Integer.toString(status)).inc();
  }

  /** The first text of an answer is there. */
  void firstText(double sinceArrival) {
    firstToken.observe(sinceArrival);
  }

  /** A question has been answered. */
  void answered(Counts counts, double sinceArrival) {
    seconds.observe(sinceArrival);
    tokens.labelValues("prompt").inc(counts.prompt());
    tokens.labelValues("completion").inc(counts.completion());
    visualTokens.labelValues("input").inc(counts.visual().input());
    visualTokens.labelValues("after_stage1").inc(counts.visual().afterStage1());
    visualTokens.labelValues("after_stage2").inc(counts.visual().afterStage2());
  }

  String contentType() {
    return writer.getContentType();
  }

  byte[] text() {
    var text = new ByteArrayOutputStream();
    try {
      writer.write(text, registry.scrape());
    } catch (IOException e) {
      throw new UncheckedIOException("to memory", e);
    }
    return text.toByteArray();
  }
}
