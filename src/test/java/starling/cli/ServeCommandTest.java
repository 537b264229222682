package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Demo;

/** {@code serve} as a process, from its first line to its end. */
class ServeCommandTest {
  private static CommandLineTest.Result run(String... options) {
    var args = new ArrayList<>(List.of("serve", "--model", Demo.MODEL.toString()));
    args.addAll(List.of(options));
    return CommandLineTest.run(new byte[0], args.toArray(String[]::new));
  }

  @Test
  void numbersAreWithinTheirBounds() {
    CommandLineTest.assertRefused(
        2, "--port is 65536; it must be from 0 to 65535", run("--port", "65536"));
    CommandLineTest.assertRefused(
        2, "--max-tokens is 0; it must be from 1 to 1048576", run("--max-tokens", "0"));
    CommandLineTest.assertRefused(
        2, "--max-seconds is 0; it must be from 1 to 86400", run("--max-seconds", "0"));
    CommandLineTest.assertRefused(
        2, "--grace-seconds is -1; it must be from 0 to 3600", run("--grace-seconds", "-1"));
    CommandLineTest.assertRefused(
        2, "--device is 'tpu'; it must be one of", run("--device", "tpu"));
  }

  @Test
  void whatItCannotUseIsSaidBeforeItServes(@TempDir Path dir) throws IOException {
    CommandLineTest.assertRefused(
        1, "can be reached from other machines", run("--host", "0.0.0.0", "--port", "0"));
    CommandLineTest.assertRefused(
        1, "there is no such file", run("--api-key-file", dir.resolve("none").toString()));
    Path key = Files.writeString(dir.resolve("key"), "short");
    CommandLineTest.assertRefused(
        1, "a key of 5 characters", run("--api-key-file", key.toString()));
    CommandLineTest.assertRefused(
        1, "is a folder, not a file", run("--access-log", dir.toString()));
  }

  @Test
  void itServesUntilItIsToldToEnd(@TempDir Path dir) throws Exception {
    Path log = dir.resolve("access.log");
    Process server = start(log);
    try (var err =
        new BufferedReader(
            new InputStreamReader(server.getErrorStream(), StandardCharsets.UTF_8))) {
      var said = new ArrayList<String>();
      Matcher ready = null;
      while (ready == null || !ready.matches()) {
        said.add(String.valueOf(err.readLine()));
        assertTrue(server.isAlive(), said.toString());
        ready =
            Pattern.compile("starling: (http://127\\.0\\.0\\.1:\\d+/v1) has the model model;.*")
                .matcher(said.getLast());
      }
      assertEquals(401, get(ready.group(1) + "/models", "another-key").statusCode());
      HttpResponse<String> models = get(ready.group(1) + "/models", "a-secret-key");
      assertEquals(200, models.statusCode());
      assertTrue(models.body().contains("\"id\":\"model\""), models.body());
      server.toHandle().destroy(); // SIGTERM
      assertTrue(server.waitFor(60, TimeUnit.SECONDS));
      assertEquals(128 + 15, server.exitValue());
      assertEquals("starling: shutting down", err.readLine());
    } finally {
      server.destroyForcibly();
    }
    List<String> lines = Files.readAllLines(log);
    assertEquals("before", lines.getFirst(), "a log grows at its end");
    assertEquals(3, lines.size(), lines.toString());
  }

  private static Process start(Path log) throws IOException {
    Files.writeString(log, "before\n");
    var command =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            "starling.cli.Main",
            "serve",
            "--model",
            Demo.MODEL.toString(),
            "--device",
            "cpu",
            "--port",
            "0",
            "--access-log",
            log.toString());
    command.environment().put("STARLING_API_KEY", "a-secret-key");
    return command.start();
  }

  private static HttpResponse<String> get(String address, String key) throws Exception {
    var request =
        HttpRequest.newBuilder(URI.create(address)).header("Authorization", "Bearer " + key);
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }
  }
}
