package starling.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.commons.math3.stat.StatUtils;
import starling.AnswerStream;
import starling.Model;
import starling.Question;
import starling.input.InputException;

/**
 * Clients of a model, each of whom asks its next question when the last one is answered.
 *
 * @param model open for as many answers at once as there may be
 * @param questions asked in turn, over and over
 */
record Clients(Model model, List<Question> questions) {
  /** With fewer answers there is no 99th percentile; a slow model is given more time for them. */
  private static final int ENOUGH = 100;

  private static final int MOST_TIMES = 6;

  /** One answer: milliseconds from the asking to the first piece and to the end, and its tokens. */
  private record Served(double firstMillis, double millis, int tokens, long kvBytes) {}

  /**
   * What clients got.
   *
   * @param answers complete ones
   * @param seconds from the first question to the last answer
   * @param tokens of all answers
   * @param kvBytes keys and values that were reserved for an answer, the mean
   * @param firstMillis the median time to the first token
   * @param p50Millis the median time to the whole answer
   * @param p99Millis that of all but a hundredth
   */
  record Rates(
      int answers,
      double seconds,
      int tokens,
      double kvBytes,
      double firstMillis,
      double p50Millis,
      double p99Millis) {
    double answersPerSecond() {
      return answers / seconds;
    }

    double tokensPerSecond() {
      return tokens / seconds;
    }
  }

  /**
   * Lets clients ask for about so long.
   *
   * @param clients how many, each a thread of its own
   */
  Rates ask(int clients, double seconds) {
    var next = new AtomicInteger();
    long start = System.nanoTime();
    Callable<List<Served>> client =
        () -> {
          var served = new ArrayList<Served>();
          do {
            int number = next.getAndIncrement();
            served.add(answered(questions.get(number % questions.size())));
          } while (goesOn((System.nanoTime() - start) / 1e9, next.get(), seconds));
          return served;
        };
    var served = new ArrayList<Served>();
    try (var threads = Executors.newFixedThreadPool(clients)) {
      for (Future<List<Served>> each : threads.invokeAll(Collections.nCopies(clients, client))) {
        served.addAll(each.get());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException("interrupted", e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException known
          ? known
          : new IllegalStateException(e.getCause());
    }
    return rates(served, (System.nanoTime() - start) / 1e9);
  }

  private static boolean goesOn(double taken, int asked, double seconds) {
    return taken < seconds || (asked < ENOUGH && taken < MOST_TIMES * seconds);
  }

  private Served answered(Question question) {
    long start = System.nanoTime();
    double first = Double.NaN;
    try (AnswerStream stream = model.stream(question)) {
      while (stream.next() != null) {
        first = Double.isNaN(first) ? (System.nanoTime() - start) / 1e6 : first;
      }
      var answer = stream.answers().getFirst();
      double millis = (System.nanoTime() - start) / 1e6;
      int tokens = answer.outputTokens().size();
      first = Double.isNaN(first) ? millis : first; // an answer without text
      return new Served(first, millis, tokens, answer.kvReservedBytes());
    }
  }

  private static Rates rates(List<Served> served, double seconds) {
    double[] millis = served.stream().mapToDouble(Served::millis).toArray();
    double[] first = served.stream().mapToDouble(Served::firstMillis).toArray();
    return new Rates(
        served.size(),
        seconds,
        served.stream().mapToInt(Served::tokens).sum(),
        served.stream().mapToLong(Served::kvBytes).average().orElseThrow(),
        StatUtils.percentile(first, 50),
        StatUtils.percentile(millis, 50),
        StatUtils.percentile(millis, 99));
  }
}
