package starling;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import starling.device.Sampling;
import starling.input.InputException;
import starling.model.Batch;
import starling.model.EncodedImage;
import starling.model.Generation;
import starling.model.LoadedModel;

/**
 * Answers the questions of a model, many at once. One thread does all work on the device; it is
 * there while there is work. Questions wait in the order in which they came, and the first of them
 * begins as soon as there is a place and memory for it: its prompt is read between two steps, and
 * from then on it takes part in every step, in each of which all answers get a token. So nobody is
 * overtaken, and a running answer waits for a few prompts at the most: after each prompt steps get
 * a quarter of the time that it took.
 *
 * <p>What one question does (fails, is cancelled, takes its time to read its answer) is nothing to
 * the others.
 */
final class Engine {
  private static final int STEPS_SHARE = 4; // of the time of a prompt

  private final Model model;
  private final LoadedModel loaded;
  private final Admission admission;
  private final long cacheBytes;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition idle = lock.newCondition();
  private final Deque<Asked> waiting = new ArrayDeque<>();
  private final Deque<Errand<?>> errands = new ArrayDeque<>();
  private int entered; // questions that were let in and are not waiting yet
  private Thread thread; // null while there is nothing to do
  private boolean closed;
  private boolean cancelling;
  private Asked beginning; // whose prompt is being read
  private volatile int runningNow;
  private volatile long cacheBytesNow;

  // of the thread that works
  private final List<Answering> running = new ArrayList<>();
  private long owed; // nanoseconds of steps before the next prompt

  Engine(Model model, LoadedModel loaded, Admission admission) {
    this.model = model;
    this.loaded = loaded;
    this.admission = admission;
    this.cacheBytes = admission.cacheBytes(loaded.decoderBytes());
    loaded.limitCache(cacheBytes, admission.sequences());
  }

  // ---- from any thread ----

  /**
   * Lets a question in, before anything is done for it.
   *
   * @throws RejectedExecutionException if as many wait as may
   * @throws IllegalStateException if the model is closed
   */
  void enter() {
    lock.lock();
    try {
      checkOpen();
      if (waiting.size() + entered >= admission.waiting() + places()) {
        throw new RejectedExecutionException(
            "the model is busy: %d answers are being drawn and %d questions wait, the most that may"
                .formatted(runningNow, waiting.size() + entered));
      }
      entered++;
    } finally {
      lock.unlock();
    }
  }

  /** Places that no answer has yet: who comes may go there at once. */
  private int places() {
    return Math.max(0, admission.sequences() - runningNow);
  }

