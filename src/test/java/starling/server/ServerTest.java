package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Model;
import starling.input.InputException;

/** What is beside the chat endpoint: models, health, metrics, the log, the key, the end. */
class ServerTest {
  private static Model model;

  @BeforeAll
  static void open() {
    model = Served.model();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static ObjectNode heart() {
    return Served.question(Served.HEART, Served.dataUri("small-00.png"));
  }

  @Test
  void theModelIsListed() {
    try (var served = Served.start(model)) {
      JsonNode list = Served.json(served.get("/v1/models"));
      assertEquals("list", list.get("object").asText());
      assertEquals(1, list.get("data").size());
      JsonNode one = list.at("/data/0");
      assertEquals("model", one.get("id").asText());
      assertEquals("model", one.get("object").asText());
      assertEquals("starling", one.get("owned_by").asText());
      assertTrue(Math.abs(Instant.now().getEpochSecond() - one.get("created").asLong()) < 60);
      assertEquals(one, Served.json(served.get("/v1/models/model")));
      assertEquals(404, served.get("/v1/models/other").statusCode());
    }
  }

  @Test
  void itSaysThatItLivesAndIsReady() {
    try (var served = Served.start(model)) {
      assertEquals("{\"status\":\"ok\"}", served.get("/health").body());
      assertEquals("{\"status\":\"ready\"}", served.get("/ready").body());
    }
  }

  @Test
  void aBrowserGetsAPageThatLoadsNothing() {
    try (var served = Served.start(model)) {
      HttpResponse<String> page = served.get("/");
      assertEquals(200, page.statusCode());
      assertTrue(page.body().startsWith("<!DOCTYPE html>"), page.body());
      assertEquals("text/html; charset=utf-8", page.headers().firstValue("content-type").get());
      String policy = page.headers().firstValue("content-security-policy").orElseThrow();
      assertTrue(policy.startsWith("default-src 'none'"), policy);
    }
  }

  /** All that must be counted, by hand for one question and a request that is refused. */
  @Test
  void prometheusIsToldOfRequestsTokensAndTimes() {
    try (var served = Served.start(model)) {
      JsonNode usage = served.answer(heart().put("prune", "star:R=0.1,K=4,P=0.9")).get("usage");
      served.post("{}");
      served.get("/nothing");
      Served.await(() -> served.log().lines().count() == 3, "three lines of the log");
      HttpResponse<String> response = served.get("/metrics");
      assertTrue(
          response.headers().firstValue("content-type").orElseThrow().startsWith("text/plain"));
      String chat = "starling_requests_total{path=\"/v1/chat/completions\",status=\"";
      Set<String> lines = new TreeSet<>(response.body().lines().toList());
      for (String line :
          List.of(
              chat + "200\"} 1.0",
              chat + "400\"} 1.0",
              "starling_requests_total{path=\"other\",status=\"404\"} 1.0",
              "starling_tokens_total{kind=\"prompt\"} " + usage.get("prompt_tokens") + ".0",
              "starling_tokens_total{kind=\"completion\"} " + usage.get("completion_tokens") + ".0",
              "starling_visual_tokens_total{stage=\"input\"} 576.0",
              "starling_visual_tokens_total{stage=\"after_stage1\"} 518.0",
              "starling_visual_tokens_total{stage=\"after_stage2\"} 58.0",
              "starling_question_seconds_count 1",
              "starling_first_token_seconds_count 1",
              "starling_questions_running 0.0",
              "starling_questions_waiting 0.0",
              "starling_cache_used_bytes 0.0")) {
        assertTrue(lines.contains(line), line + " in\n" + response.body());
      }
      assertTrue(response.body().contains("\nstarling_cache_bytes "), response.body());
    }
  }

  @Test
  void aLineOfTheLogTellsOfEveryRequestAndNothingOfItsText() {
    try (var served = new Served.Setup().key("a-secret-key").start(model)) {
      HttpRequest request =
          served
              .chatRequest(heart().toString())
              .header("Authorization", "Bearer a-secret-key")
              .build();
      HttpResponse<String> response = Served.send(request);
      JsonNode line = served.logLine(l -> l.get("status").asInt() == 200);
      assertEquals(
          response.headers().firstValue("x-request-id").orElseThrow(), line.get("id").asText());
      assertEquals("127.0.0.1", line.get("client").asText());
      assertEquals("POST", line.get("method").asText());
      assertEquals("/v1/chat/completions", line.get("path").asText());
      assertTrue(line.get("ms").asDouble() > 0);
      Duration age = Duration.between(Instant.parse(line.get("time").asText()), Instant.now());
      assertTrue(age.abs().toSeconds() < 60, "" + age);
      JsonNode usage = Served.json(response).get("usage");
      for (String count : List.of("prompt_tokens", "completion_tokens", "visual_tokens")) {
        assertEquals(usage.get(count), line.get(count));
      }
      served.get("/" + "x".repeat(300) + "?key=a-secret-key");
      JsonNode refused = served.logLine(l -> l.get("status").asInt() == 401);
      assertEquals("/" + "x".repeat(199) + "…", refused.get("path").asText());
      assertFalse(refused.has("prompt_tokens"));
      for (String secret : List.of("secret", "heart", "base64", "yellow")) {
        assertFalse(served.log().contains(secret), secret);
      }
    }
  }

  @Test
  void onlyThoseWithTheKeyAreAnswered() {
    try (var served = new Served.Setup().key("a-secret-key").start(model)) {
      for (String path : List.of("/v1/models", "/metrics", "/nothing")) {
        HttpResponse<String> none = served.get(path);
        assertEquals(401, none.statusCode(), path);
        assertEquals("Bearer", none.headers().firstValue("www-authenticate").orElseThrow());
        assertEquals("invalid_api_key", Served.json(none).at("/error/code").asText());
        for (String wrong :
            List.of(
                "a-secret-key",
                "Bearer a-secret-ke",
                "Bearer a-secret-key2",
                "Bearer ",
                "Basic a-secret-key")) {
          HttpRequest request = served.at(path).header("Authorization", wrong).build();
          assertEquals(401, Served.send(request).statusCode(), wrong);
        }
      }
      assertEquals(401, served.post(heart().toString()).statusCode());
      for (String open : List.of("/", "/health", "/ready")) {
        assertEquals(200, served.get(open).statusCode(), open);
      }
      HttpRequest right =
          served.at("/v1/models").header("authorization", "bearer a-secret-key").build();
      assertEquals(200, Served.send(right).statusCode());
    }
  }

  @Test
  void messagesAreNoLongerThanAnyContext() {
    try (var served = Served.start(model)) {
      HttpResponse<String> response = served.post(Served.question("x".repeat(1_048_577)) + "");
      assertEquals(400, response.statusCode());
      assertEquals(
          "messages[0].content: the request has more than 1048576 characters in its messages,"
              + " which is the limit",
          Served.json(response).at("/error/message").asText());
    }
  }

  /** What went wrong is in the log; a client is told where to look it up. */
  @Test
  void aFaultOfOursIsNotToldToStrangers() {
    Model gone = Served.model();
    try (var served = Served.start(gone)) {
      gone.close();
      HttpResponse<String> response = served.post(Served.question("Hello") + "");
      assertEquals(500, response.statusCode());
      String id = response.headers().firstValue("x-request-id").orElseThrow();
      assertEquals(
          "something went wrong in the server; its log has more under " + id,
          Served.json(response).at("/error/message").asText());
      JsonNode fault = served.logLine(line -> line.has("fault"));
      assertEquals(id, fault.get("id").asText());
      assertTrue(fault.get("fault").asText().endsWith(" is closed"), fault.toString());
      assertTrue(fault.get("at").asText().startsWith("starling"), fault.toString());
    }
  }

  @Test
  void withoutAKeyItListensOnThisMachineAlone() {
    var options =
        new ServerOptions(
            "0.0.0.0",
            0,
            "model",
            null,
            false,
            RequestLimits.USUAL,
            ConnectionLimits.USUAL,
            Duration.ZERO,
            System.err);
    assertEquals(
        "0.0.0.0 can be reached from other machines; give the server a key (--api-key-file, or"
            + " STARLING_API_KEY), or let it listen on 127.0.0.1",
        assertThrows(InputException.class, () -> Server.start(model, options)).getMessage());
  }

  @Test
  void aPortThatAnotherProgramHasIsSaidToBeTaken() {
    try (var served = Served.start(model)) {
      var options =
          new ServerOptions(
              "127.0.0.1",
              served.port(),
              "model",
              null,
              false,
              RequestLimits.USUAL,
              ConnectionLimits.USUAL,
              Duration.ZERO,
              System.err);
      String said =
          assertThrows(InputException.class, () -> Server.start(model, options)).getMessage();
      String start = "the server cannot listen on 127.0.0.1 port " + served.port();
      assertTrue(said.startsWith(start), said);
      assertTrue(said.endsWith("another program may have it"), said);
    }
  }

  @Test
  void manyRequestsAreAnsweredAtOnce() {
    try (var served = Served.start(model)) {
      List<String> alone =
          List.of("small-00.png", "small-01.png", "small-02.png").stream()
              .map(picture -> answer(served, picture))
              .toList();
      var all = new ConcurrentLinkedQueue<String>();
      var threads =
          IntStream.range(0, 12)
              .mapToObj(
                  i ->
                      Thread.ofVirtual()
                          .start(() -> all.add(i % 3 + answer(served, "small-0" + i % 3 + ".png"))))
              .toList();
      threads.forEach(ServerTest::join);
      assertEquals(12, all.size());
      for (String answer : all) {
        assertEquals(alone.get(answer.charAt(0) - '0'), answer.substring(1));
      }
    }
  }

  private static String answer(Served served, String picture) {
    return served
        .answer(Served.question("How many red objects are there?", Served.dataUri(picture)))
        .at("/choices/0/message/content")
        .asText();
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
