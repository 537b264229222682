package starling.server;

import io.helidon.webserver.ServerConnectionException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import starling.Answer;
import starling.AnswerStream;
import starling.Model;
import starling.QuestionTimeoutException;
import starling.input.InputException;

/** {@code POST /v1/chat/completions}. */
final class ChatEndpoint {
  private final Model model;
  private final ServerOptions options;
  private final RequestBody body;
  private final Pictures pictures;
  private final Memory memory;
  private final ServerMetrics metrics;
  private final Running running;
  private final ScheduledExecutorService timer;

  ChatEndpoint(
      Model model,
      ServerOptions options,
      Pictures pictures,
      Memory memory,
      ServerMetrics metrics,
      Running running,
      ScheduledExecutorService timer) {
    this.model = model;
    this.options = options;
    this.body = new RequestBody(options.requests().bodyBytes());
    this.pictures = pictures;
    this.memory = memory;
    this.metrics = metrics;
    this.running = running;
    this.timer = timer;
  }

  /**
   * Answers a request.
   *
   * @throws Refusal if it gets no answer, or no more of it
   */
  void answer(Exchange exchange) {
    try (Memory.Room room = memory.room()) {
      ChatRequest asked = read(exchange, room);
      Duration limit = options.requests().time().plus(options.connections().read());
      var cut = timer.schedule(exchange.connection()::cut, limit.toMillis(), TimeUnit.MILLISECONDS);
      try (AnswerStream stream = model.stream(asked.question())) {
        running.add(stream);
        try {
          exchange.connection().watch(() -> stop(exchange, stream));
          send(exchange, asked, stream);
        } finally {
          exchange.connection().unwatch();
          running.remove(stream);
        }
      } finally {
        cut.cancel(false);
      }
    } catch (QuestionTimeoutException e) {
      throw Refusal.timeUp(options.requests().time().toSeconds());
    } catch (CancellationException e) {
      throw exchange.isClientGone() ? Refusal.cancelled() : Refusal.closing();
    } catch (RejectedExecutionException e) {
      throw Refusal.busy("the queue is full");
    } catch (InputException e) {
      throw Refusal.badField(null, e.getMessage());
    }
  }

  private static void stop(Exchange exchange, AnswerStream stream) {
    exchange.clientIsGone();
    stream.close();
  }

  /** What the body was read from can be thrown away when this returns. */
  private ChatRequest read(Exchange exchange, Memory.Room room) {
    try (Memory.Room forBody = memory.room()) {
      return ChatRequest.read(
          body.read(exchange, forBody), options.modelName(), options.requests(), pictures, room);
    }
  }

  private void send(Exchange exchange, ChatRequest asked, AnswerStream stream) {
    var completion = Completion.now(exchange.id(), options.modelName(), asked.logprobs());
    AnswerStream.Piece first = stream.next(); // what is wrong with a question is known by then
    metrics.firstText(exchange.seconds());
    if (asked.stream()) {
      try {
        sendPieces(exchange, asked, stream, completion, first);
      } catch (IOException | ServerConnectionException e) {
        stop(exchange, stream);
        throw Refusal.cancelled();
      }
    } else {
      for (var piece = first; piece != null; piece = stream.next()) {
        // It is all in the answers.
      }
      List<Answer> answers = stream.answers();
      Counts counts = counted(exchange, answers);
      exchange.json(completion.whole(answers, counts));
    }
  }

  private void sendPieces(
      Exchange exchange,
      ChatRequest asked,
      AnswerStream stream,
      Completion completion,
      AnswerStream.Piece first)
      throws IOException {
    StrippedText[] texts =
        Stream.generate(StrippedText::new).limit(asked.answers()).toArray(StrippedText[]::new);
    exchange.beginEvents();
    for (int i = 0; i < texts.length; i++) {
      exchange.event(completion.begin(i).toString());
    }
    for (AnswerStream.Piece piece = first; piece != null; piece = stream.next()) {
      String text = texts[piece.answer()].next(piece.text());
      if (!text.isEmpty() || !piece.tokens().isEmpty()) {
        exchange.event(completion.piece(piece.answer(), text, piece.tokens()).toString());
      }
    }
    List<Answer> answers = stream.answers();
    for (int i = 0; i < texts.length; i++) {
      exchange.event(completion.end(i, answers.get(i).finishReason()).toString());
    }
    Counts counts = counted(exchange, answers);
    if (asked.includeUsage()) {
      exchange.event(completion.usage(counts).toString());
    }
    exchange.endEvents();
  }

  private Counts counted(Exchange exchange, List<Answer> answers) {
    Counts counts = Counts.of(answers);
    exchange.answered(counts);
    metrics.answered(counts, exchange.seconds());
    return counts;
  }
}