  /** A question that was let in will not be asked. */
  void leave() {
    lock.lock();
    try {
      entered--;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Refuses a question that was let in.
   *
   * @throws InputException if it can never be answered
   */
  void check(Asked asked) {
    int answers = asked.question().answers;
    if (answers > admission.sequences() || !loaded.holds(asked.prepared(), answers)) {
      throw new InputException(
          "the question needs more than the %d answers at once or the %.2f GB of keys and values"
                  .formatted(admission.sequences(), cacheBytes / 1e9)
              + " that the model was opened with");
    }
  }

  /** Puts a question in the queue that was let in. */
  void ask(Asked asked) {
    lock.lock();
    try {
      checkOpen();
      entered--;
      waiting.add(asked);
      work();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Does something on the device between two steps, and waits for it.
   *
   * @param unwanted gets what was made when nobody waits for it any more
   */
  <T> T call(Supplier<T> work, Consumer<T> unwanted) {
    var errand = new Errand<>(work, unwanted, new CompletableFuture<>());
    lock.lock();
    try {
      checkOpen();
      errands.add(errand);
      work();
    } finally {
      lock.unlock();
    }
    try {
      return errand.result().get();
    } catch (InterruptedException e) {
      errand.leave();
      Thread.currentThread().interrupt();
      throw new CancellationException("the work was interrupted");
    } catch (ExecutionException e) {
      throw model.failed(e.getCause());
    }
  }

  /** Gives back an image that nobody needs, and what was kept with it; does not wait. */
  void giveBack(EncodedImage image) {
    lock.lock();
    try {
      if (!closed) { // else the model gives back everything
        errands.add(new Errand<>(() -> free(image), done -> {}, new CompletableFuture<>()));
        work();
      }
    } finally {
      lock.unlock();
    }
  }

  private boolean free(EncodedImage image) {
    loaded.forgetPrefixes(false);
    image.free();
    return true;
  }

  /** Wants no answer any more: one that waits goes at once, one that runs before its next step. */
  void cancel(Asked asked) {
    asked.cancel();
    lock.lock();
    try {
      if (waiting.remove(asked)) {
        asked.release();
      }
    } finally {
      lock.unlock();
    }
  }

  Load load() {
    lock.lock();
    try {
      return new Load(runningNow, waiting.size() + entered, cacheBytes, cacheBytesNow);
    } finally {
      lock.unlock();
    }
  }

  /** Whether the calling thread is the one that works. */
  boolean isOwn() {
    return Thread.currentThread() == thread;
  }

  private void checkOpen() {
    if (closed) {
      throw model.closedException();
    }
    if (isOwn()) {
      throw new IllegalStateException("a pruning method cannot ask the model that it is run by");
    }
  }

  /** Sees to it that somebody works. The lock is held. */
  private void work() {
    if (thread == null) {
      thread =
          Thread.ofPlatform()
              .daemon()
              .name("starling")
              .inheritInheritableThreadLocals(false)
              .unstarted(this::run);
      thread.start();
    }
  }

  /**
   * Refuses new questions and those that wait, and waits until the running ones are answered.
   *
   * @param patience how long; then they are cancelled
   */
  void close(Duration patience) {
    long start = System.nanoTime();
    long most = nanos(patience);
    boolean interrupted = false;
    lock.lock();
    try {
      closed = true;
      waiting.forEach(asked -> asked.put(new Asked.Ended(model.closedException())));
      waiting.clear();
      while (thread != null) {
        long left = most - (System.nanoTime() - start);
        cancelling |= left <= 0;
        if (cancelling && beginning != null) {
          beginning.cancel();
        }
        try {
          if (cancelling) {
            idle.await();
          } else {
            idle.awaitNanos(left);
          }
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      lock.unlock();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** As many nanoseconds, as far as a long reaches: 292 years. */
  static long nanos(Duration time) {
    boolean fits = time.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0;
    return fits ? time.toNanos() : Long.MAX_VALUE;
  }

  // ---- the thread that works ----

  private void run() {
    try {
      loop();
    } catch (RuntimeException | Error e) { // a fault of ours: nobody may wait for this thread now
      lost(e);
      throw e;
    }
  }

  /** Ends all questions, because the thread that answers them does. */
  private void lost(Throwable why) {
    lock.lock();
    try {
      running.forEach(answer -> answer.asked().put(new Asked.Ended(why)));
      waiting.forEach(asked -> asked.put(new Asked.Ended(why)));
      errands.forEach(errand -> errand.result().completeExceptionally(why));
      running.clear();
      waiting.clear();
      errands.clear();
      runningNow = 0;
      thread = null;
      idle.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void loop() {
    while (goOn()) {
      dropUnwanted();
      Asked next = owed > 0 && !running.isEmpty() ? null : next();
      long start = System.nanoTime();
      if (next != null) {
        begin(next);
        owed = (System.nanoTime() - start) / STEPS_SHARE;
      } else if (!running.isEmpty()) {
        step();
        owed -= System.nanoTime() - start;
      }
    }
  }

  /** Does one thing that others want done between steps; ends the thread when nothing is to do. */
  private boolean goOn() {
    Errand<?> errand;
    lock.lock();
    try {
      errand = errands.poll();
      if (errand == null && running.isEmpty() && waiting.isEmpty()) {
        thread = null;
        idle.signalAll();
        return false;
      }
    } finally {
      lock.unlock();
    }
    if (errand != null) {
      errand.run();
      cacheBytesNow = loaded.cacheBytes();
    }
    return true;
  }

  /** Ends those that nobody waits for any more. */
  private void dropUnwanted() {
    lock.lock();
    try {
      for (Iterator<Asked> all = waiting.iterator(); all.hasNext(); ) {
        Asked asked = all.next();
        RuntimeException why = asked.unwanted();
        if (why != null) {
          all.remove();
          asked.put(new Asked.Ended(why));
        }
      }
      if (cancelling) {
        running.forEach(answer -> answer.asked().cancel());
      }
    } finally {
      lock.unlock();
    }
    for (Answering answer : List.copyOf(running)) {
      RuntimeException why = answer.asked().unwanted();
      if (why != null) {
        fail(answer.asked(), why);
      }
    }
  }

  /** The first that waits, if it can begin. */
  private Asked next() {
    lock.lock();
    try {
      Asked first = waiting.peek();
      if (first == null) {
        return null;
      }
      int answers = first.question().answers;
      boolean begins = running.size() + answers <= admission.sequences();
      if (begins && !loaded.hasRoom(first.prepared(), answers)) {
        loaded.forgetPrefixes(true);
        begins = loaded.hasRoom(first.prepared(), answers);
      }
      if (!begins && running.isEmpty()) { // what is in the way does not end by itself
        begins = true;
      }
      beginning = begins ? waiting.poll() : null;
      return beginning;
    } finally {
      lock.unlock();
    }
  }

  /** Reads a question's prompt and draws the first token of each of its answers. */
  private void begin(Asked asked) {
    double waited = (System.nanoTime() - asked.start()) / 1e6 - asked.preprocessMillis();
    var begun = new ArrayList<Generation>();
    try {
      runningNow = running.size() + asked.question().answers;
      Generation first = loaded.prefill(asked.prepared(), asked.question().answers);
      begun.add(first);
      first.first();
      Sampling sampling = first.sampling();
      for (int i = 1; i < asked.question().answers; i++) {
        begun.add(first.again(sampling.seed(sampling.seed() + i)));
        begun.getLast().first();
      }
      for (int i = 0; i < begun.size(); i++) {
        running.add(new Answering(model, asked, i, begun, waited));
      }
    } catch (RuntimeException | Error e) {
      running.removeIf(answer -> answer.asked() == asked);
      giveBack(begun);
      asked.put(new Asked.Ended(e));
      return;
    } finally {
      runningNow = running.size();
    }
    cacheBytesNow = loaded.cacheBytes();
    running.stream().filter(answer -> answer.asked() == asked).toList().forEach(this::take);
  }

  /** Draws a token of every answer. */
  private void step() {
    var answering = new IdentityHashMap<Generation, Answering>();
    running.forEach(answer -> answering.put(answer.generation(), answer));
    List<Generation> all = running.stream().map(Answering::generation).toList();
    for (List<Generation> group : Batch.groups(all)) {
      List<Answering> answers = group.stream().map(answering::get).toList();
      if (!running.containsAll(answers)) {
        continue; // one of them has failed with another of its question; the others step next time
      }
      try {
        loaded.batch().step(group);
      } catch (RuntimeException | Error e) {
        answers.forEach(answer -> fail(answer.asked(), e));
        continue;
      }
      answers.forEach(this::take);
    }
  }

  /** Takes in the token that an answer got. */
  private void take(Answering answer) {
    if (!running.contains(answer)) {
      return; // another answer of the same question has failed
    }
    try {
      if (!answer.wantsMore()) {
        ends(answer);
      }
    } catch (RuntimeException | Error e) {
      fail(answer.asked(), e);
    }
  }

  /** An answer is complete; with the last one of its question the memory of all goes back. */
  private void ends(Answering answer) {
    running.remove(answer);
    runningNow = running.size();
    if (running.stream().noneMatch(other -> other.asked() == answer.asked())) {
      giveBack(answer.generations());
      answer.asked().put(new Asked.Ended(null));
    }
  }

  /** Ends all answers of a question without a result. */
  private void fail(Asked asked, Throwable why) {
    List<Answering> all = running.stream().filter(answer -> answer.asked() == asked).toList();
    if (!all.isEmpty()) {
      running.removeAll(all);
      runningNow = running.size();
      giveBack(all.getFirst().generations());
      asked.put(new Asked.Ended(why));
    }
  }

  /** The first one, from which the others go on, is the last to be closed. */
  private void giveBack(List<Generation> generations) {
    generations.reversed().forEach(Generation::close);
    cacheBytesNow = loaded.cacheBytes();
  }
}
