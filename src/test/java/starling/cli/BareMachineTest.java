package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import starling.Checkout;
import starling.cli.Shell.Result;

/** The two commands on a machine with neither a JDK 25 nor Maven. */
class BareMachineTest extends BareMachine {
  @Test
  void theDemoDoesAllTheSetUp() throws Exception {
    Result demo = start(Map.of(), "starling", "demo", "--pictures", "1", "--out", dir + "/demo");
    assertEquals(0, demo.status(), demo.err());
    assertTrue(demo.out().contains(" answers right (dense)"), demo.out());
    assertEquals(
        List.of(
            announcesJdk(), announcesJdk().replace("Eclipse Temurin 25.0.9+1 (140", MAVEN + " (9")),
        demo.err().lines().limit(2).toList());
    assertEquals(List.of(MAVEN, JDK, "lock"), cached());
    assertEquals(
        List.of(cache().resolve(JDK) + " -q -B -DskipTests process-classes"),
        Files.readAllLines(dir.resolve("builds")));
    // All of it is there now, for another checkout too.
    Files.delete(tree.resolve("target/java"));
    Files.writeString(tree.resolve("src/main/A.java"), "class B {}");
    Result again = start(Map.of("STARLING_OFFLINE", "1"), "starling", "--version");
    works(again);
    assertEquals("", again.err());
    assertEquals(List.of("jdk.tar.gz", MAVEN + "-bin.tar.gz"), List.copyOf(requests));
  }

  /** The check takes both by the same way, and its parts run on them. */
  @Test
  void theCheckDoesAllTheSetUp() throws Exception {
    String said = check();
    assertTrue(said.contains("left out: libstarling_host.so"), said);
    List<String> builds = Files.readAllLines(dir.resolve("builds"));
    assertTrue(builds.getLast().endsWith(" -B -Plint verify"), builds.toString());
    String fast = check("--fast");
    assertTrue(fast.contains("left out: 2 classes of slow tests, native tests, "), fast);
    builds = Files.readAllLines(dir.resolve("builds"));
    assertTrue(
        builds
            .getLast()
            .endsWith(
                " -B -Plint test-compile surefire:test@default-test -Dsurefire.excludesFile=src/test/slow-tests.txt"),
        builds.toString());
    for (String build : builds) {
      assertTrue(build.startsWith(cache().resolve(JDK) + " "), build);
    }
    assertEquals(List.of("jdk.tar.gz", MAVEN + "-bin.tar.gz"), List.copyOf(requests));
  }

  /** In a tree whose other tools only say that they ran. */
  private String check(String... options) throws Exception {
    for (String part : List.of("kernel-lint", "outside", "gpu-check", "host-cost", "fuzz")) {
      program("tree/tools/" + part, "echo 'Benchmark of " + part + "'");
    }
    Files.createDirectories(tree.resolve("src/test"));
    Files.writeString(
        tree.resolve("src/test/slow-tests.txt"), "# Slow.\n**/ATest.java\n**/BTest.java\n");
    if (!Files.exists(tree.resolve("tools/real"))) {
      Files.move(tree.resolve("tools/starling"), tree.resolve("tools/real"));
    }
    program(
        "tree/tools/starling",
        "[ \"$1\" != demo ] || { echo demo; exit; }\nexec bash '" + tree + "/tools/real' \"$@\"");
    List<String> command = new ArrayList<>(List.of("check"));
    command.addAll(List.of(options));
    Result check = start(Map.of(), command.toArray(String[]::new));
    assertEquals(0, check.status(), check.err() + check.out());
    return check.out();
  }

  @Test
  void wgetWillDo() throws Exception {
    Files.delete(dir.resolve("bin/curl"));
    link("wget");
    cutOff = 10;
    fails("could not be downloaded from " + address + "jdk.tar.gz (", Map.of());
    cutOff = 0;
    works(start());
  }

