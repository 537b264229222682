package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.Model;

/** What gets no answer, with status, field and sentence. */
class RefusalsTest {
  private static final String HEAD = "data:image/png;base64,";

  private static Model model;
  private static Served served;

  @BeforeAll
  static void start() {
    model = Served.model();
    RequestLimits small =
        new RequestLimits(200_000, 50_000, 120_000, 2, 4, 2, 100, Duration.ofMinutes(1));
    served = new Served.Setup().requests(small).start(model);
  }

  @AfterAll
  static void stop() {
    served.close();
    model.close();
  }

  private static void refuses(
      HttpResponse<String> response, int status, String param, String sentence) {
    JsonNode error = Served.json(response).get("error");
    assertEquals(sentence, error.get("message").asText());
    assertEquals(status, response.statusCode());
    assertEquals(param, error.get("param").textValue());
    assertEquals(4, error.size());
    assertEquals("application/json", response.headers().firstValue("content-type").orElseThrow());
  }

  private static void refuses(String body, String param, String sentence) {
    refuses(served.post(body), 400, param, sentence);
  }

  private static void refuses(Consumer<ObjectNode> change, String param, String sentence) {
    ObjectNode question = Served.question("Hello");
    change.accept(question);
    refuses(question.toString(), param, sentence);
  }

  private static void refusesImage(String url, String sentence) {
    String param = "messages[0].content[0].image_url.url";
    refuses(Served.question("What is this?", url).toString(), param, sentence.replace("IT", param));
  }

  @Test
  void aBodyIsAnObjectOfJson() {
    refuses("", null, "the request is empty; it must be a JSON object");
    refuses("[]", null, "the request is not an object");
    refuses(
        "{\"messages\": }",
        null,
        "the request is not JSON: Unexpected character ('}' (code 125)): expected a valid value"
            + " (JSON String, Number, Array, Object or token 'null', 'true' or 'false')");
    refuses("{\"n\":1,\"n\":2}", null, "the request is not JSON: Duplicate field 'n'");
    refuses(
        "[".repeat(33),
        null,
        "the request holds more than 100000 names and values, is nested deeper than 32, or has a"
            + " name of 1000 characters or a number of 100");
  }

  @Test
  void aBodyIsOfAKnownTypeAndLength() {
    HttpRequest text =
        served
            .at("/v1/chat/completions")
            .header("Content-Type", "text/plain")
            .POST(HttpRequest.BodyPublishers.ofString("{}"))
            .build();
    refuses(
        Served.send(text),
        415,
        null,
        "the content type is text/plain; it must be application/json in UTF-8");
    HttpRequest without =
        served.at("/v1/chat/completions").POST(HttpRequest.BodyPublishers.ofString("{}")).build();
    refuses(
        Served.send(without),
        415,
        null,
        "the content type is absent; it must be application/json in UTF-8");
    HttpRequest charset =
        served
            .at("/v1/chat/completions")
            .header("Content-Type", "application/json; charset=utf-8")
            .POST(HttpRequest.BodyPublishers.ofString("{}"))
            .build();
    assertEquals(400, Served.send(charset).statusCode());
    refuses(
        served.post(" ".repeat(200_001)),
        413,
        null,
        "the request has more than the 200000 bytes that this server reads");
  }

