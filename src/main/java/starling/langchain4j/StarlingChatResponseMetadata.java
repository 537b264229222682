package starling.langchain4j;

import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import java.nio.file.Path;
import java.util.Objects;
import starling.Answer;

/**
 * What is known of a response: with everything that was measured on the way to it, such as which
 * patches stayed. The usage counts the prompt's tokens as the model reads it without pruning, every
 * visual token one.
 */
public final class StarlingChatResponseMetadata extends ChatResponseMetadata {
  private final Answer answer;

  StarlingChatResponseMetadata(Answer answer) {
    super(
        ChatResponseMetadata.builder()
            .modelName(String.valueOf(Path.of(answer.model()).toAbsolutePath().getFileName()))
            .tokenUsage(usage(answer))
            .finishReason(
                answer.finishReason().equals("length") ? FinishReason.LENGTH : FinishReason.STOP));
    this.answer = answer;
  }

  private static TokenUsage usage(Answer answer) {
    int images = answer.images().size();
    int rows = answer.images().stream().mapToInt(Answer.Image::rows).sum();
    int input = answer.promptTokens().size() - images + rows;
    return new TokenUsage(input, answer.outputTokens().size());
  }

  /** The answer that the response is made of. */
  public Answer answer() {
    return answer;
  }

  @Override
  public boolean equals(Object other) {
    return super.equals(other)
        && other instanceof StarlingChatResponseMetadata that
        && answer.equals(that.answer);
  }

  @Override
  public int hashCode() {
    return Objects.hash(super.hashCode(), answer);
  }
}