  /** As root, and where sudo asks for no password; each names its package its own way. */
  @Test
  void theDistributionsPackageComesFirst() throws Exception {
    String installs =
        """
        echo "$0 $*" >>'%1$s/asked'
        case "$*" in *install*25*)
          mkdir -p '%1$s/jvm/25' && ln -s '%2$s/bin' '%1$s/jvm/25/'
        esac
        """
            .formatted(dir, System.getProperty("java.home"));
    program("bin/id", "echo 0");
    program("bin/apt-get", installs);
    installed("apt-get", "openjdk-25-jdk-headless");
    Files.delete(dir.resolve("bin/apt-get"));
    program("bin/dnf", installs);
    installed("dnf", "java-25-openjdk-devel");
    program("bin/id", "echo 1000");
    program("bin/sudo", "echo sudo $* >>'" + dir + "/asked'\nshift\nexec \"$@\"");
    installed("dnf", "java-25-openjdk-devel");
    assertTrue(Files.readString(dir.resolve("asked")).contains("sudo -n dnf -q -y install"));
    assertFalse(requests.contains("jdk.tar.gz"));
  }

  private void installed(String program, String name) throws Exception {
    Result result = start();
    works(result);
    assertEquals(
        "starling: no JDK 25 was found; asking %s for the package %s ...".formatted(program, name),
        result.err().lines().findFirst().orElse(""));
    assertTrue(Files.readString(tree.resolve("target/java")).startsWith(dir + "/jvm/25/"));
    Files.delete(tree.resolve("target/java"));
    Files.delete(dir.resolve("jvm/25/bin"));
  }

  @Test
  void whereThereIsNoPackageTheArchiveIsTaken() throws Exception {
    program("bin/id", "echo 0");
    program(
        "bin/apt-get",
        "echo \"$*\" >>'" + dir + "/asked'\ncase \"$*\" in *install*) exit 100; esac");
    Result result = start();
    works(result);
    assertEquals(announcesJdk(), result.err().lines().toList().get(1));
    assertTrue(Files.readString(dir.resolve("asked")).contains("update"));
  }

  /** A minimal Debian has no curl. */
  @Test
  void whatDownloadsIsAPackageToo() throws Exception {
    Path curl = dir.resolve("bin/curl").toRealPath();
    Files.delete(dir.resolve("bin/curl"));
    program("bin/id", "echo 0");
    program(
        "bin/apt-get",
        "case \"$*\" in *curl*) ln -sf '%s' '%s/bin/curl';; *install*) exit 100; esac"
            .formatted(curl, dir));
    Result result = start();
    works(result);
    assertEquals(
        "starling: neither curl nor wget was found; asking apt-get for the package curl ...",
        result.err().lines().toList().get(1));
  }

  @Test
  void whereSudoAsksForAPasswordTheArchiveIsTaken() throws Exception {
    program("bin/id", "echo 1000");
    program("bin/sudo", "echo 'sudo: a password is required' >&2; exit 1");
    program("bin/apt-get", "touch '" + dir + "/asked'");
    Result result = start();
    works(result);
    assertEquals(announcesJdk(), result.err().lines().findFirst().orElse(""));
    assertFalse(Files.exists(dir.resolve("asked")));
  }

  /** A runtime builds nothing, and a JDK 17 is too old. */
  @Test
  void whatCannotBuildIsPassedOver() throws Exception {
    program("jvm/runtime/bin/java", "echo 'openjdk version \"25\"' >&2");
    program("jvm/old/bin/java", "echo 'openjdk version \"17.0.1\"' >&2");
    program("jvm/old/bin/javac", "");
    works(start());
    assertEquals(
        cache().resolve(JDK) + "/bin/java\n", Files.readString(tree.resolve("target/java")));
  }

