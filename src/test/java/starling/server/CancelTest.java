package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Model;

/** Questions that end before their answers do, asked of a model whose answers never end. */
class CancelTest {
  private static final RequestLimits LONG = Served.limits(8000, Duration.ofMinutes(5));

  private static Model model;

  @BeforeAll
  static void open(@TempDir Path dir) throws IOException {
    model = Served.endless(dir);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static boolean isRunning() {
    return model.load().running() + model.load().waiting() > 0;
  }

  private static Served start() {
    return new Served.Setup().requests(LONG).start(model);
  }

  /** Sends a request and leaves its answer alone. */
  private static Socket ask(Served served, boolean stream) throws IOException {
    Socket socket = served.connect();
    write(socket, Served.endlessQuestion().put("stream", stream));
    return socket;
  }

  private static void write(Socket socket, ObjectNode question) throws IOException {
    byte[] body = question.toString().getBytes(StandardCharsets.UTF_8);
    String head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Content-Length: "
            + body.length
            + "\r\n\r\n";
    socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
    socket.getOutputStream().write(body);
  }

  private static void assertCancelled(Served served) {
    JsonNode line = served.logLine(l -> true);
    assertEquals(499, line.get("status").asInt());
    Served.await(() -> !isRunning(), "the end of the question");
  }

  @Test
  void aClientThatGoesAwayBeforeItsAnswerCancelsIt() throws IOException {
    try (var served = start()) {
      Socket client = ask(served, false);
      Served.await(CancelTest::isRunning, "the question");
      client.close();
      assertCancelled(served);
    }
  }

  @Test
  void aClientThatGoesAwayFromAStreamCancelsIt() throws IOException {
    try (var served = start()) {
      Socket client = ask(served, true);
      var begun = new StringBuilder();
      while (begun.indexOf("\"content\":\"") < 0) {
        begun.append((char) client.getInputStream().read());
      }
      assertTrue(isRunning());
      client.close();
      assertCancelled(served);
    }
  }

  /** What a client sends while it waits is its next request. */
  @Test
  void aRequestThatComesEarlyIsAnsweredNext() throws IOException {
    try (var served = new Served.Setup().requests(LONG).start(model);
        var client = served.connect()) {
      write(client, Served.endlessQuestion().put("max_tokens", 200));
      Served.await(CancelTest::isRunning, "the question");
      client
          .getOutputStream()
          .write(
              "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                  .getBytes(StandardCharsets.US_ASCII));
      String all = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertTrue(all.contains("\"finish_reason\":\"length\""), all);
      assertTrue(all.endsWith("{\"status\":\"ok\"}"), all);
    }
  }

  @Test
  void aQuestionEndsWhenItsTimeIsUp() {
    var short_ = Served.limits(8000, Duration.ofSeconds(1));
    try (var served = new Served.Setup().requests(short_).start(model)) {
      HttpResponse<String> response = served.post(Served.endlessQuestion().toString());
      assertEquals(504, response.statusCode());
      assertEquals(
          "the question took longer than the 1 seconds that this server gives it",
          Served.json(response).at("/error/message").asText());
      HttpResponse<String> stream =
          served.post(Served.endlessQuestion().put("stream", true).toString());
      assertEquals(200, stream.statusCode(), "it had begun");
      String last = stream.body().strip().replaceFirst("(?s).*\n\n", "");
      assertEquals(
          "question_timeout",
          Served.json(last.replaceFirst("^data: ", "")).at("/error/code").asText());
      Served.await(() -> !isRunning(), "the end of the questions");
    }
  }

  @Test
  void aFullQueueIsSaidToBeFull() throws IOException {
    var sockets = new ArrayList<Socket>();
    try (var served = start()) {
      HttpResponse<String> refused = null;
      for (int i = 0; i < 200 && refused == null; i++) {
        sockets.add(ask(served, false));
        int asked = i + 1;
        Served.await(
            () ->
                model.load().running() + model.load().waiting() == asked
                    || served.log().contains("\"status\":429"),
            "question " + asked);
        if (served.log().contains("\"status\":429")) {
          refused = served.post(Served.endlessQuestion().toString());
        }
      }
      assertEquals(429, refused.statusCode());
      assertEquals("1", refused.headers().firstValue("retry-after").orElseThrow());
      assertEquals(
          "the queue is full; try again later", Served.json(refused).at("/error/message").asText());
      for (Socket socket : sockets) {
        socket.close();
      }
      Served.await(() -> !isRunning(), "the end of the questions");
      assertEquals(200, served.post(Served.question("Hi").put("max_tokens", 1) + "").statusCode());
    }
  }

  @Test
  void aServerThatEndsLetsQuestionsEnd() {
    try (var served = start()) {
      var answer =
          CompletableFuture.supplyAsync(
              () -> served.post(Served.endlessQuestion().put("max_tokens", 100).toString()));
      Served.await(CancelTest::isRunning, "the question");
      served.stop();
      assertEquals(200, answer.join().statusCode());
      assertEquals(100, Served.json(answer.join()).at("/usage/completion_tokens").asInt());
    }
  }

  @Test
  void aServerThatEndsCancelsWhatTakesLonger() {
    try (var served =
        new Served.Setup().requests(LONG).grace(Duration.ofMillis(300)).start(model)) {
      var answer =
          CompletableFuture.supplyAsync(() -> served.post(Served.endlessQuestion().toString()));
      Served.await(CancelTest::isRunning, "the question");
      long start = System.nanoTime();
      served.stop();
      assertTrue(System.nanoTime() - start < Duration.ofSeconds(20).toNanos());
      assertEquals(503, answer.join().statusCode());
      assertEquals(
          "the server is shutting down", Served.json(answer.join()).at("/error/message").asText());
      Served.await(() -> !isRunning(), "the end of the question");
      served.stop(); // once more
    }
  }

  /** Its answer fills what lies between the two, and then waits. */
  @Test
  void aClientThatDoesNotReadIsCutOff() throws IOException {
    var limits = new ConnectionLimits(16, Duration.ofMillis(500), Duration.ofSeconds(20));
    var setup = new Served.Setup().requests(Served.limits(8000, Duration.ofSeconds(10)));
    try (var served = setup.connections(limits).start(model);
        var client = new Socket()) {
      client.setReceiveBufferSize(4096);
      client.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), served.port()));
      write(
          client,
          Served.endlessQuestion()
              .put("stream", true)
              .put("n", 8)
              .put("logprobs", true)
              .put("top_logprobs", 20));
      assertEquals(499, served.logLine(l -> true).get("status").asInt());
      Served.await(() -> !isRunning(), "the end of the question");
    }
  }

  /** One byte a time never runs into the socket's own time-out. */
  @Test
  void aRequestThatComesInTooSlowlyIsCutOff() throws Exception {
    var limits = new ConnectionLimits(16, Duration.ofMillis(500), Duration.ofSeconds(20));
    try (var served = new Served.Setup().connections(limits).start(model);
        var client = served.connect()) {
      client.setSoTimeout(50);
      int sent = 0;
      int answer = -2;
      while (answer == -2 && sent < 600) {
        try {
          client.getOutputStream().write('G');
          sent++;
          answer = client.getInputStream().read();
        } catch (SocketTimeoutException e) {
          // Nothing yet.
        } catch (IOException e) {
          answer = -1; // reset
        }
      }
      assertEquals(-1, answer, "the connection is closed");
    }
  }

  @Test
  void aSilentConnectionIsClosed() throws IOException {
    var limits = new ConnectionLimits(16, Duration.ofSeconds(20), Duration.ofMillis(300));
    try (var served = new Served.Setup().requests(LONG).connections(limits).start(model);
        var client = served.connect()) {
      assertEquals(-1, client.getInputStream().read());
      // An answer may take longer than a silence.
      String question = Served.endlessQuestion().put("max_tokens", 400).toString();
      assertEquals(200, served.post(question).statusCode());
    }
  }

  @Test
  void moreConnectionsThanAllowedWait() throws Exception {
    var limits = new ConnectionLimits(1, Duration.ofSeconds(20), Duration.ofSeconds(20));
    try (var served = new Served.Setup().connections(limits).start(model)) {
      var first = served.connect();
      first.getOutputStream().write('G');
      var answer = CompletableFuture.supplyAsync(() -> served.get("/health").statusCode());
      Thread.sleep(300);
      assertFalse(answer.isDone(), "it waits for the first");
      first.close();
      assertEquals(200, answer.join());
    }
  }
}
