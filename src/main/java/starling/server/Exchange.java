package starling.server;

import com.fasterxml.jackson.databind.JsonNode;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/** A request, its response, and what the log and the metrics are told of both. */
final class Exchange {
  private final ServerRequest request;
  private final ServerResponse response;
  private final String id = UUID.randomUUID().toString().replace("-", "");
  private final long arrived = System.nanoTime();
  private final WatchedConnection connection = WatchedConnection.current();
  private OutputStream events; // null: no stream
  private int status;
  private Counts counts; // null: no question was answered
  private volatile boolean clientGone;

  Exchange(ServerRequest request, ServerResponse response) {
    this.request = request;
    this.response = response;
    response.header(HeaderNames.create("x-request-id"), id);
    response.header(HeaderNames.create("x-content-type-options"), "nosniff");
  }

  ServerRequest request() {
    return request;
  }

  ServerResponse response() {
    return response;
  }

  WatchedConnection connection() {
    return connection;
  }

  String id() {
    return id;
  }

  String method() {
    return request.prologue().method().text();
  }

  String path() {
    return request.path().path();
  }

  double seconds() {
    return (System.nanoTime() - arrived) / 1e9;
  }

  void clientIsGone() {
    clientGone = true;
  }

  boolean isClientGone() {
    return clientGone;
  }

  /** Whether one side has said, or the client has shown, that no request follows. */
  boolean endsItsConnection() {
    return clientGone
        || request.headers().containsToken(HeaderValues.CONNECTION_CLOSE)
        || response.headers().containsToken(HeaderValues.CONNECTION_CLOSE);
  }

  void answered(Counts all) {
    counts = all;
  }

  AccessLog.Entry entry() {
    return new AccessLog.Entry(
        id, request.remotePeer().host(), method(), path(), status, seconds() * 1000, counts);
  }

  int status() {
    return status;
  }

  /** Sends a response whole. */
  void send(int code, String contentType, byte[] content) {
    status = code;
    response.status(Status.create(code));
    response.header(HeaderNames.CONTENT_TYPE, contentType);
    response.send(content);
  }

  void json(JsonNode content) {
    send(200, "application/json", bytes(content));
  }

  /** Says why there is no answer, in the form that what was sent already still allows. */
  void refuse(Refusal refusal) {
    status = refusal.status();
    if (clientGone) {
      return;
    }
    if (events != null) {
      try {
        event(refusal.json().toString());
        events.close();
      } catch (IOException e) {
        clientIsGone();
      }
      return;
    }
    if (status == 429 || status == 503) {
      response.header(HeaderNames.RETRY_AFTER, "1");
    }
    if (status == 401) {
      response.header(HeaderNames.WWW_AUTHENTICATE, "Bearer");
    }
    if (status == 408 || status == 413 || status == 503) {
      response.header(HeaderValues.CONNECTION_CLOSE);
    }
    send(status, "application/json", bytes(refusal.json()));
  }

  private static byte[] bytes(JsonNode content) {
    return content.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Begins a stream of events. */
  void beginEvents() {
    status = 200;
    response.status(Status.OK_200);
    response.header(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    response.header(HeaderNames.CACHE_CONTROL, "no-cache");
    events = response.outputStream();
  }

  /** Sends one event at once. */
  void event(String data) throws IOException {
    events.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
    events.flush();
  }

  void endEvents() throws IOException {
    event("[DONE]");
    events.close();
  }
}
