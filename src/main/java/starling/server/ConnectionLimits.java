package starling.server;

import java.time.Duration;

/**
 * What connections may cost.
 *
 * @param connections those that are open at once; more wait to be accepted
 * @param read from the first byte of a request to the last one of its body; as long may the client
 *     take to read its answer when the time for that is up
 * @param idle how long a connection may be silent between two requests
 */
public record ConnectionLimits(int connections, Duration read, Duration idle) {
  /** What a server allows unless told. */
  public static final ConnectionLimits USUAL =
      new ConnectionLimits(256, Duration.ofSeconds(30), Duration.ofMinutes(1));
}
