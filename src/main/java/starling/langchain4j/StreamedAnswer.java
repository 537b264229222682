package starling.langchain4j;

import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import starling.AnswerStream;

/** Hands an answer to a handler as it comes. One that is cancelled hears no more of it. */
final class StreamedAnswer implements Runnable, StreamingHandle {
  private final AnswerStream stream;
  private final StreamingChatResponseHandler handler;
  private volatile boolean cancelled;

  StreamedAnswer(AnswerStream stream, StreamingChatResponseHandler handler) {
    this.stream = stream;
    this.handler = handler;
  }

  @Override
  public void run() {
    try (stream) {
      var context = new PartialResponseContext(this);
      for (var piece = stream.next(); piece != null && !cancelled; piece = stream.next()) {
        handler.onPartialResponse(new PartialResponse(piece.text()), context);
      }
      if (!cancelled) {
        handler.onCompleteResponse(Responses.of(stream.answers().getFirst()));
      }
    } catch (RuntimeException e) {
      fail(Responses.translated(e));
    } catch (Error e) {
      fail(e);
    }
  }

  private void fail(Throwable e) {
    if (!cancelled) {
      handler.onError(e);
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    stream.close();
  }

  @Override
  public boolean isCancelled() {
    return cancelled;
  }
}