  @Test
  void offlineRefusesWithTheSentence() throws Exception {
    program("bin/id", "echo 0");
    program("bin/apt-get", "touch '" + dir + "/asked'");
    var offline = new HashMap<>(Map.of("STARLING_OFFLINE", "1"));
    Result result = start(offline, "starling", "demo");
    assertEquals(1, result.status());
    assertEquals(
        "starling: a JDK 25 or newer is needed and none was found; " + ADVICE + "\n", result.err());
    offline.put("JAVA_HOME", System.getProperty("java.home"));
    result = start(offline, "starling", "demo");
    assertEquals(1, result.status());
    assertEquals(
        "starling: building needs Apache Maven; install the package maven\n", result.err());
    assertEquals(List.of(), List.copyOf(requests));
    assertFalse(Files.exists(dir.resolve("asked")));
    assertFalse(Files.exists(cache()));
  }

  /**
   * The announcement, one sentence that says so and what to do, and nothing that a later start
   * takes.
   */
  private void fails(String why, Map<String, String> environment) throws Exception {
    Result result = start(environment, "starling", "--version");
    assertEquals(1, result.status());
    List<String> said = new ArrayList<>(result.err().lines().toList());
    said.remove(announcesJdk());
    assertEquals(1, said.size(), result.err());
    assertTrue(said.getFirst().startsWith("starling: "), said.getFirst());
    assertTrue(said.getFirst().contains(why), said.getFirst());
    assertTrue(said.getFirst().endsWith(ADVICE), said.getFirst());
    assertFalse(Files.exists(tree.resolve("target/java")));
    if (Files.exists(cache())) {
      assertFalse(cached().stream().anyMatch(name -> name.startsWith("part")), cached().toString());
      assertFalse(Files.exists(cache().resolve(JDK).resolve("bin/java")));
    }
  }

  @Test
  void aWrongSumIsRefused() throws Exception {
    jdkPins("0".repeat(64));
    fails("sent is not Eclipse Temurin 25.0.9+1 (140 MB), for its SHA-256 is", Map.of());
    playJdk();
    works(start());
  }

  @Test
  void aDownloadThatIsCutOffIsRefused() throws Exception {
    cutOff = 100;
    fails("could not be downloaded from " + address + "jdk.tar.gz (curl: (18) ", Map.of());
    cutOff = 0;
    works(start());
  }

  @Test
  void whatIsNotThereIsNamed() throws Exception {
    Files.delete(dir.resolve("downloads/jdk.tar.gz"));
    fails(address + "jdk.tar.gz (curl: (22) The requested URL returned error: 404", Map.of());
  }

  @Test
  void withoutANetworkTheReasonIsGiven() throws Exception {
    server.stop(0);
    fails("could not be downloaded from " + address + "jdk.tar.gz (curl: (7) ", Map.of());
    Files.delete(dir.resolve("bin/curl"));
    fails("(neither curl nor wget is here)", Map.of());
  }

  @Test
  void anArchiveThatIsSomethingElseIsRefused() throws Exception {
    Files.delete(dir.resolve("played/" + JDK + "/bin/java"));
    jdkPins(pack(JDK, "jdk.tar.gz"));
    fails("holds no bin/java", Map.of());
    Files.writeString(dir.resolve("downloads/jdk.tar.gz"), "<html>");
    jdkPins(
        HexFormat.of()
            .formatHex(
                MessageDigest.getInstance("SHA-256")
                    .digest("<html>".getBytes(java.nio.charset.StandardCharsets.UTF_8))));
    fails("could not be unpacked in " + cache() + " (", Map.of());
  }

  @Test
  void aCacheThatCannotBeWrittenIsNamed() throws Exception {
    for (String cache : List.of("/proc/nowhere", "/dev/null")) {
      fails(
          "for " + cache + "/starling cannot be written to; set XDG_CACHE_HOME",
          Map.of("XDG_CACHE_HOME", cache));
    }
    assertEquals(List.of(), List.copyOf(requests));
  }

