package starling.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ServerConnectionException;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;

/** What is where, who may ask for it, and what becomes of a failure. */
final class Routes {
  /** Answers a request, or throws a {@link Refusal}. */
  private interface Endpoint {
    void answer(Exchange exchange);
  }

  /**
   * A path.
   *
   * @param method the one that it takes
   * @param open whether it is there for those who do not have the key
   */
  private record Route(String method, boolean open, Endpoint endpoint) {}

  private final ServerOptions options;
  private final Running running;
  private final ServerMetrics metrics;
  private final AccessLog log;
  private final long created = Instant.now().getEpochSecond();
  private final Map<String, Route> routes;

  Routes(
      ServerOptions options,
      ChatEndpoint chat,
      Running running,
      ServerMetrics metrics,
      AccessLog log) {
    this.options = options;
    this.running = running;
    this.metrics = metrics;
    this.log = log;
    this.routes =
        Map.of(
            "/",
            new Route("GET", true, StaticFiles::index),
            "/v1/chat/completions",
            new Route("POST", false, chat::answer),
            "/v1/models",
            new Route("GET", false, this::models),
            "/v1/models/" + options.modelName(),
            new Route("GET", false, e -> e.json(model())),
            "/health",
            new Route("GET", true, this::health),
            "/ready",
            new Route("GET", true, this::ready),
            "/metrics",
            new Route("GET", false, this::metrics));
  }

  /** Handles a request of any kind. */
  void handle(ServerRequest request, ServerResponse response) {
    var exchange = new Exchange(request, response);
    String path = exchange.path();
    try {
      route(exchange, path).endpoint().answer(exchange);
    } catch (Refusal refusal) {
      refuse(exchange, refusal);
    } catch (ServerConnectionException e) { // nobody takes the answer
      exchange.clientIsGone();
      refuse(exchange, Refusal.cancelled());
    } catch (RuntimeException | Error e) {
      log.fault(exchange.id(), e);
      refuse(exchange, Refusal.fault(exchange.id()));
    } finally {
      metrics.request(routes.containsKey(path) ? path : "other", exchange.status());
      log.write(exchange.entry());
      exchange.connection().requestIsRead();
    }
    if (exchange.endsItsConnection()) {
      throw new CloseConnectionException("nothing follows this request");
    }
  }

  private static void refuse(Exchange exchange, Refusal refusal) {
    try {
      exchange.refuse(refusal);
    } catch (RuntimeException e) { // nobody listens any more
      exchange.clientIsGone();
    }
  }

  private Route route(Exchange exchange, String path) {
    Route route = routes.get(path);
    boolean open = route != null && route.open();
    if (!open) {
      checkCaller(exchange.request());
    }
    if (route == null) {
      throw Refusal.noPath(path.length() <= 200 ? path : path.substring(0, 200) + "…");
    }
    if (!route.method().equals(exchange.method())) {
      exchange.response().header(HeaderNames.ALLOW, route.method());
      throw Refusal.noMethod(exchange.method(), path, route.method());
    }
    if (running.isClosing() && !open) {
      throw Refusal.closing();
    }
    return route;
  }

  private void checkCaller(ServerRequest request) {
    if (options.key() != null) {
      if (!options.key().isIn(request.headers().first(HeaderNames.AUTHORIZATION).orElse(null))) {
        throw Refusal.noKey();
      }
    } else if (!isLocal(request.headers().first(HeaderNames.HOST).orElse(""))) {
      throw Refusal.foreignHost();
    }
  }

  /**
   * Whether a request means this machine by a name that nobody else can give it: a page in a
   * browser may let its own name lead here, and would read what it is not meant to.
   */
  private boolean isLocal(String authority) {
    String host = authority.replaceFirst(":\\d*$", "").toLowerCase(Locale.ROOT);
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127(\\.\\d{1,3}){3}")
        || host.equals(options.host().toLowerCase(Locale.ROOT));
  }

  private ObjectNode model() {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", options.modelName())
        .put("object", "model")
        .put("created", created)
        .put("owned_by", "starling");
  }

  private void models(Exchange exchange) {
    ObjectNode list = JsonNodeFactory.instance.objectNode().put("object", "list");
    list.putArray("data").add(model());
    exchange.json(list);
  }

  private void health(Exchange exchange) {
    exchange.json(JsonNodeFactory.instance.objectNode().put("status", "ok"));
  }

  private void ready(Exchange exchange) {
    if (running.isClosing()) {
      throw Refusal.closing();
    }
    exchange.json(JsonNodeFactory.instance.objectNode().put("status", "ready"));
  }

  private void metrics(Exchange exchange) {
    exchange.send(200, metrics.contentType(), metrics.text());
  }
}
