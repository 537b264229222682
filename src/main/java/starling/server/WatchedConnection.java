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
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A client's connection, which is also read while its question is answered: only reading tells that
 * the client has gone. What comes meanwhile belongs to its next request and is kept for that. Each
 * read is a virtual thread's, so that waiting for it can end: a client that is silent, or that
 * sends a byte now and then, is cut off here.
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
    if (reader.available() == 0) {
      readAhead();
    }
  }

  /** Nobody wants to know any more. */
  void unwatch() {
    onGone = null;
  }

  private void readAhead() {
    if (ahead == null) {
      var coming = new CompletableFuture<byte[]>();
      ahead = coming;
      Thread.ofVirtual().name("reading from a client").start(() -> readInto(coming));
    }
  }

  private void readInto(CompletableFuture<byte[]> coming) {
    boolean gone = true;
    try {
      byte[] bytes = connection.serverSocket().get();
      gone = bytes == null;
      coming.complete(bytes);
    } catch (RuntimeException e) {
      coming.completeExceptionally(e);
    }
    Runnable told = onGone;
    if (gone && told != null) {
      told.run();
    }
  }

  /** The next bytes; null at the end. */
  private byte[] read() {
    long wait = begun == 0 ? idleNanos : readNanos - (System.nanoTime() - begun);
    readAhead();
    try {
      if (wait < 0) {
        throw new TimeoutException();
      }
      byte[] bytes = ahead.get(wait, TimeUnit.NANOSECONDS);
      ahead = null;
      if (begun == 0) {
        begun = Math.max(1, System.nanoTime());
      }
      return bytes;
    } catch (TimeoutException e) {
      throw new CloseConnectionException("the request came in too slowly", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CloseConnectionException("the server is shutting down", e);
    } catch (ExecutionException e) {
      throw new CloseConnectionException("the connection has failed", e.getCause());
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
