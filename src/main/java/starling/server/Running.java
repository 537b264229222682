package starling.server;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import starling.AnswerStream;

/** The questions that are being answered, and whether new ones are taken. */
final class Running {
  private final Set<AnswerStream> streams = ConcurrentHashMap.newKeySet();
  private volatile boolean closing;
  private volatile boolean cancelling;

  void add(AnswerStream stream) {
    streams.add(stream);
    if (cancelling) {
      stream.close();
    }
  }

  void remove(AnswerStream stream) {
    streams.remove(stream);
  }

  boolean isClosing() {
    return closing;
  }

  /** From now on no question is taken. */
  void close() {
    closing = true;
  }

  /** Cancels those that are still answered. */
  void cancelAll() {
    cancelling = true;
    streams.forEach(AnswerStream::close);
  }
}
