package starling;

import java.time.Duration;
import java.util.concurrent.CancellationException;

/** A question was not answered within its {@link Question#timeout}. */
public final class QuestionTimeoutException extends CancellationException {
  private static final long serialVersionUID = 1L;

  QuestionTimeoutException(Duration timeout) {
    super("the question was not answered within " + timeout.toMillis() + " ms");
  }
}
