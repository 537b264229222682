package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.net.http.HttpResponse;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Demo;
import starling.Message;
import starling.Model;
import starling.Question;
import starling.Role;
import starling.device.Sampling;

/** Answers of the chat endpoint: every field that is understood, at once and as a stream. */
class ChatTest {
  private static Model model;
  private static Served served;

  @BeforeAll
  static void start() {
    model = Served.model();
    served = Served.start(model);
  }

  @AfterAll
  static void stop() {
    served.close();
    model.close();
  }

  private static ObjectNode heart() {
    return Served.question(Served.HEART, Served.dataUri("scene-00.png"));
  }

  private static Question sameAsHeart() {
    return Question.of(
        List.of(
            new Message(
                Role.USER,
                List.of(
                    new Message.Picture(Demo.read("scene-00.png")),
                    new Message.Text(Served.HEART)))));
  }

  private static String text(JsonNode answer, int choice) {
    return answer.at("/choices/" + choice + "/message/content").asText();
  }

  @Test
  void anAnswerHasEveryFieldOfOpenAi() {
    ObjectNode question = heart().put("model", "model").put("prune", "star:R=0.1,K=4,P=0.9");
    HttpResponse<String> response = served.post(question.toString());
    assertEquals(200, response.statusCode());
    assertEquals("application/json", response.headers().firstValue("content-type").orElseThrow());
    JsonNode answer = Served.json(response);
    String id = response.headers().firstValue("x-request-id").orElseThrow();
    assertEquals("chatcmpl-" + id, answer.get("id").asText());
    assertEquals("chat.completion", answer.get("object").asText());
    assertEquals("model", answer.get("model").asText());
    assertTrue(Math.abs(System.currentTimeMillis() / 1000 - answer.get("created").asLong()) < 60);
    assertEquals(1, answer.get("choices").size());
    JsonNode choice = answer.at("/choices/0");
    assertEquals(0, choice.get("index").asInt());
    assertEquals("assistant", choice.at("/message/role").asText());
    assertEquals("yellow", choice.at("/message/content").asText());
    assertTrue(choice.at("/message/refusal").isNull());
    assertTrue(choice.get("logprobs").isNull());
    assertEquals("stop", choice.get("finish_reason").asText());
  }

  /** By hand: the model's template has 14 tokens beside 576 visual ones, and the answer has two. */
  @Test
  void usageCountsVisualTokensBeforeAndAfter() {
    JsonNode usage = served.answer(heart().put("prune", "star:R=0.1,K=4,P=0.9")).get("usage");
    int text = model.ask(sameAsHeart()).promptTokens().size() - 1;
    assertEquals(576 + text, usage.get("prompt_tokens").asInt());
    assertEquals(2, usage.get("completion_tokens").asInt());
    assertEquals(576 + text + 2, usage.get("total_tokens").asInt());
    assertEquals(576, usage.at("/visual_tokens/input").asInt());
    assertEquals(518, usage.at("/visual_tokens/after_stage1").asInt());
    assertEquals(58, usage.at("/visual_tokens/after_stage2").asInt());
  }

  @Test
  void unprunedAllVisualTokensStay() {
    JsonNode visual = served.answer(heart()).at("/usage/visual_tokens");
    assertEquals(576, visual.get("after_stage1").asInt());
    assertEquals(576, visual.get("after_stage2").asInt());
  }

  @Test
  void aStreamSaysTheSameInPieces() {
    List<JsonNode> events = served.events(heart().put("logprobs", true));
    JsonNode begin = events.getFirst();
    assertEquals("chat.completion.chunk", begin.get("object").asText());
    assertEquals("assistant", begin.at("/choices/0/delta/role").asText());
    assertEquals("", begin.at("/choices/0/delta/content").asText());
    String text =
        events.stream()
            .map(event -> event.at("/choices/0/delta/content").asText())
            .collect(Collectors.joining());
    assertEquals("yellow", text);
    JsonNode end = events.getLast();
    assertEquals("stop", end.at("/choices/0/finish_reason").asText());
    assertTrue(end.at("/choices/0/delta").isEmpty());
    assertEquals(1, new HashSet<>(events.stream().map(e -> e.get("id").asText()).toList()).size());
    assertTrue(events.stream().noneMatch(event -> event.has("usage")));
    long drawn = events.stream().mapToLong(e -> e.at("/choices/0/logprobs/content").size()).sum();
    assertEquals(2, drawn);
  }

  @Test
  void aStreamEndsWithUsageIfThatIsAskedFor() {
    ObjectNode question = heart();
    question.putObject("stream_options").put("include_usage", true);
    List<JsonNode> events = served.events(question);
    JsonNode last = events.getLast();
    assertTrue(last.get("choices").isArray() && last.get("choices").isEmpty());
    assertEquals(served.answer(heart()).get("usage"), last.get("usage"));
    assertEquals("stop", events.get(events.size() - 2).at("/choices/0/finish_reason").asText());
  }

  /** Answer i is drawn with seed + i. */
  @Test
  void severalAnswersAreThoseOfTheirSeeds() {
    ObjectNode question = heart().put("temperature", 2).put("seed", 7).put("n", 3);
    JsonNode answer = served.answer(question);
    assertEquals(3, answer.get("choices").size());
    int completion = 0;
    for (int i = 0; i < 3; i++) {
      assertEquals(i, answer.at("/choices/" + i + "/index").asInt());
      var alone = model.ask(sameAsHeart().maxTokens(1024).sampling(new Sampling(2, 0, 1, 7 + i)));
      assertEquals(alone.text(), text(answer, i));
      completion += alone.outputTokens().size();
    }
    assertEquals(completion, answer.at("/usage/completion_tokens").asInt());
    List<JsonNode> events = served.events(question);
    for (int i = 0; i < 3; i++) {
      int choice = i;
      String text =
          events.stream()
              .filter(e -> e.at("/choices/0/index").asInt() == choice)
              .map(e -> e.at("/choices/0/delta/content").asText())
              .collect(Collectors.joining());
      assertEquals(text(answer, i), text);
    }
  }

