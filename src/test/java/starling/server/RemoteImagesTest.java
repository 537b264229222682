package starling.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import starling.Demo;
import starling.Model;
import starling.input.InputException;

/**
 * Images that are fetched, from servers of the test's own. {@code 127.0.0.2} plays the internet;
 * {@code 127.0.0.1} is what must not be reached.
 */
class RemoteImagesTest {
  /** Answers every path with what the test has put there, byte for byte. */
  private static final class Site implements AutoCloseable {
    final ServerSocket socket;
    final Map<String, byte[]> answers = new ConcurrentHashMap<>();
    final List<String> asked = Collections.synchronizedList(new ArrayList<>());
    private final List<Socket> open = Collections.synchronizedList(new ArrayList<>());

    Site(String address, int port) throws IOException {
      socket = new ServerSocket(port, 50, InetAddress.ofLiteral(address));
      Thread.ofVirtual().start(this::serve);
    }

    private void serve() {
      while (!socket.isClosed()) {
        try {
          Socket client = socket.accept();
          open.add(client);
          Thread.ofVirtual().start(() -> answer(client));
        } catch (IOException e) {
          return;
        }
      }
    }

    private void answer(Socket client) {
      try {
        var head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
          head.append((char) client.getInputStream().read());
        }
        asked.add(head.toString());
        byte[] answer = answers.get(head.toString().split(" ", 3)[1]);
        if (answer != null) {
          client.getOutputStream().write(answer);
          client.close();
        } // else it is waited for in vain
      } catch (IOException e) {
        // The client has gone.
      }
    }

    void put(String path, String head, byte[] body) {
      byte[] first = (head + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
      var all = new ByteArrayOutputStream();
      all.writeBytes(first);
      all.writeBytes(body);
      answers.put(path, all.toByteArray());
    }

    void put(String path, String head) {
      put(path, head, new byte[0]);
    }

    @Override
    public void close() throws IOException {
      socket.close();
      for (Socket client : List.copyOf(open)) {
        client.close();
      }
    }
  }

  private static final int MOST = 50_000;

  private Site internet;
  private Site inside;
  private byte[] png;

  @BeforeEach
  void start() throws IOException {
    internet = new Site("127.0.0.2", 0);
    inside = new Site("127.0.0.1", internet.socket.getLocalPort());
    png = Files.readAllBytes(Demo.image("scene-00.png"));
    internet.put("/a.png", "HTTP/1.1 200 OK\r\nContent-Length: " + png.length, png);
    inside.put("/a.png", "HTTP/1.1 200 OK\r\nContent-Length: " + png.length, png);
  }

  @AfterEach
  void stop() throws IOException {
    internet.close();
    inside.close();
  }

  private static boolean isInternet(InetAddress address) {
    return address.getHostAddress().equals("127.0.0.2");
  }

  private static RemoteImages images(RemoteImages.Lookup lookup) {
    return new RemoteImages(MOST, Duration.ofSeconds(2), lookup, RemoteImagesTest::isInternet);
  }

  private URI at(String host, String path) {
    return URI.create("http://" + host + ":" + internet.socket.getLocalPort() + path);
  }

  private byte[] fetch(String path) {
    return images(InetAddress::getAllByName).fetch(at("127.0.0.2", path), "url");
  }

  private void refuses(URI address, RemoteImages.Lookup lookup, String sentence) {
    var images = images(lookup);
    assertEquals(
        sentence,
        assertThrows(InputException.class, () -> images.fetch(address, "url")).getMessage());
  }

  private void refuses(String path, String sentence) {
    refuses(at("127.0.0.2", path), InetAddress::getAllByName, sentence);
  }

  @Test
  void anImageIsFetched() {
    assertArrayEquals(png, fetch("/a.png"));
    String asked = internet.asked.getFirst();
    assertTrue(asked.startsWith("GET /a.png HTTP/1.1\r\nHost: 127.0.0.2:"), asked);
    assertFalse(asked.toLowerCase(Locale.ROOT).contains("cookie"), asked);
  }

