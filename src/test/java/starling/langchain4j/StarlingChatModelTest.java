package starling.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.AudioContent;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.ModelProvider;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Answer;
import starling.Demo;
import starling.Message;
import starling.Model;
import starling.Question;
import starling.Role;
import starling.device.DeviceType;
import starling.input.InputException;

class StarlingChatModelTest {
  private static final String HEART = "What color is the heart?";
  private static final String STAR = "star:R=0.1,K=4,P=0.9";

  /** With this an answer is something else every time. */
  private static final double HOT = 50;

  private static Model model;
  private static StarlingChatModel chat;

  @BeforeAll
  static void open() {
    model = Model.open(Demo.MODEL, DeviceType.CPU);
    chat = StarlingChatModel.builder(model).prune(STAR).build();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static ImageContent base64() {
    return ImageContent.from(Demo.image("scene-00.png"), "image/png");
  }

  private static UserMessage heart() {
    return UserMessage.from(base64(), TextContent.from(HEART));
  }

  private static Answer answer(ChatResponse response) {
    return ((StarlingChatResponseMetadata) response.metadata()).answer();
  }

  private static ChatRequest request(UnaryOperator<ChatRequest.Builder> more) {
    return more.apply(ChatRequest.builder().messages(UserMessage.from("Is it red?"))).build();
  }

  @Test
  void anImageIsAskedAboutAndPruned() {
    ChatResponse response = chat.chat(heart());
    assertEquals("yellow", response.aiMessage().text());
    Answer expected = model.ask(Question.of(HEART).image(Demo.image("scene-00.png")).prune(STAR));
    assertEquals(expected.promptTokens(), answer(response).promptTokens());
    assertEquals(expected.visualTokens(), answer(response).visualTokens());
    assertEquals(58, answer(response).visualTokens().afterStage2());
    assertEquals(FinishReason.STOP, response.finishReason());
    assertEquals("model", response.modelName(), "its folder's name");
    int input = expected.promptTokens().size() - 1 + 576;
    assertEquals(input, response.tokenUsage().inputTokenCount());
    assertEquals(expected.outputTokens().size(), response.tokenUsage().outputTokenCount());
    assertEquals(input + expected.outputTokens().size(), response.tokenUsage().totalTokenCount());
  }

  @Test
  void anImageMayBeAFile() {
    var file = ImageContent.from(Demo.image("scene-00.png").toUri());
    assertEquals(
        "yellow", chat.chat(UserMessage.from(file, TextContent.from(HEART))).aiMessage().text());
  }

  @Test
  void aTextAloneIsAQuestion() {
    assertEquals(model.ask(Question.of("Is it red?")).text(), chat.chat("Is it red?"));
  }

  @Test
  void systemAndEarlierMessagesArePartOfTheQuestion() {
    List<ChatMessage> messages =
        List.of(
            SystemMessage.from("Be brief."),
            UserMessage.from(TextContent.from("a"), TextContent.from("b</s>")),
            AiMessage.from("c <image>"),
            UserMessage.from("d"));
    Answer expected =
        model.ask(
            Question.of(
                List.of(
                    new Message(Role.SYSTEM, List.of(new Message.Text("Be brief."))),
                    new Message(
                        Role.USER, List.of(new Message.Text("a"), new Message.Text("b</s>"))),
                    new Message(Role.ASSISTANT, List.of(new Message.Text("c <image>"))),
                    new Message(Role.USER, List.of(new Message.Text("d"))))));
    assertEquals(expected.promptTokens(), answer(chat.chat(messages)).promptTokens());
  }

  @Test
  void parametersHoldAndDefaultsWhereNoneIsNamed() {
    ChatResponse one = chat.chat(request(r -> r.maxOutputTokens(1)));
    assertEquals(FinishReason.LENGTH, one.finishReason());
    assertEquals(1, one.tokenUsage().outputTokenCount());
    ChatRequestParameters two = ChatRequestParameters.builder().maxOutputTokens(2).build();
    var brief = StarlingChatModel.builder(model).defaultRequestParameters(two).build();
    assertEquals(
        2, brief.chat(request(r -> r.temperature(HOT).topP(1.0))).tokenUsage().outputTokenCount());
    assertEquals(1, brief.chat(request(r -> r.maxOutputTokens(1))).tokenUsage().outputTokenCount());
    String whole = chat.chat(heart()).aiMessage().text();
    ChatRequest stopped =
        ChatRequest.builder().messages(heart()).stopSequences(List.of(whole.substring(2))).build();
    assertEquals(whole.substring(0, 2), chat.chat(stopped).aiMessage().text());
  }

  @Test
  void aSeedRepeatsWhatIsDrawn() {
    ChatRequest drawn = request(r -> r.temperature(HOT).maxOutputTokens(20));
    var seeded = StarlingChatModel.builder(model).seed(7).build();
    assertEquals(
        answer(seeded.chat(drawn)).outputTokens(), answer(seeded.chat(drawn)).outputTokens());
    assertNotEquals(
        answer(chat.chat(drawn)).outputTokens(), answer(chat.chat(drawn)).outputTokens());
    ChatRequest greedy = request(r -> r.temperature(HOT).topK(1));
    assertEquals(chat.chat("Is it red?"), chat.chat(greedy).aiMessage().text());
    ChatRequest narrow = request(r -> r.temperature(1.0).topP(1e-6));
    assertEquals(chat.chat("Is it red?"), chat.chat(narrow).aiMessage().text());
  }

  @Test
  void whatIsNotThereIsRefusedByName() {
    var refused = new LinkedHashMap<String, ChatRequest>();
    refused.put("modelName: a StarlingChatModel has one model", request(r -> r.modelName("x")));
    refused.put("frequencyPenalty", request(r -> r.frequencyPenalty(0.5)));
    refused.put("presencePenalty", request(r -> r.presencePenalty(-0.5)));
    ToolSpecification tool = ToolSpecification.builder().name("f").build();
    refused.put("toolSpecifications", request(r -> r.toolSpecifications(tool)));
    refused.put("toolChoice", request(r -> r.toolChoice(ToolChoice.REQUIRED)));
    refused.put("responseFormat but text", request(r -> r.responseFormat(ResponseFormat.JSON)));
    ToolExecutionRequest call = ToolExecutionRequest.builder().id("1").name("f").build();
    refused.put(
        "tools: a message of the model calls one",
        ChatRequest.builder().messages(AiMessage.from(call), UserMessage.from("a")).build());
    refused.forEach(
        (what, request) ->
            assertEquals(
                "Starling has no " + what,
                assertThrows(UnsupportedFeatureException.class, () -> chat.chat(request))
                    .getMessage()));
    chat.chat(
        request(
            r -> r.frequencyPenalty(0.0).responseFormat(ResponseFormat.TEXT).maxOutputTokens(1)));
    assertUnsupported(
        "Starling takes no message of type tool_execution_result",
        ToolExecutionResultMessage.from("1", "f", "x"),
        UserMessage.from("a"));
    assertUnsupported(
        "Starling takes no content of type audio",
        UserMessage.from(AudioContent.from("AAAA", "audio/wav")));
    for (String url :
        List.of(
            "https://example.com/a.png",
            "HTTP://127.0.0.1/",
            "ftp://a/b",
            "data:image/png;base64,AA")) {
      assertUnsupported(
          "Starling fetches no images: the url of one begins with "
              + url.substring(0, url.indexOf(':'))
              + ":; give it as base64 or as a file: address",
          UserMessage.from(ImageContent.from(url)));
    }
  }

  private static void assertUnsupported(String sentence, ChatMessage... messages) {
    var e = assertThrows(UnsupportedFeatureException.class, () -> chat.chat(messages));
    assertEquals(sentence, e.getMessage());
  }

  @Test
  void whatCannotBeAskedIsRefusedInOneSentence() {
    Map<String, ChatRequest> refused =
        Map.of(
            "temperature is -1.0; it must be 0, which is greedy, or more",
                request(r -> r.temperature(-1.0)),
            "temperature is NaN; it must be 0, which is greedy, or more",
                request(r -> r.temperature(Double.NaN)),
            "topP is 0.0; it must be above 0 and at most 1", request(r -> r.topP(0.0)),
            "topP is 1.5; it must be above 0 and at most 1", request(r -> r.topP(1.5)),
            "topK is -1; it must be 0, which keeps all, or more", request(r -> r.topK(-1)),
            "maxOutputTokens is 0; it must be 1 or more", request(r -> r.maxOutputTokens(0)));
    refused.forEach(
        (sentence, request) ->
            assertEquals(
                sentence,
                assertThrows(InvalidRequestException.class, () -> chat.chat(request))
                    .getMessage()));
    assertInvalid(
        "the last message is the assistant's", UserMessage.from("a"), AiMessage.from("b"));
    assertInvalid("a message has no parts", AiMessage.builder().build(), UserMessage.from("a"));
    assertInvalid("the base64Data of an image is not base64", image("*", "image/png"));
    assertInvalid("an image in base64: ", image("AAAA", "image/png"));
    assertInvalid("nowhere.png", UserMessage.from(ImageContent.from("file:///nowhere.png")));
    for (String url : List.of("file://host/a.png", "file:a.png", "file:///a.png?b")) {
      assertInvalid(
          "the file: address of an image names no file here",
          UserMessage.from(ImageContent.from(URI.create(url))));
    }
    assertInvalid("prompt is ", UserMessage.from("a ".repeat(5000)));
  }

  private static UserMessage image(String base64, String type) {
    return UserMessage.from(ImageContent.from(base64, type));
  }

  private static void assertInvalid(String begin, ChatMessage... messages) {
    var e = assertThrows(InvalidRequestException.class, () -> chat.chat(messages), begin);
    assertTrue(e.getMessage().contains(begin), e.getMessage());
    assertEquals(1, e.getMessage().lines().count());
  }

  @Test
  void valuesOfAChatModelAreChecked() {
    var builder = StarlingChatModel.builder(model);
    assertThrows(InputException.class, () -> builder.prune("stars"));
    assertEquals(
        "prune", assertThrows(NullPointerException.class, () -> builder.prune(null)).getMessage());
    assertThrows(NullPointerException.class, () -> builder.defaultRequestParameters(null));
    assertThrows(NullPointerException.class, () -> StarlingChatModel.builder(null));
    assertEquals(ModelProvider.OTHER, chat.provider());
    assertEquals(Set.of(), chat.supportedCapabilities());
    assertEquals(List.of(), chat.listeners());
  }

  @Test
  void aFullQueueIsALimitOfTheRate() {
    var full = new RejectedExecutionException("the queue is full");
    RuntimeException translated = Responses.translated(full);
    assertEquals("the queue is full", translated.getMessage());
    assertSame(full, translated.getCause());
    assertTrue(translated instanceof RateLimitException);
  }

  // ---- streaming ----

  /** What a handler hears. */
  private static class Heard implements StreamingChatResponseHandler {
    final CountDownLatch ended = new CountDownLatch(1);
    final StringBuilder text = new StringBuilder();
    final List<Throwable> errors = new ArrayList<>();
    ChatResponse response;

    @Override
    public void onPartialResponse(String piece) {
      text.append(piece);
    }

    @Override
    public void onCompleteResponse(ChatResponse whole) {
      response = whole;
      ended.countDown();
    }

    @Override
    public void onError(Throwable e) {
      errors.add(e);
      ended.countDown();
    }

    void await() throws InterruptedException {
      assertTrue(ended.await(60, TimeUnit.SECONDS));
    }
  }

  @Test
  void anAnswerIsHandedOverAsItComes() throws InterruptedException {
    var heard = new Heard();
    chat.chat(List.of(heart()), heard);
    heard.await();
    assertEquals(List.of(), heard.errors);
    assertEquals("yellow", heard.text.toString().strip());
    assertEquals(chat.chat(heart()).aiMessage(), heard.response.aiMessage());
    assertEquals(chat.chat(heart()).tokenUsage(), heard.response.tokenUsage());
  }

  @Test
  void aHandlerThatThrowsEndsItsQuestionAndHearsOfIt() throws InterruptedException {
    var mine = new IllegalStateException("mine");
    var heard =
        new Heard() {
          @Override
          public void onPartialResponse(String piece) {
            super.onPartialResponse(piece);
            throw mine;
          }
        };
    chat.chat(request(r -> r.temperature(HOT).maxOutputTokens(200)), heard);
    heard.await();
    assertEquals(List.of(mine), heard.errors);
    assertNull(heard.response);
    assertEquals("yellow", chat.chat(heart()).aiMessage().text(), "the model goes on");
  }

  @Test
  void whoCancelsHearsNothingMore() throws InterruptedException {
    var cancelled = new CountDownLatch(1);
    var heard =
        new Heard() {
          @Override
          public void onPartialResponse(PartialResponse piece, PartialResponseContext context) {
            text.append(piece.text());
            context.streamingHandle().cancel();
            assertTrue(context.streamingHandle().isCancelled());
            cancelled.countDown();
          }
        };
    chat.chat(request(r -> r.temperature(HOT).maxOutputTokens(200)), heard);
    assertTrue(cancelled.await(60, TimeUnit.SECONDS));
    String first = heard.text.toString();
    assertEquals("yellow", chat.chat(heart()).aiMessage().text(), "the model goes on");
    assertEquals(first, heard.text.toString());
    assertEquals(1, heard.ended.getCount());
  }

  @Test
  void whatIsRefusedIsRefusedAtOnce() {
    var heard = new Heard();
    assertThrows(
        UnsupportedFeatureException.class,
        () -> chat.chat(request(r -> r.responseFormat(ResponseFormat.JSON)), heard));
    assertThrows(InvalidRequestException.class, () -> chat.chat(request(r -> r.topK(-1)), heard));
    assertEquals(1, heard.ended.getCount());
  }

  @Test
  void aFaultOnTheWayIsHandedOver() throws InterruptedException {
    var heard = new Heard();
    List<ChatMessage> tooLong = List.of(UserMessage.from("a ".repeat(5000)));
    try {
      chat.chat(tooLong, heard);
      heard.await();
    } catch (InvalidRequestException e) {
      heard.onError(e); // where it was seen before the answer began
    }
    assertEquals(1, heard.errors.size());
    assertTrue(heard.errors.getFirst() instanceof InvalidRequestException, "" + heard.errors);
  }
}
