package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.cli.Shell.Result;

/**
 * A machine with neither a JDK 25 nor Maven: an almost empty path, a checkout with the scripts as
 * they are, and a server here that plays the downloads. The played JDK hands everything to the one
 * that runs this test, the played Maven takes the classes of this checkout.
 */
abstract class BareMachine {
  /** What a minimal Debian or Fedora has, and a program that downloads. */
  static final List<String> PRESENT =
      List.of(
          "bash",
          "basename",
          "cat",
          "cksum",
          "curl",
          "cut",
          "dirname",
          "env",
          "find",
          "flock",
          "grep",
          "gzip",
          "head",
          "id",
          "ln",
          "mkdir",
          "mktemp",
          "mv",
          "readlink",
          "rm",
          "sed",
          "sh",
          "sha256sum",
          "sleep",
          "sort",
          "stat",
          "stty",
          "tail",
          "tar",
          "tr",
          "true",
          "uname",
          "xargs");

  static final String JDK = "jdk-25.0.9+1";
  static final String MAVEN = "apache-maven-3.9.99";
  static final String ADVICE =
      "install one (package temurin-25-jdk, or openjdk-25-jdk) or set JAVA_HOME";

  @TempDir Path dir;
  Path tree;
  HttpServer server;
  String address;
  final ConcurrentLinkedQueue<String> requests = new ConcurrentLinkedQueue<>();
  volatile long delay;
  volatile int cutOff;

  @BeforeEach
  void anEmptyMachine() throws Exception {
    for (String program : PRESENT) {
      link(program);
    }
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.createContext("/", this::serve);
    server.start();
    address = "http://127.0.0.1:" + server.getAddress().getPort() + "/";
    tree = dir.resolve("tree");
    for (String folder : List.of("src/main", "src/demo", "src/native", "src/generated", "tools")) {
      Files.createDirectories(tree.resolve(folder));
    }
    Files.writeString(tree.resolve("pom.xml"), "");
    Files.writeString(tree.resolve("src/main/A.java"), "class A {}");
    for (String tool : List.of("starling", "mvnw", "check")) {
      Files.copy(Checkout.path("tools").resolve(tool), tree.resolve("tools", tool));
    }
    String setup = Files.readString(Checkout.path("tools/setup"));
    Path installed = dir.resolve("jvm");
    Files.writeString(
        tree.resolve("tools/setup"),
        changed(
            changed(setup, "/usr/lib/jvm/", installed + "/"),
            "/Library/Java/JavaVirtualMachines",
            "/nowhere"));
    playJdk();
    playMaven();
  }

  @AfterEach
  void stop() throws IOException {
    server.stop(0);
    try (var links = Files.list(dir.resolve("bin"))) {
      for (Path link : links.toList()) {
        Files.delete(link); // else JUnit warns of every one
      }
    }
  }

  static String changed(String text, String from, String to) {
    assertTrue(text.contains(from), from);
    return text.replace(from, to);
  }

  void link(String program) throws IOException {
    for (String folder : System.getenv("PATH").split(":", -1)) {
      Path file = Path.of(folder, program);
      if (Files.isExecutable(file)) {
        Files.createSymbolicLink(
            Files.createDirectories(dir.resolve("bin")).resolve(program), file.toRealPath());
        return;
      }
    }
    assumeTrue(false, program + " is not on this machine");
  }

  void serve(HttpExchange exchange) throws IOException {
    String name = exchange.getRequestURI().getPath().substring(1);
    requests.add(name);
    Path file = dir.resolve("downloads").resolve(name);
    if (!Files.exists(file)) {
      exchange.sendResponseHeaders(404, -1);
      return;
    }
    byte[] bytes = Files.readAllBytes(file);
    exchange.sendResponseHeaders(200, bytes.length);
    try (var body = exchange.getResponseBody()) {
      int first = cutOff > 0 ? cutOff : bytes.length / 2;
      body.write(bytes, 0, first);
      body.flush();
      Thread.sleep(delay);
      if (cutOff == 0) {
        body.write(bytes, first, bytes.length - first);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Packs one folder, and says what its sum is. */
  String pack(String folder, String archive) throws Exception {
    Path packed = Files.createDirectories(dir.resolve("downloads")).resolve(archive);
    Result tar =
        new Shell(dir)
            .run(Map.of(), "tar", "-czf", packed.toString(), "-C", dir + "/played", folder);
    assertEquals(0, tar.status(), tar.err());
    return HexFormat.of()
        .formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(packed)));
  }

  void playJdk() throws Exception {
    program(
        "played/" + JDK + "/bin/java",
        "exec '" + System.getProperty("java.home") + "/bin/java' \"$@\"");
    program("played/" + JDK + "/bin/javac", "");
    jdkPins(pack(JDK, "jdk.tar.gz"));
  }

  void jdkPins(String sum) throws IOException {
    StringBuilder pins = new StringBuilder("version=25.0.9+1\n");
    for (String architecture : List.of("x64", "aarch64")) {
      pins.append(architecture).append(".url=").append(address).append("jdk.tar.gz\n");
      pins.append(architecture).append(".sha256=").append(sum).append('\n');
    }
    Files.writeString(tree.resolve("tools/jdk.properties"), pins);
  }

  void playMaven() throws Exception {
    program(
        "played/" + MAVEN + "/bin/mvn",
        """
        echo "$JAVA_HOME $*" >>'%1$s/builds'
        mkdir -p target
        ln -sfn '%2$s/target/classes' '%2$s/target/demo-classes' '%2$s/target/lib' target/
        """
            .formatted(dir, Checkout.ROOT));
    Files.writeString(
        tree.resolve("tools/maven-wrapper.properties"),
        "distributionUrl=%s%s-bin.tar.gz\ndistributionSha256Sum=%s\n"
            .formatted(address, MAVEN, pack(MAVEN, MAVEN + "-bin.tar.gz")));
  }

  void program(String name, String script) throws IOException {
    new Shell(dir).program(name, script + "\n");
  }

  Path cache() {
    return dir.resolve("home/.cache/starling");
  }

  Result start(Map<String, String> environment, String... arguments) throws Exception {
    var command = new ArrayList<>(List.of("env", "-i"));
    var variables = new HashMap<>(Map.of("PATH", dir + "/bin", "HOME", dir + "/home"));
    variables.putAll(environment);
    variables.forEach((name, value) -> command.add(name + "=" + value));
    command.addAll(List.of("bash", tree + "/tools/" + arguments[0]));
    command.addAll(List.of(arguments).subList(1, arguments.length));
    return new Shell(dir).run(Map.of(), command.toArray(String[]::new));
  }

  Result start() throws Exception {
    return start(Map.of(), "starling", "--version");
  }

  static void works(Result result) {
    assertEquals("starling 0.1.0\n", result.out(), result.err());
    assertEquals(0, result.status());
  }

  String announcesJdk() {
    return "starling: downloading Eclipse Temurin 25.0.9+1 (140 MB) to %s; STARLING_OFFLINE=1 refuses that ..."
        .formatted(cache());
  }

  List<String> cached() throws IOException {
    try (var files = Files.list(cache())) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }
}