  @Test
  void contentComesInChunksOrUntilTheEnd() {
    internet.put("/end", "HTTP/1.0 200 OK", png);
    assertArrayEquals(png, fetch("/end"));
    internet.put(
        "/chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    assertEquals("hello world", new String(fetch("/chunks"), StandardCharsets.US_ASCII));
    internet.put("/%C3%A4?b=1", "HTTP/1.1 200 OK\r\nContent-Length: 2", new byte[] {1, 2});
    assertArrayEquals(new byte[] {1, 2}, fetch("/ä?b=1"));
  }

  @Test
  void aPrivateAddressIsNotConnectedTo() {
    for (String host : List.of("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "[::1]")) {
      refuses(
          at(host, "/a.png"),
          InetAddress::getAllByName,
          "url: " + host + " is no public address, and nothing else is fetched");
    }
    assertEquals(List.of(), inside.asked);
  }

  /** Also if it has public ones beside. */
  @Test
  void aNameThatHasAPrivateAddressIsNotConnectedTo() {
    InetAddress good = InetAddress.ofLiteral("127.0.0.2");
    InetAddress bad = InetAddress.ofLiteral("10.0.0.1");
    refuses(
        at("two.example", "/a.png"),
        host -> new InetAddress[] {good, bad},
        "url: two.example is no public address, and nothing else is fetched");
  }

  /** A name that changes its mind: what was checked is what is connected to. */
  @Test
  void aNameIsLookedUpOnce() {
    var lookups = new AtomicInteger();
    InetAddress good = InetAddress.ofLiteral("127.0.0.2");
    InetAddress bad = InetAddress.ofLiteral("127.0.0.1");
    var images = images(host -> new InetAddress[] {lookups.getAndIncrement() == 0 ? good : bad});
    assertArrayEquals(png, images.fetch(at("rebinding.example", "/a.png"), "url"));
    assertEquals(1, lookups.get());
    assertEquals(1, internet.asked.size());
    assertTrue(internet.asked.getFirst().contains("Host: rebinding.example:"));
    assertEquals(List.of(), inside.asked);
  }

  @Test
  void aRedirectIsCheckedLikeTheFirstAddress() {
    String to = "HTTP/1.1 302 Found\r\nLocation: ";
    internet.put("/once", to + "/a.png");
    assertArrayEquals(png, fetch("/once"));
    internet.put("/inside", to + at("127.0.0.1", "/a.png"));
    refuses("/inside", "url: 127.0.0.1 is no public address, and nothing else is fetched");
    internet.put("/file", to + "file:///etc/passwd");
    refuses("/file", "url: only data:, http: and https: are read");
    internet.put("/round", to + "/round");
    refuses("/round", "url cannot be fetched (more than 3 redirects)");
    internet.put("/nowhere", "HTTP/1.1 302 Found");
    refuses("/nowhere", "url cannot be fetched (the status is 302)");
    assertEquals(List.of(), inside.asked);
  }

  @Test
  void onlyOrdinaryAddressesAreRead() {
    refuses(
        URI.create("ftp://127.0.0.2/a"),
        InetAddress::getAllByName,
        "url: only data:, http: and https: are read");
    refuses(
        URI.create("http://ann:secret@127.0.0.2/a"),
        InetAddress::getAllByName,
        "url: an address has a host, and neither name nor password");
    refuses(
        URI.create("http:a"),
        InetAddress::getAllByName,
        "url: an address has a host, and neither name nor password");
    refuses(
        at("nobody.example", "/"),
        host -> {
          throw new UnknownHostException(host);
        },
        "url: there is no host nobody.example");
  }

  @Test
  void anImageIsNoLongerThanAllowed() {
    String tooMany = "url has more than the 50000 bytes that an image may have";
    byte[] large = new byte[MOST + 1];
    internet.put("/end", "HTTP/1.1 200 OK", large);
    refuses("/end", tooMany);
    internet.put("/length", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999");
    refuses("/length", tooMany);
    internet.put(
        "/chunk",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff",
        new byte[] {'\r', '\n', 0});
    refuses("/chunk", tooMany);
    internet.put("/head", "HTTP/1.1 200 OK\r\nX: " + "x".repeat(17_000));
    refuses(
        "/head", "url cannot be fetched (the answer has more than 16384 bytes before its content)");
  }

  @Test
  void whatIsNoAnswerIsSaidToBeNone() {
    internet.put("/404", "HTTP/1.1 404 Not Found");
    refuses("/404", "url cannot be fetched (the status is 404)");
    internet.put("/ssh", "SSH-2.0-OpenSSH_9.2");
    refuses("/ssh", "url cannot be fetched (the answer is not HTTP/1.1)");
    internet.put("/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10", new byte[9]);
    refuses("/cut", "url cannot be fetched (it is cut off)");
    internet.put("/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip");
    refuses("/gzip", "url cannot be fetched (it is packed, though that was not asked for)");
  }

  @Test
  void aSiteThatDoesNotAnswerIsGivenUp() {
    long start = System.nanoTime();
    var images = images(InetAddress::getAllByName);
    String said =
        assertThrows(InputException.class, () -> images.fetch(at("127.0.0.2", "/never"), "url"))
            .getMessage();
    assertTrue(said.startsWith("url cannot be fetched ("), said);
    assertTrue(System.nanoTime() - start < 10_000_000_000L);
  }

  @Test
  void aServerFetchesOnlyIfItMay() {
    try (Model model = Served.model();
        var served = new Served.Setup().remote(images(InetAddress::getAllByName)).start(model)) {
      var answer =
          served.answer(Served.question(Served.HEART, at("127.0.0.2", "/a.png").toString()));
      assertEquals("yellow", answer.at("/choices/0/message/content").asText());
      var refused =
          served.post(
              Served.question(Served.HEART, at("127.0.0.1", "/a.png").toString()).toString());
      assertEquals(400, refused.statusCode());
      String param = "messages[0].content[0].image_url.url";
      assertEquals(param, Served.json(refused).at("/error/param").asText());
      assertEquals(
          param + ": 127.0.0.1 is no public address, and nothing else is fetched",
          Served.json(refused).at("/error/message").asText());
    }
  }
}
