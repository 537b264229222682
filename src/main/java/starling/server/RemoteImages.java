package starling.server;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import starling.input.InputException;

/**
 * Fetches images from public addresses. A name is looked up once, and the connection goes to the
 * address that was checked, so that a name cannot change its mind in between; where a server sends
 * on to another address, that one is checked just so. Nothing of ours goes along: no cookie, no
 * key, no name of the one who asked.
 */
final class RemoteImages {
  private static final int MAX_REDIRECTS = 3;

  /** Looks a name up. */
  interface Lookup {
    /** All addresses that a name has. */
    InetAddress[] of(String host) throws UnknownHostException;
  }

  private final long mostBytes;
  private final Duration time;
  private final Lookup lookup;
  private final Predicate<InetAddress> allowed;

  /**
   * @param mostBytes bytes of an image
   * @param time for one image, redirects included
   */
  RemoteImages(long mostBytes, Duration time) {
    this(mostBytes, time, InetAddress::getAllByName, PublicAddresses::contains);
  }

  /** With other names and other addresses than the internet's, for tests. */
  RemoteImages(long mostBytes, Duration time, Lookup lookup, Predicate<InetAddress> allowed) {
    this.mostBytes = mostBytes;
    this.time = time;
    this.lookup = lookup;
    this.allowed = allowed;
  }

  /**
   * The bytes at an address.
   *
   * @param name what messages call it
   * @throws InputException if they cannot be had, or are too many; the sentence begins with the
   *     name, and tells nothing of what other servers have answered but its status
   */
  byte[] fetch(URI address, String name) {
    var bytes = new CompletableFuture<byte[]>();
    Thread fetching =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    bytes.complete(follow(address, name));
                  } catch (RuntimeException | Error e) {
                    bytes.completeExceptionally(e);
                  } catch (IOException e) {
                    bytes.completeExceptionally(
                        new InputException(name + " cannot be fetched (" + reason(e) + ")", e));
                  }
                });
    try {
      return bytes.get(time.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new InputException(
          name + " cannot be fetched (it took longer than " + time.toSeconds() + " seconds)", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException(name + ": fetching it was interrupted", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InputException cause) {
        throw cause;
      }
      throw new IllegalStateException("fetching an image has failed", e);
    } finally {
      fetching.interrupt(); // which closes its socket
    }
  }

  private byte[] follow(URI first, String name) throws IOException {
    URI address = first;
    for (int redirects = 0; ; redirects++) {
      InetAddress host = checked(address, name);
      try (var response = HttpGet.send(address, host, (int) time.toMillis())) {
        int status = response.status();
        if (status == 200) {
          return response.body(mostBytes, name);
        }
        URI next = List.of(301, 302, 303, 307, 308).contains(status) ? response.location() : null;
        if (next == null) {
          throw new InputException(name + " cannot be fetched (the status is " + status + ")");
        }
        if (redirects == MAX_REDIRECTS) {
          throw new InputException(
              name + " cannot be fetched (more than " + MAX_REDIRECTS + " redirects)");
        }
        address = address.resolve(next);
      }
    }
  }

  /** The address to connect to. */
  private InetAddress checked(URI address, String name) {
    String scheme = String.valueOf(address.getScheme()).toLowerCase(Locale.ROOT);
    if (!scheme.equals("http") && !scheme.equals("https")) {
      throw new InputException(name + ": only data:, http: and https: are read");
    }
    if (address.getHost() == null || address.getRawUserInfo() != null) {
      throw new InputException(name + ": an address has a host, and neither name nor password");
    }
    try {
      InetAddress[] all = lookup.of(address.getHost());
      for (InetAddress host : all) {
        if (!allowed.test(host)) { // also if others of its addresses are public
          throw new InputException(
              name
                  + ": "
                  + address.getHost()
                  + " is no public address, and nothing else is fetched");
        }
      }
      return all[0];
    } catch (UnknownHostException e) {
      throw new InputException(name + ": there is no host " + address.getHost(), e);
    }
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
