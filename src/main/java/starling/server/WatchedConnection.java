package starling.server;

import io.helidon.common.buffers.DataReader;
import io.helidon.common.buffers.DataWriter;
import io.helidon.common.socket.HelidonSocket;
import io.helidon.common.socket.PeerInfo;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.ListenerContext;
import io.helidon.webserver.ProxyProtocolData;
import io.helidon.webserver.Router;
import java.io.UncheckedIOException;
import java.net.SocketTimeoutException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;

/**
 * A client's connection, which is also read while its question is answered: only reading tells that
 * the client has gone. What comes meanwhile belongs to its next request and is kept for that. A
 * request that comes in too slowly is cut off here, since a client that sends a byte now and then
 * runs into no time-out of its socket.
 */
final class WatchedConnection implements ConnectionContext {
  private static final ThreadLocal<WatchedConnection> CURRENT = new ThreadLocal<>();

  private final ConnectionContext connection;
  private final DataReader reader = DataReader.create(this::read);
  private final long readNanos;
  private final long idleNanos;
  private long begun; // of the request that is being read; 0 between two
  private CompletableFuture<byte[]> ahead; // what the watch has read or will read; null for nothing
  private volatile Runnable onGone;
  private volatile long quietSince = System.nanoTime();

  /** Wraps a connection; called on its thread. */
  WatchedConnection(ConnectionContext connection, ConnectionLimits limits) {
    this.connection = connection;
    this.readNanos = limits.read().toNanos();
    this.idleNanos = limits.idle().toNanos();
    CURRENT.set(this);
  }

  /** The connection of the request that this thread handles. */
  static WatchedConnection current() {
    return CURRENT.get();
  }

  /** The request is read to its end, and what comes next is another one. */
  void requestIsRead() {
    begun = 0;
  }

  /** Calls back, on another thread, when the client goes away; until {@link #unwatch}. */
  void watch(Runnable whenGone) {
    onGone = whenGone;
    if (ahead == null && reader.available() == 0) {
      var coming = new CompletableFuture<byte[]>();
      ahead = coming;
      Thread.ofVirtual().name("watch of a client").start(() -> readAhead(coming));
    }
  }

  /** Nobody wants to know any more. */
  void unwatch() {
    quietSince = System.nanoTime();
    onGone = null;
  }

  private void readAhead(CompletableFuture<byte[]> coming) {
    while (true) {
      try {
        byte[] bytes = connection.serverSocket().get();
        coming.complete(bytes);
        if (bytes == null) {
          gone();
        }
        return;
      } catch (UncheckedIOException e) {
        boolean silent = onGone == null && System.nanoTime() - quietSince > idleNanos;
        if (silent || !(e.getCause() instanceof SocketTimeoutException)) {
          coming.completeExceptionally(e);
          gone();
          return;
        }
      } catch (RuntimeException e) {
        coming.completeExceptionally(e);
        gone();
        return;
      }
    }
  }

  private void gone() {
    Runnable told = onGone;
    if (told != null) {
      told.run();
    }
  }

  /** The next bytes; null at the end. */
  private byte[] read() {
    if (begun != 0 && System.nanoTime() - begun > readNanos) {
      throw new CloseConnectionException("the request came in too slowly");
    }
    byte[] bytes = ahead == null ? connection.serverSocket().get() : taken();
    if (begun == 0) {
      begun = Math.max(1, System.nanoTime());
    }
    return bytes;
  }

  private byte[] taken() {
    try {
      return ahead.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CloseConnectionException("the server is shutting down", e);
    } catch (ExecutionException e) {
      throw new CloseConnectionException("the connection has failed", e.getCause());
    } finally {
      ahead = null;
    }
  }

  /** Cuts the client off, whatever its connection is doing. */
  void cut() {
    try {
      connection.serverSocket().close();
    } catch (RuntimeException e) {
      // It was closed already.
    }
  }

  @Override
  public DataReader dataReader() {
    return reader;
  }

  @Override
  public ListenerContext listenerContext() {
    return connection.listenerContext();
  }

  @Override
  public ExecutorService executor() {
    return connection.executor();
  }

  @Override
  public DataWriter dataWriter() {
    return connection.dataWriter();
  }

  @Override
  public Router router() {
    return connection.router();
  }

  @Override
  public Optional<ProxyProtocolData> proxyProtocolData() {
    return connection.proxyProtocolData();
  }

  @Override
  public HelidonSocket serverSocket() {
    return connection.serverSocket();
  }

  @Override
  public PeerInfo remotePeer() {
    return connection.remotePeer();
  }

  @Override
  public PeerInfo localPeer() {
    return connection.localPeer();
  }

  @Override
  public boolean isSecure() {
    return connection.isSecure();
  }

  @Override
  public String socketId() {
    return connection.socketId();
  }

  @Override
  public String childSocketId() {
    return connection.childSocketId();
  }
}
