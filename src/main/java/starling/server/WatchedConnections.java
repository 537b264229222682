package starling.server;

import io.helidon.common.buffers.BufferData;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.http1.Http1ConnectionSelector;
import io.helidon.webserver.spi.ServerConnection;
import io.helidon.webserver.spi.ServerConnectionSelector;
import java.util.Set;

/** HTTP/1.1 over connections that are watched; see {@link WatchedConnection}. */
final class WatchedConnections implements ServerConnectionSelector {
  private final Http1ConnectionSelector http;
  private final ConnectionLimits limits;

  WatchedConnections(Http1ConnectionSelector http, ConnectionLimits limits) {
    this.http = http;
    this.limits = limits;
  }

  @Override
  public int bytesToIdentifyConnection() {
    return http.bytesToIdentifyConnection();
  }

  @Override
  public Support supports(BufferData data) {
    return http.supports(data);
  }

  @Override
  public Set<String> supportedApplicationProtocols() {
    return http.supportedApplicationProtocols();
  }

  @Override
  public ServerConnection connection(ConnectionContext context) {
    return http.connection(new WatchedConnection(context, limits));
  }
}
