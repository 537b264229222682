package starling;

import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Something that a model's own thread does for another one.
 *
 * @param unwanted gets what was made if the other one has left
 */
record Errand<T>(Supplier<T> work, Consumer<T> unwanted, CompletableFuture<T> result) {
  void run() {
    if (result.isDone()) {
      return;
    }
    try {
      T made = work.get();
      if (!result.complete(made)) {
        unwanted.accept(made);
      }
    } catch (RuntimeException | Error e) {
      result.completeExceptionally(e);
    }
  }

  /** Nobody waits for it any more. */
  void leave() {
    if (!result.cancel(false) && !result.isCompletedExceptionally()) {
      unwanted.accept(result.join()); // it was there already
    }
  }
}