  @Test
  void aFullDiskIsNamed() throws Exception {
    program("played/" + JDK + "/lib/large", "x".repeat(3_000_000));
    jdkPins(pack(JDK, "jdk.tar.gz"));
    Files.createDirectories(cache());
    String mounted =
        "mount -t tmpfs -o size=1m tmpfs '%s' 2>/dev/null || exit 99; PATH='%s' HOME='%s' bash '%s/tools/starling' --version"
            .formatted(cache(), dir.resolve("bin"), dir.resolve("home"), tree);
    Result result =
        new Shell(dir)
            .run(Map.of(), "env", "-u", "JAVA_HOME", "unshare", "-m", "bash", "-c", mounted);
    assumeTrue(result.status() == 1, "no file system can be mounted: " + result.err());
    List<String> said = result.err().lines().toList();
    assertEquals(2, said.size(), result.err());
    assertTrue(
        Pattern.matches(
            "starling: Eclipse Temurin .* could not be unpacked in .*(No space left|Wrote only).*make room there, or .*",
            said.get(1)),
        said.get(1));
  }

  @Test
  void twoFirstStartsDownloadOnce() throws Exception {
    delay = 1000;
    String both =
        "one() { env -i PATH='%1$s/bin' HOME='%1$s/home' bash '%1$s/tree/tools/starling' --version; }; one & one; a=$?; wait $!; exit $((a + $?))"
            .formatted(dir);
    Result result = new Shell(dir).run(Map.of(), "bash", "-c", both);
    assertEquals(0, result.status(), result.err());
    assertEquals("starling 0.1.0\n".repeat(2), result.out());
    assertEquals(List.of("jdk.tar.gz", MAVEN + "-bin.tar.gz"), List.copyOf(requests));
    assertEquals(2, result.err().lines().count(), result.err());
  }

  /** By Ctrl-C, and by a signal that lets nobody tidy up. */
  @Test
  void aStartThatIsEndedLeavesNothingToTake() throws Exception {
    for (String signal : List.of("INT", "KILL")) {
      delay = 3000;
      requests.clear();
      String ended =
          "set -m; env -i --default-signal=INT PATH='%1$s/bin' HOME='%1$s/home' bash '%1$s/tree/tools/starling' --version & until [ -e '%1$s'/home/.cache/starling/part.* ]; do sleep 0.1; done; sleep 0.5; kill -%2$s -$!; wait $!"
              .formatted(dir, signal);
      Result result = new Shell(dir).run(Map.of(), "bash", "-c", ended);
      assertEquals(signal.equals("INT") ? 130 : 137, result.status(), result.err());
      assertFalse(Files.exists(cache().resolve(JDK)));
      if (signal.equals("INT")) {
        assertEquals(List.of("lock"), cached());
      }
    }
    delay = 0;
    works(start());
    assertEquals(List.of(MAVEN, JDK, "lock"), cached());
  }

  /** What is committed: public addresses, and a sum for every one. */
  @Test
  void everyPinIsAnAddressAndASum() throws Exception {
    String jdk = Files.readString(Checkout.path("tools/jdk.properties"));
    String version = "25[0-9.]*\\+[0-9]+";
    assertTrue(Pattern.compile("(?m)^version=" + version + "$").matcher(jdk).find());
    String release = jdk.replaceAll("(?s).*version=([0-9.]+)\\+([0-9]+)\n.*", "$1_$2");
    for (String architecture : List.of("x64", "aarch64")) {
      assertTrue(
          Pattern.compile(
                  "(?m)^%1$s.url=https://github.com/adoptium/temurin25-binaries/releases/download/jdk-.*/OpenJDK25U-jdk_%1$s_linux_hotspot_%2$s.tar.gz\n%1$s.sha256=[0-9a-f]{64}$"
                      .formatted(architecture, release))
              .matcher(jdk)
              .find(),
          architecture);
    }
    String maven = Files.readString(Checkout.path("tools/maven-wrapper.properties"));
    assertTrue(
        Pattern.compile(
                "(?m)^distributionUrl=https://repo.maven.apache.org/maven2/.*-bin.tar.gz\ndistributionSha256Sum=[0-9a-f]{64}$")
            .matcher(maven)
            .find());
  }
}
