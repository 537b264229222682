package starling.server;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * A line of JSON for every request: when, who, what, how it ended, how long it took, how many
 * tokens. Never what was asked or answered, and no key.
 */
final class AccessLog {
  private final PrintStream to;

  AccessLog(PrintStream to) {
    this.to = to;
  }

  /**
   * What is told of a request.
   *
   * @param method as sent
   * @param path without a query
   * @param counts null if no question was answered
   */
  record Entry(
      String id,
      String client,
      String method,
      String path,
      int status,
      double millis,
      Counts counts) {}

  void write(Entry entry) {
    ObjectNode line =
        JsonNodeFactory.instance
            .objectNode()
            .put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString())
            .put("id", entry.id())
            .put("client", entry.client())
            .put("method", cut(entry.method()))
            .put("path", cut(entry.path()))
            .put("status", entry.status())
            .put("ms", Math.round(entry.millis() * 10) / 10.0);
    if (entry.counts() != null) {
      entry.counts().write(line);
    }
    line(line);
  }

  /** A fault of ours: what a client is not told. */
  void fault(String id, Throwable fault) {
    StackTraceElement[] stack = fault.getStackTrace();
    line(
        JsonNodeFactory.instance
            .objectNode()
            .put("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString())
            .put("id", id)
            .put("fault", String.valueOf(fault))
            .put("at", stack.length == 0 ? "" : stack[0].toString()));
  }

  private void line(ObjectNode line) {
    synchronized (to) {
      try {
        to.print(line + "\n");
        to.flush();
      } catch (RuntimeException e) {
        // Where the log cannot be written, questions are answered all the same.
      }
    }
  }

  private static String cut(String text) {
    return text.length() <= 200 ? text : text.substring(0, 200) + "…";
  }
}
