package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionContentPart;
import com.openai.models.chat.completions.ChatCompletionContentPartImage;
import com.openai.models.chat.completions.ChatCompletionContentPartText;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Model;

/** OpenAI's own client for Java, as it is, against the server. */
class OpenAiClientTest {
  private static Model model;
  private static Served served;
  private static OpenAIClient client;

  @BeforeAll
  static void start() {
    model = Served.model();
    served = new Served.Setup().key("a-secret-key").start(model);
    client = client("a-secret-key");
  }

  @AfterAll
  static void stop() {
    client.close();
    served.close();
    model.close();
  }

  private static OpenAIClient client(String key) {
    return OpenAIOkHttpClient.builder()
        .baseUrl("http://127.0.0.1:" + served.port() + "/v1")
        .apiKey(key)
        .maxRetries(0)
        .build();
  }

  private static ChatCompletionCreateParams.Builder heart() {
    var image =
        ChatCompletionContentPartImage.ImageUrl.builder()
            .url(Served.dataUri("scene-00.png"))
            .detail(ChatCompletionContentPartImage.ImageUrl.Detail.HIGH)
            .build();
    return ChatCompletionCreateParams.builder()
        .model("model")
        .addUserMessageOfArrayOfContentParts(
            List.of(
                ChatCompletionContentPart.ofImageUrl(
                    ChatCompletionContentPartImage.builder().imageUrl(image).build()),
                ChatCompletionContentPart.ofText(
                    ChatCompletionContentPartText.builder().text(Served.HEART).build())));
  }

  @Test
  void answersAQuestionAboutAnImage() {
    ChatCompletion answer =
        client
            .chat()
            .completions()
            .create(
                heart()
                    .putAdditionalBodyProperty("prune", JsonValue.from("star:R=0.1,K=4,P=0.9"))
                    .logprobs(true)
                    .topLogprobs(2)
                    .build())
            .validate();
    ChatCompletion.Choice choice = answer.choices().getFirst();
    assertEquals("yellow", choice.message().content().orElseThrow());
    assertEquals(ChatCompletion.Choice.FinishReason.STOP, choice.finishReason());
    var first = choice.logprobs().orElseThrow().content().orElseThrow().getFirst();
    assertEquals(" yellow", first.token());
    assertEquals(2, first.topLogprobs().size());
    var usage = answer.usage().orElseThrow();
    assertEquals(2, usage.completionTokens());
    assertEquals(usage.promptTokens() + 2, usage.totalTokens());
    Map<?, ?> visual = usage._additionalProperties().get("visual_tokens").convert(Map.class);
    assertEquals(Map.of("input", 576, "after_stage1", 518, "after_stage2", 58), visual);
  }

  @Test
  void readsAStream() {
    var text = new StringBuilder();
    var chunks = new ArrayList<ChatCompletionChunk>();
    var params =
        heart()
            .n(2)
            .streamOptions(ChatCompletionStreamOptions.builder().includeUsage(true).build())
            .build();
    try (StreamResponse<ChatCompletionChunk> stream =
        client.chat().completions().createStreaming(params)) {
      stream.stream().forEach(chunk -> chunks.add(chunk.validate()));
    }
    for (ChatCompletionChunk chunk : chunks) {
      for (ChatCompletionChunk.Choice choice : chunk.choices()) {
        text.append(choice.index() == 1 ? choice.delta().content().orElse("") : "");
      }
    }
    assertEquals("yellow", text.toString());
    assertEquals(4, chunks.getLast().usage().orElseThrow().completionTokens());
  }

  @Test
  void goesOnWithAConversation() {
    ChatCompletionCreateParams first = heart().build();
    ChatCompletion answer = client.chat().completions().create(first);
    ChatCompletion next =
        client
            .chat()
            .completions()
            .create(
                first.toBuilder()
                    .addMessage(answer.choices().getFirst().message())
                    .addUserMessage("How many red objects are there?")
                    .maxCompletionTokens(4)
                    .build());
    assertFalse(next.choices().getFirst().message().content().orElseThrow().isEmpty());
  }

  @Test
  void knowsItsErrors() {
    assertThrows(
        NotFoundException.class,
        () -> client.chat().completions().create(heart().model("gpt-4o").build()));
    BadRequestException bad =
        assertThrows(
            BadRequestException.class,
            () -> client.chat().completions().create(heart().temperature(3.0).build()));
    assertEquals("temperature", bad.param().orElseThrow());
    assertTrue(bad.getMessage().contains("it must be a number from 0 to 2"), bad.getMessage());
    OpenAIClient stranger = client("another-key");
    UnauthorizedException no =
        assertThrows(UnauthorizedException.class, () -> stranger.models().list());
    assertEquals("invalid_api_key", no.code().orElseThrow());
    stranger.close();
  }

  @Test
  void listsTheModel() {
    assertEquals("model", client.models().list().data().getFirst().validate().id());
    assertEquals("model", client.models().retrieve("model").validate().id());
  }
}
