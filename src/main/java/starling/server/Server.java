package starling.server;

import io.helidon.common.socket.SocketOptions;
import io.helidon.http.DirectHandler;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.DirectHandlers;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http1.Http1Config;
import io.helidon.webserver.http1.Http1ConnectionSelector;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.logging.Level;
import java.util.logging.Logger;
import starling.Model;
import starling.input.InputException;

/**
 * Answers questions over HTTP, as OpenAI's chat endpoint does. Every connection has a virtual
 * thread of its own. Ownership: the model is the caller's, who closes it after this. Threads: any
 * may close it; the others of this class are daemons.
 */
public final class Server implements AutoCloseable {
  private static final Duration IMAGE_TIME = Duration.ofSeconds(20);
  private static final int SEND_BUFFER = 256 << 10; // more hides that a client does not read
  private static final Logger HELIDON = Logger.getLogger("io.helidon"); // held, else forgotten

  private final ServerOptions options;
  private final Running running = new Running();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("starling server timer").factory());
  private final AtomicBoolean closed = new AtomicBoolean();
  private final WebServer web;

  private Server(Model model, ServerOptions options, RemoteImages remote) {
    this.options = options;
    var metrics = new ServerMetrics(model);
    var log = new AccessLog(options.log());
    var chat =
        new ChatEndpoint(
            model,
            options,
            new Pictures(options.requests(), remote),
            new Memory(Runtime.getRuntime().maxMemory() / 2),
            metrics,
            running,
            timer);
    var routes = new Routes(options, chat, running, metrics, log);
    HELIDON.setLevel(Level.OFF); // what is wrong with the address is said below
    web = web(routes, new ProtocolErrors(metrics, log));
  }

  /**
   * Starts a server.
   *
   * @throws InputException if it cannot listen there, or others could reach it and there is no key
   */
  public static Server start(Model model, ServerOptions options) {
    RemoteImages remote =
        options.remoteImages()
            ? new RemoteImages(options.requests().imageBytes(), IMAGE_TIME)
            : null;
    return start(model, options, remote);
  }

  /** The same with other addresses to fetch images from, for tests. */
  static Server start(Model model, ServerOptions options, RemoteImages remote) {
    checkHost(options);
    var server = new Server(model, options, remote);
    try {
      server.web.start();
    } catch (RuntimeException e) {
      server.timer.shutdownNow();
      throw cannotListen(options, e);
    }
    if (!server.web.isRunning()) {
      server.timer.shutdownNow();
      throw cannotListen(options, null);
    }
    HELIDON.setLevel(Level.SEVERE); // what clients do wrong is in our log
    return server;
  }

  private static InputException cannotListen(ServerOptions options, RuntimeException e) {
    return new InputException(
        "the server cannot listen on "
            + options.host()
            + " port "
            + options.port()
            + (e == null ? "" : " (" + e.getMessage() + ")")
            + "; another program may have it",
        e);
  }

  private static void checkHost(ServerOptions options) {
    try {
      boolean loopback = InetAddress.getByName(options.host()).isLoopbackAddress();
      if (!loopback && options.key() == null) {
        throw new InputException(
            options.host()
                + " can be reached from other machines; give the server a key (--api-key-file, or"
                + " STARLING_API_KEY), or let it listen on 127.0.0.1");
      }
    } catch (UnknownHostException e) {
      throw new InputException("there is no host " + options.host() + " to listen on", e);
    }
  }

  private WebServer web(Routes routes, ProtocolErrors errors) {
    ConnectionLimits limits = options.connections();
    var http =
        Http1ConnectionSelector.builder()
            .config(Http1Config.builder().maxPrologueLength(4096).maxHeadersSize(16_384).build())
            .build();
    var direct = DirectHandlers.builder();
    for (DirectHandler.EventType type : DirectHandler.EventType.values()) {
      direct.addHandler(type, errors);
    }
    return WebServer.builder()
        .host(options.host())
        .port(options.port())
        .shutdownHook(false)
        .shutdownGracePeriod(options.grace().plusSeconds(2))
        .useNio(false) // whose sockets cannot be closed while they are read
        .connectionOptions(SocketOptions.builder().socketSendBufferSize(SEND_BUFFER).build())
        .maxTcpConnections(limits.connections())
        .maxPayloadSize(2 * options.requests().bodyBytes()) // less is refused with a sentence
        .idleConnectionTimeout(limits.idle().plus(options.requests().time()))
        .protocolsDiscoverServices(false)
        .addConnectionSelector(new WatchedConnections(http, limits))
        .directHandlers(direct.build())
        .routing(HttpRouting.builder().any(routes::handle))
        .build();
  }

  /** The port that it listens on. */
  public int port() {
    return web.port();
  }

  /**
   * Takes no more questions, gives those that are answered {@link ServerOptions#grace}, cancels the
   * rest, and returns when all is done. Harmless when repeated.
   */
  @Override
  public void close() {
    if (closed.getAndSet(true)) {
      return;
    }
    running.close();
    HELIDON.setLevel(Level.OFF); // it takes being told to end for a fault
    var unused =
        timer.schedule(running::cancelAll, options.grace().toMillis(), TimeUnit.MILLISECONDS);
    web.stop();
    running.cancelAll();
    timer.shutdownNow();
  }
}
