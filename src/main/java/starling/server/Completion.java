package starling.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import starling.Answer;

/**
 * The answers of one request as OpenAI's clients read them, whole or piece by piece.
 *
 * @param id the request's
 * @param model what clients call the model
 * @param created seconds since 1970
 * @param logprobs whether every choice has its log-probabilities
 */
record Completion(String id, String model, long created, boolean logprobs) {
  static Completion now(String id, String model, boolean logprobs) {
    return new Completion(id, model, Instant.now().getEpochSecond(), logprobs);
  }

  private ObjectNode head(String object) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", "chatcmpl-" + id)
        .put("object", object)
        .put("created", created)
        .put("model", model);
  }

  /** All answers at once. */
  ObjectNode whole(List<Answer> answers, Counts counts) {
    ObjectNode all = head("chat.completion");
    ArrayNode choices = all.putArray("choices");
    for (int i = 0; i < answers.size(); i++) {
      Answer answer = answers.get(i);
      ObjectNode choice = choices.addObject().put("index", i);
      choice
          .putObject("message")
          .put("role", "assistant")
          .put("content", answer.text())
          .putNull("refusal");
      logprobs(choice, answer.logprobs());
      choice.put("finish_reason", answer.finishReason());
    }
    counts.write(all.putObject("usage"));
    return all;
  }

  /** What a stream begins with, for each answer. */
  ObjectNode begin(int answer) {
    ObjectNode chunk = chunk();
    ObjectNode choice = choice(chunk, answer);
    choice.putObject("delta").put("role", "assistant").put("content", "").putNull("refusal");
    choice.putNull("logprobs").putNull("finish_reason");
    return chunk;
  }

  /** What is new of an answer. */
  ObjectNode piece(int answer, String text, List<Answer.Token> tokens) {
    ObjectNode chunk = chunk();
    ObjectNode choice = choice(chunk, answer);
    choice.putObject("delta").put("content", text);
    logprobs(choice, tokens);
    choice.putNull("finish_reason");
    return chunk;
  }

  /** The end of an answer. */
  ObjectNode end(int answer, String finishReason) {
    ObjectNode chunk = chunk();
    ObjectNode choice = choice(chunk, answer);
    choice.putObject("delta");
    choice.putNull("logprobs").put("finish_reason", finishReason);
    return chunk;
  }

  /** The counts, behind all answers. */
  ObjectNode usage(Counts counts) {
    ObjectNode chunk = chunk();
    chunk.putArray("choices");
    counts.write(chunk.putObject("usage"));
    return chunk;
  }

  private ObjectNode chunk() {
    return head("chat.completion.chunk");
  }

  private static ObjectNode choice(ObjectNode chunk, int answer) {
    return chunk.putArray("choices").addObject().put("index", answer);
  }

  private void logprobs(ObjectNode choice, List<Answer.Token> tokens) {
    if (!logprobs) {
      choice.putNull("logprobs");
      return;
    }
    ObjectNode all = choice.putObject("logprobs");
    ArrayNode content = all.putArray("content");
    for (Answer.Token token : tokens) {
      ObjectNode drawn = content.addObject();
      token(drawn, token.text(), token.logprob());
      ArrayNode top = drawn.putArray("top_logprobs");
      token.top().forEach(c -> token(top.addObject(), c.text(), c.logprob()));
    }
    all.putNull("refusal");
  }

  private static void token(ObjectNode to, String text, double logprob) {
    to.put("token", text).put("logprob", logprob);
    ArrayNode bytes = to.putArray("bytes");
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      bytes.add(b & 0xff);
    }
  }
}