  @Test
  void withoutASeedEveryRequestDrawsAnew() {
    ObjectNode question = Served.question("Hello").put("temperature", 2).put("max_tokens", 32);
    var seen = new HashSet<String>();
    for (int i = 0; i < 8; i++) {
      seen.add(text(served.answer(question), 0));
    }
    assertTrue(seen.size() > 1, "all alike: " + seen);
    question.put("seed", 3);
    assertEquals(text(served.answer(question), 0), text(served.answer(question), 0));
  }

  @Test
  void topPOfNearlyNothingIsGreedy() {
    ObjectNode question = heart().put("temperature", 2).put("top_p", 1e-6);
    assertEquals("yellow", text(served.answer(question), 0));
  }

  @Test
  void anAnswerStopsAtAText() {
    JsonNode one = served.answer(heart().put("stop", "ell"));
    assertEquals("y", text(one, 0));
    assertEquals("stop", one.at("/choices/0/finish_reason").asText());
    ObjectNode several = heart();
    several.putArray("stop").add("never").add("low");
    assertEquals("yel", text(served.answer(several), 0));
  }

  @Test
  void anAnswerStopsAfterSoManyTokens() {
    for (String field : List.of("max_tokens", "max_completion_tokens")) {
      JsonNode answer = served.answer(heart().put(field, 1));
      assertEquals("length", answer.at("/choices/0/finish_reason").asText());
      assertEquals(1, answer.at("/usage/completion_tokens").asInt());
    }
  }

  @Test
  void logProbabilitiesAreThoseOfTheTokens() {
    ObjectNode question = heart().put("logprobs", true).put("top_logprobs", 3);
    JsonNode content = served.answer(question).at("/choices/0/logprobs/content");
    JsonNode first = content.get(0);
    assertEquals(" yellow", first.get("token").asText());
    double logprob = first.get("logprob").asDouble();
    assertTrue(logprob < 0 && logprob > -1, "" + logprob);
    assertEquals("[32,121,101,108,108,111,119]", first.get("bytes").toString());
    assertEquals(3, first.get("top_logprobs").size());
    assertEquals(logprob, first.at("/top_logprobs/0/logprob").asDouble());
    double sum = 0;
    double before = 0;
    for (JsonNode candidate : first.get("top_logprobs")) {
      assertTrue(candidate.get("logprob").asDouble() <= before);
      before = candidate.get("logprob").asDouble();
      sum += Math.exp(before);
    }
    assertTrue(sum > 0.9 && sum <= 1.000001, "the three most likely have " + sum);
    JsonNode alone = served.answer(heart().put("logprobs", true));
    assertTrue(alone.at("/choices/0/logprobs/content/0/top_logprobs").isEmpty());
  }

  @Test
  void aMaskKeepsTheAnswer() {
    ObjectNode question = heart().put("prune", "star:R=0.1,K=4,P=0.9").put("mode", "mask");
    assertEquals("yellow", text(served.answer(question), 0));
  }

  @Test
  void whatTheSystemAndEarlierTurnsSayIsRead() {
    ObjectNode question = Served.JSON.createObjectNode();
    var messages = question.putArray("messages");
    messages.addObject().put("role", "developer").put("content", "Answer with one word.");
    var first = messages.addObject().put("role", "user").putArray("content");
    first
        .addObject()
        .put("type", "image_url")
        .putObject("image_url")
        .put("url", Served.dataUri("scene-00.png"))
        .put("detail", "high");
    first.addObject().put("type", "text").put("text", "How many red objects are there?");
    messages.addObject().put("role", "assistant").put("content", "2").putNull("refusal");
    messages.addObject().put("role", "user").put("name", "ann").put("content", Served.HEART);
    JsonNode answer = served.answer(question);
    int alone = served.answer(heart()).at("/usage/prompt_tokens").asInt();
    assertTrue(answer.at("/usage/prompt_tokens").asInt() > alone + 10);
    assertFalse(text(answer, 0).isEmpty());
  }

  @Test
  void whatSaysNothingAboutTheAnswerIsIgnored() {
    ObjectNode question =
        heart().put("user", "ann").put("store", false).put("service_tier", "auto");
    question.putObject("metadata").put("a", "b");
    question.putNull("tools").put("presence_penalty", 0.0).put("frequency_penalty", 0);
    question.putObject("response_format").put("type", "text");
    question.putArray("tools");
    question.put("tool_choice", "none").put("parallel_tool_calls", false).putNull("whatever");
    question.putObject("logit_bias");
    assertEquals("yellow", text(served.answer(question), 0));
  }

  @Test
  void aJpegIsReadToo() throws Exception {
    var image = ImageIO.read(Demo.image("scene-00.png").toFile());
    var jpeg = new ByteArrayOutputStream();
    ImageIO.write(image, "jpeg", jpeg);
    String uri = "data:image/jpeg;base64," + Base64.getEncoder().encodeToString(jpeg.toByteArray());
    assertEquals("yellow", text(served.answer(Served.question(Served.HEART, uri)), 0));
  }

  @Test
  void textOfAMessageIsOnlyText() {
    JsonNode plain = served.answer(Served.question("a <image> b").put("max_tokens", 1));
    assertEquals(0, plain.at("/usage/visual_tokens/input").asInt());
    JsonNode other = served.answer(Served.question("a </s> b").put("max_tokens", 1));
    assertNotEquals(0, other.at("/usage/prompt_tokens").asInt());
  }
}
