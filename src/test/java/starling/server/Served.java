package starling.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.stream.Stream;
import starling.Admission;
import starling.Demo;
import starling.Model;
import starling.device.DeviceType;
import starling.device.Providers;

/** A server with the bundled model on a free port, and what it has logged. */
final class Served implements AutoCloseable {
  static final ObjectMapper JSON = new ObjectMapper();
  static final String HEART = "What color is the heart?";

  private static final HttpClient CLIENT =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private final ByteArrayOutputStream logged = new ByteArrayOutputStream();
  private final Server server;

  private Served(Model model, Setup setup) {
    var log = new PrintStream(logged, true, StandardCharsets.UTF_8);
    var options =
        new ServerOptions(
            "127.0.0.1",
            0,
            "model",
            setup.key,
            setup.remote != null,
            setup.requests,
            setup.connections,
            setup.grace,
            log);
    server = Server.start(model, options, setup.remote);
  }

  /** What a test wants to be otherwise. */
  static final class Setup {
    private ApiKey key;
    private RemoteImages remote;
    private RequestLimits requests = RequestLimits.USUAL;
    private ConnectionLimits connections = ConnectionLimits.USUAL;
    private Duration grace = Duration.ofSeconds(5);

    Setup key(String value) {
      key = ApiKey.of(value, "the test's key");
      return this;
    }

    Setup remote(RemoteImages value) {
      remote = value;
      return this;
    }

    Setup requests(RequestLimits value) {
      requests = value;
      return this;
    }

    Setup connections(ConnectionLimits value) {
      connections = value;
      return this;
    }

    Setup grace(Duration value) {
      grace = value;
      return this;
    }

    Served start(Model model) {
      return new Served(model, this);
    }
  }

  static Served start(Model model) {
    return new Setup().start(model);
  }

  static Model model() {
    return open(Demo.MODEL);
  }

  /** The bundled model with an end token that is never drawn, and room for long answers. */
  static Model endless(Path dir) throws IOException {
    try (Stream<Path> files = Files.list(Demo.MODEL)) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.endsWith("config.json")) {
          String text =
              Files.readString(file)
                  .replace("\"eos_token_id\": 2", "\"eos_token_id\": 511")
                  .replace(
                      "\"max_position_embeddings\": 1024", "\"max_position_embeddings\": 16384");
          Files.writeString(dir.resolve(name), text);
        } else {
          Files.createSymbolicLink(dir.resolve(name), file.toAbsolutePath());
        }
      }
    }
    return open(dir);
  }

  /** With a queue that is soon full. */
  private static Model open(Path dir) {
    return Model.open(dir, DeviceType.CPU, null, Providers.AUTO, new Admission(16, 20, 0));
  }

  /** A question that the endless model answers for a minute. */
  static ObjectNode endlessQuestion() {
    return question("Tell me.").put("max_tokens", 8000);
  }

  static RequestLimits limits(int tokens, Duration time) {
    RequestLimits usual = RequestLimits.USUAL;
    return new RequestLimits(
        usual.bodyBytes(),
        usual.imageBytes(),
        usual.imagePixels(),
        usual.images(),
        usual.messages(),
        usual.answers(),
        tokens,
        time);
  }

  static String dataUri(String picture) {
    try {
      byte[] png = Files.readAllBytes(Demo.image(picture));
      return "data:image/png;base64," + Base64.getEncoder().encodeToString(png);
    } catch (IOException e) {
      throw new AssertionError(picture, e);
    }
  }

  static ObjectNode question(String text) {
    ObjectNode json = JSON.createObjectNode();
    json.putArray("messages").addObject().put("role", "user").put("content", text);
    return json;
  }

  /** A question about an image. */
  static ObjectNode question(String text, String url) {
    ObjectNode json = JSON.createObjectNode();
    var content = json.putArray("messages").addObject().put("role", "user").putArray("content");
    content.addObject().put("type", "image_url").putObject("image_url").put("url", url);
    content.addObject().put("type", "text").put("text", text);
    return json;
  }

  Socket connect() throws IOException {
    var socket = new Socket(InetAddress.getLoopbackAddress(), port());
    socket.setSoTimeout(30_000);
    return socket;
  }

  int port() {
    return server.port();
  }

  HttpRequest.Builder at(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + path))
        .timeout(Duration.ofMinutes(5));
  }

  static HttpResponse<String> send(HttpRequest request) {
    try {
      return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(request.toString(), e);
    }
  }

  HttpResponse<String> get(String path) {
    return send(at(path).build());
  }

  HttpRequest.Builder chatRequest(String body) {
    return at("/v1/chat/completions")
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body));
  }

  HttpResponse<String> post(String body) {
    return send(chatRequest(body).build());
  }

  static JsonNode json(HttpResponse<String> response) {
    return json(response.body());
  }

  static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (IOException e) {
      throw new AssertionError(text, e);
    }
  }

  /** The answer to a request that is answered. */
  JsonNode answer(JsonNode body) {
    HttpResponse<String> response = post(body.toString());
    if (response.statusCode() != 200) {
      throw new AssertionError(response.statusCode() + " " + response.body());
    }
    return json(response);
  }

  /** The events of a stream, without the last one, which says that it is. */
  List<JsonNode> events(ObjectNode body) {
    HttpResponse<String> response = post(body.put("stream", true).toString());
    String type = response.headers().firstValue("content-type").orElse("");
    var lines = new ArrayList<>(List.of(response.body().split("\n\n")));
    boolean whole = lines.removeLast().equals("data: [DONE]");
    if (response.statusCode() != 200 || !type.startsWith("text/event-stream") || !whole) {
      throw new AssertionError(response.statusCode() + " " + type + " " + response.body());
    }
    return lines.stream().map(line -> json(line.replaceFirst("^data: ", ""))).toList();
  }

  String log() {
    return logged.toString(StandardCharsets.UTF_8);
  }

  /** The line of the log that fits; waits for it. */
  JsonNode logLine(Predicate<JsonNode> fits) {
    var found = new ArrayList<JsonNode>();
    await(
        () -> {
          String log = log();
          log.substring(0, log.lastIndexOf('\n') + 1)
              .lines()
              .map(Served::json)
              .filter(fits)
              .forEach(found::add);
          return !found.isEmpty();
        },
        "a line of the log");
    return found.getFirst();
  }

  static void await(BooleanSupplier holds, String what) {
    long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!holds.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        throw new AssertionError(what + " did not come within 30 seconds");
      }
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  void stop() {
    server.close();
  }

  @Override
  public void close() {
    server.close();
  }
}
