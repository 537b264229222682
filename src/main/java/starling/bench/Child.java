package starling.bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import starling.input.InputException;

/**
 * A process that is not trusted: to end, to leave nothing running behind, or to print little. It
 * goes when this one goes.
 */
final class Child implements AutoCloseable {
  /** Bytes of what it prints that are kept; the rest is read and dropped. */
  private static final int MAX_KEPT = 1 << 20;

  private static final long POLL_MILLIS = 50;

  /** Time to read what is left in its pipe, which a process that it started may keep open. */
  private static final long READ_MILLIS = 500;

  private final Process process;
  private final Thread reader;
  private final Thread hook = new Thread(this::kill);
  private final Set<ProcessHandle> descendants = new HashSet<>();
  private final ByteArrayOutputStream kept = new ByteArrayOutputStream();

  Child(ProcessBuilder builder) throws IOException {
    process = builder.start();
    Runtime.getRuntime().addShutdownHook(hook);
    reader = Thread.ofPlatform().daemon().start(this::read);
  }

  private void read() {
    byte[] piece = new byte[8192];
    try (InputStream in = process.getInputStream()) {
      for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
        synchronized (kept) {
          kept.write(piece, 0, Math.min(n, MAX_KEPT - kept.size()));
        }
      }
    } catch (IOException e) {
      // It was killed; what it said until then is kept.
    }
  }

  /**
   * Waits.
   *
   * @param seconds without a change of {@code progress}, after which it is killed
   * @param done asked after a change: nothing more is expected of it, and it may go
   * @return whether it was done or ended by itself
   */
  boolean ended(DoubleSupplier seconds, LongSupplier progress, BooleanSupplier done) {
    try {
      long seen = progress.getAsLong();
      long since = System.nanoTime();
      while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
        findDescendants();
        long now = progress.getAsLong();
        if (now != seen) {
          seen = now;
          since = System.nanoTime();
          if (done.getAsBoolean()) {
            break;
          }
        } else if (System.nanoTime() - since > seconds.getAsDouble() * 1e9) {
          kill();
          return false;
        }
      }
      reader.join(READ_MILLIS);
      return true;
    } catch (InterruptedException e) {
      kill();
      Thread.currentThread().interrupt();
      throw new InputException("interrupted", e);
    }
  }

  /** Its exit status; 128 and more is a signal's number; 0 while it runs. */
  int status() {
    return process.isAlive() ? 0 : process.exitValue();
  }

  /** What it printed on either stream, the beginning of it. */
  String output() {
    synchronized (kept) {
      return kept.toString(StandardCharsets.UTF_8);
    }
  }

  /** Remembers the processes that it started: once it is gone nobody knows them. */
  private void findDescendants() {
    try (Stream<ProcessHandle> now = process.descendants()) {
      synchronized (descendants) {
        now.forEach(descendants::add);
      }
    }
  }

  private void kill() {
    findDescendants();
    process.destroyForcibly();
    synchronized (descendants) {
      descendants.forEach(ProcessHandle::destroyForcibly);
    }
  }

  @Override
  public void close() {
    kill();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // It is running.
    }
  }
}
