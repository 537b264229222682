package starling.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.concurrent.RejectedExecutionException;
import starling.Answer;
import starling.input.InputException;

/** langchain4j's responses from answers, and its exceptions from ours. */
final class Responses {
  private Responses() {}

  static ChatResponse of(Answer answer) {
    return ChatResponse.builder()
        .aiMessage(AiMessage.from(answer.text()))
        .metadata(new StarlingChatResponseMetadata(answer))
        .build();
  }

  /** What a program of langchain4j knows, where it has a name for it. */
  static RuntimeException translated(RuntimeException e) {
    return switch (e) {
      case InputException input -> new InvalidRequestException(input.getMessage(), input);
      case RejectedExecutionException full -> new RateLimitException(full.getMessage(), full);
      default -> e;
    };
  }
}