  /** Its length is not known before it is read. */
  @Test
  void aBodyInChunksIsCountedToo() {
    byte[] long_ = " ".repeat(300_000).getBytes(StandardCharsets.US_ASCII);
    HttpRequest request =
        served
            .at("/v1/chat/completions")
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(long_)))
            .build();
    refuses(
        Served.send(request),
        413,
        null,
        "the request has more than the 200000 bytes that this server reads");
  }

  @Test
  void pathsAndMethods() {
    HttpResponse<String> nothing = served.get("/v2");
    refuses(nothing, 404, null, "there is nothing at /v2");
    HttpResponse<String> get = served.get("/v1/chat/completions");
    refuses(get, 405, null, "/v1/chat/completions takes POST, not GET");
    assertEquals("POST", get.headers().firstValue("allow").orElseThrow());
    HttpRequest delete = served.at("/v1/models").DELETE().build();
    refuses(Served.send(delete), 405, null, "/v1/models takes GET, not DELETE");
    refuses(served.get("/../../etc/passwd"), 404, null, "there is nothing at /../../etc/passwd");
  }

  @Test
  void anotherModelIsNotHere() {
    refuses(
        served.post(Served.question("Hello").put("model", "gpt-4o").toString()),
        404,
        "model",
        "the model 'gpt-4o' is not here; this server has 'model'");
  }

  @Test
  void numbersAreWithinTheirBounds() {
    refuses(q -> q.put("n", 3), "n", "n is 3; it must be a whole number from 1 to 2");
    refuses(q -> q.put("n", 1.5), "n", "n is 1.5; it must be a whole number from 1 to 2");
    refuses(q -> q.put("n", "1"), "n", "n is \"1\"; it must be a whole number from 1 to 2");
    refuses(
        q -> q.put("temperature", 2.5),
        "temperature",
        "temperature is 2.5; it must be a number from 0 to 2");
    refuses(
        q -> q.put("temperature", "hot"),
        "temperature",
        "temperature is \"hot\"; it must be a number from 0 to 2");
    refuses(
        q -> q.put("temperature", -0.1),
        "temperature",
        "temperature is -0.1; it must be a number from 0 to 2");
    refuses(q -> q.put("top_p", 0), "top_p", "top_p is 0; it must be above 0 and at most 1");
    refuses(q -> q.put("top_p", 1.1), "top_p", "top_p is 1.1; it must be a number from 0 to 1");
    refuses(q -> q.put("seed", 0.5), "seed", "seed is 0.5; it must be a whole number of 64 bits");
    refuses(
        q -> q.put("max_tokens", 101),
        "max_tokens",
        "max_tokens is 101; it must be a whole number from 1 to 100");
    refuses(
        q -> q.put("max_completion_tokens", 0),
        "max_completion_tokens",
        "max_completion_tokens is 0; it must be a whole number from 1 to 100");
    refuses(
        q -> q.put("max_tokens", 1).put("max_completion_tokens", 2),
        "max_tokens",
        "max_tokens and max_completion_tokens differ; leave one out");
    refuses(
        q -> q.put("logprobs", true).put("top_logprobs", 21),
        "top_logprobs",
        "top_logprobs is 21; it must be a whole number from 0 to 20");
    refuses(
        q -> q.put("top_logprobs", 2), "top_logprobs", "top_logprobs needs logprobs to be true");
    refuses(q -> q.put("stream", 1), "stream", "stream is 1; it must be true or false");
    refuses(
        q -> q.putObject("stream_options").put("include_usage", true),
        "stream_options",
        "stream_options is for streams alone; set stream to true");
  }

  @Test
  void textsThatEndTheAnswer() {
    refuses(q -> q.put("stop", ""), "stop", "stop has an empty text, which would end every answer");
    refuses(
        q -> q.put("stop", "x".repeat(257)), "stop", "stop has a text of more than 256 characters");
    refuses(
        q -> q.putArray("stop").add("a").add("b").add("c").add("d").add("e"),
        "stop",
        "stop has 5 entries; at most 4 are taken");
    refuses(
        q -> q.putArray("stop").add(1),
        "stop",
        "stop is [1]; it must be a text or a list of texts");
    refuses(q -> q.put("stop", 1), "stop", "stop is 1; it must be a list");
  }

  @Test
  void whatWouldChangeTheAnswerAndIsNotDone() {
    String leaveOut = "; leave it out";
    refuses(
        q -> q.putArray("tools").addObject().put("type", "function"),
        "tools",
        "tools is not supported: these models are not trained to call tools" + leaveOut);
    refuses(
        q -> q.put("tool_choice", "required"),
        "tool_choice",
        "tool_choice is not supported: these models are not trained to call tools" + leaveOut);
    refuses(
        q -> q.putObject("response_format").put("type", "json_object"),
        "response_format",
        "response_format is not supported: answers are free text" + leaveOut);
    refuses(
        q -> q.put("presence_penalty", 0.5),
        "presence_penalty",
        "presence_penalty is not supported: no penalty but 0 is applied" + leaveOut);
    refuses(
        q -> q.put("frequency_penalty", -1),
        "frequency_penalty",
        "frequency_penalty is not supported: no penalty but 0 is applied" + leaveOut);
    refuses(
        q -> q.putObject("logit_bias").put("50256", -100),
        "logit_bias",
        "logit_bias is not supported: logits are taken as they are" + leaveOut);
    refuses(
        q -> q.putArray("modalities").add("audio"),
        "modalities",
        "modalities is not supported: answers are text" + leaveOut);
    refuses(
        q -> q.put("reasoning_effort", "high"),
        "reasoning_effort",
        "\"reasoning_effort\" is no field that is known here" + leaveOut);
    refuses(
        q -> q.put("stream", true).putObject("stream_options").put("speed", 2),
        "stream_options.speed",
        "stream_options: \"speed\" is no field that is known here" + leaveOut);
  }

  @Test
  void pruningIsASpecThatOpensNoFile() {
    refuses(
        q -> q.put("prune", "star:R=2"),
        "prune",
        "pruning spec 'star:R=2': R=2 must be at least 0 and below 1");
    refuses(
        q -> q.put("prune", "replay:/etc/passwd"),
        "prune",
        "prune names a file, and requests open no files of the server");
    refuses(q -> q.put("prune", ",".repeat(1001)), "prune", "prune has more than 1000 characters");
    refuses(q -> q.put("prune", 1), "prune", "prune is 1; it must be a text");
    refuses(
        q -> q.put("mode", "fast"), "mode", "mode is \"fast\"; it must be one of compact, mask");
    HttpResponse<String> deep =
        served.post(
            Served.question(Served.HEART, Served.dataUri("small-00.png"))
                .put("prune", "star:K=99,P=0.5")
                .toString());
    assertEquals(400, deep.statusCode(), "only the model knows how many layers there are");
    assertTrue(deep.body().contains("K"), deep.body());
  }

  @Test
  void messagesHaveRolesAndContent() {
    refuses("{\"messages\": 5}", "messages", "messages is 5; it must be a list");
    refuses("{\"messages\": [5]}", "messages[0]", "messages[0] is not an object");
    refuses(
        "{\"messages\": [{\"content\": \"x\"}]}",
        "messages[0].role",
        "messages[0].role is missing");
    refuses(
        "{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}",
        "messages[0].role",
        "messages[0].role is none that is known here; known are system, developer, user and"
            + " assistant");
    refuses(
        "{\"messages\": [{\"role\": \"user\"}]}",
        "messages[0].content",
        "messages[0].content is missing");
    refuses(
        "{\"messages\": [{\"role\": \"user\", \"content\": 1}]}",
        "messages[0].content",
        "messages[0].content is 1; it must be a list");
    refuses(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"input_audio\"}]}]}",
        "messages[0].content[0].type",
        "messages[0].content[0].type is none that is known here; known are text and image_url");
    refuses(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
        "messages[0].content[0].image_url",
        "messages[0].content[0].image_url is missing");
    refuses(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"trust\": 1}]}",
        "messages[0].trust",
        "messages[0]: \"trust\" is no field that is known here; leave it out");
    String message = "{\"role\": \"user\", \"content\": \"x\"}";
    refuses(
        "{\"messages\": [" + (message + ",").repeat(4) + message + "]}",
        "messages",
        "messages has 5 entries; at most 4 are taken");
  }

  /** Whose sentence is that of the message form. */
  @Test
  void messagesEndWithAQuestion() {
    for (String messages : new String[] {"", "{\"role\": \"assistant\", \"content\": \"x\"}"}) {
      HttpResponse<String> response = served.post("{\"messages\": [" + messages + "]}");
      assertEquals(400, response.statusCode());
      assertEquals("messages", Served.json(response).at("/error/param").asText());
    }
  }

  @Test
  void imagesAreDataUrisOfPngOrJpeg() {
    refusesImage(
        "https://example.com/a.png",
        "IT is an address, and this server fetches nothing; send the image as a data URI");
    refusesImage(
        "file:///etc/passwd",
        "IT is an address, and this server fetches nothing; send the image as a data URI");
    String form =
        "IT is no data URI of an image; it must begin with data:image/png;base64, or"
            + " data:image/jpeg;base64,";
    refusesImage("data:text/plain;base64,AAAA", form);
    refusesImage("data:image/png,AAAA", form);
    refusesImage("data:image/png;base64", form);
    refusesImage(HEAD + "A:AA", "IT is not base64: Illegal base64 character 3a");
    refusesImage(HEAD + "R0lGODlh", "IT: is a GIF image; PNG and JPEG are read");
    byte[] cut = Arrays.copyOf(Base64.getDecoder().decode(picture()), 300);
    refusesImage(HEAD + Base64.getEncoder().encodeToString(cut), "IT: the image is cut off");
  }

  private static String picture() {
    return Served.dataUri("scene-00.png").substring(HEAD.length());
  }

  @Test
  void imagesAreSmallAndFew() throws IOException {
    refusesImage(
        HEAD + "A".repeat(66_672), "IT has more than the 50000 bytes that an image may have");
    var large = new BufferedImage(401, 300, BufferedImage.TYPE_INT_RGB);
    for (String format : new String[] {"png", "jpeg"}) {
      var bytes = new ByteArrayOutputStream();
      ImageIO.write(large, format, bytes);
      refusesImage(
          "data:image/"
              + format
              + ";base64,"
              + Base64.getEncoder().encodeToString(bytes.toByteArray()),
          "IT: the image is 401x300 pixels; more than 120000 are not read");
    }
    ObjectNode three = Served.question("What?", Served.dataUri("small-00.png"));
    var content = (ArrayNode) three.at("/messages/0/content");
    content.add(content.get(0)).add(content.get(0));
    String param = "messages[0].content[3].image_url.url";
    refuses(
        three.toString(),
        param,
        param + ": the request has more than 2 images, which is the limit");
  }

  /** A page of somebody else's, whose name leads here, sends its own name along. */
  @Test
  void withoutAKeyOnlyNamesOfThisMachineAreAnswered() throws IOException {
    for (String host :
        new String[] {"evil.example", "evil.example:80", "localhost.evil.example", ""}) {
      String answer =
          raw("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
      assertTrue(answer.startsWith(host.isEmpty() ? "HTTP/1.1 400 " : "HTTP/1.1 403 "), answer);
    }
    for (String host : new String[] {"localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80"}) {
      String answer =
          raw("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
      assertTrue(answer.startsWith("HTTP/1.1 200 "), answer);
    }
  }

  @Test
  void whatIsNoHttpIsToldAsJsonAndLogged() throws IOException {
    String answer = raw("BREW  / HTCPCP\r\n\r\n");
    assertTrue(answer.startsWith("HTTP/1.1 400 "), answer);
    assertTrue(answer.contains("\"code\":\"bad_http\""), answer);
    String smuggled =
        raw(
            String.join(
                "\r\n",
                "POST /v1/chat/completions HTTP/1.1",
                "Host: localhost",
                "Content-Length: 4",
                "Transfer-Encoding: chunked",
                "\r\n0\r\n\r\n"));
    assertTrue(smuggled.startsWith("HTTP/1.1 400 "), smuggled);
    String header =
        raw("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x".repeat(20_000) + "\r\n\r\n");
    assertTrue(header.startsWith("HTTP/1.1 4"), header);
    assertEquals(
        400, served.logLine(line -> line.get("client").asText().isEmpty()).get("status").asInt());
  }

  private static String raw(String request) throws IOException {
    try (var socket = served.connect()) {
      socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
