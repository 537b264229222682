package starling.server;

import io.helidon.http.DirectHandler;
import io.helidon.http.HeaderNames;
import io.helidon.http.ServerResponseHeaders;
import io.helidon.http.Status;
import java.util.UUID;

/** What comes in and is no HTTP: refused before there is a request, and told all the same. */
final class ProtocolErrors implements DirectHandler {
  private final ServerMetrics metrics;
  private final AccessLog log;

  ProtocolErrors(ServerMetrics metrics, AccessLog log) {
    this.metrics = metrics;
    this.log = log;
  }

  @Override
  public TransportResponse handle(
      TransportRequest request,
      EventType type,
      Status status,
      ServerResponseHeaders headers,
      String message) {
    metrics.request("other", status.code());
    log.write(
        new AccessLog.Entry(
            UUID.randomUUID().toString().replace("-", ""),
            "",
            request.method(),
            request.path(),
            status.code(),
            0,
            null));
    Refusal refusal = Refusal.ofProtocol(status.code(), "the request is no HTTP/1.1 that is read");
    headers.set(HeaderNames.CONTENT_TYPE, "application/json");
    return TransportResponse.builder()
        .status(status)
        .headers(headers)
        .keepAlive(false)
        .entity(refusal.json().toString())
        .build();
  }
}
