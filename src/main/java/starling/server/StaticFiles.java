package starling.server;

import io.helidon.http.HeaderNames;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** What a browser gets. It lies beside this class, and nothing else can be asked for. */
final class StaticFiles {
  private StaticFiles() {}

  /** The page at {@code /}. */
  static void index(Exchange exchange) {
    send(exchange, "index.html", "text/html; charset=utf-8");
  }

  private static void send(Exchange exchange, String name, String contentType) {
    try (InputStream in = StaticFiles.class.getResourceAsStream(name)) {
      exchange
          .response()
          .header(
              HeaderNames.create("content-security-policy"),
              "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'");
      exchange.send(200, contentType, in.readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }
}
