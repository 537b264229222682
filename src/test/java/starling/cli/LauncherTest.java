package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.cli.Shell.Result;

/**
 * {@code tools/starling} from outside: what it prints where, in any locale, and what it says
 * without a JDK.
 */
class LauncherTest {
  private static final String NOWHERE = "starling: nowhere: there is no such folder\n";

  private static final String JAVA_HOME = System.getProperty("java.home");

  @TempDir Path dir;

  private Result run(Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    return new Shell(dir).run(environment, command);
  }

  @Test
  void oneSentenceIsAllThatAFailurePrints() throws Exception {
    Result result = run(Map.of(), "tools/starling", "run", "--model", "nowhere", "--prompt", "x");
    assertEquals(1, result.status());
    assertEquals("", result.out());
    assertEquals(NOWHERE, result.err());
  }

  @Test
  void aSharedErrorFileLosesNothing() throws Exception {
    String twice =
        "tools/starling run --model nowhere --prompt x; echo between >&2; tools/starling --nonsense";
    List<String> lines = run(Map.of(), "bash", "-c", twice).err().lines().toList();
    assertEquals(3, lines.size(), lines.toString());
    assertEquals("between", lines.get(1));
  }

  @Test
  void argumentsAndOutputAreUtf8InAnyLocale() throws Exception {
    // The bytes are written out, since this JVM may run in any locale itself.
    String command =
        "tools/starling run --model \"$(printf 'n\\303\\251\\360\\237\\246\\234')\" --prompt x";
    for (String locale : List.of("C", "POSIX", "en_US.ISO-8859-1")) {
      Result result = run(Map.of("LC_ALL", locale, "LANG", locale), "bash", "-c", command);
      assertTrue(
          result.err().contains("starling: n\u00e9\ud83e\udd9c: there is no such folder"),
          result.err());
    }
  }

  @Test
  void withoutAJdkOneSentenceSaysWhatToInstall() throws Exception {
    // The scripts as they are, but for the places where JDKs are looked for.
    Path tools = Files.createDirectories(dir.resolve("tree/tools"));
    Path copy = Files.copy(Checkout.path("tools/starling"), tools.resolve("starling"));
    String script = Files.readString(Checkout.path("tools/setup"));
    String blind =
        script
            .replace("/usr/lib/jvm/*/bin/java", "/nowhere/java")
            .replace("$(command -v java || true)", "/nowhere");
    assertTrue(!blind.equals(script));
    Files.writeString(tools.resolve("setup"), blind);
    var environment =
        new ArrayList<>(
            List.of("env", "-u", "JAVA_HOME", "HOME=/nowhere", "bash", copy.toString(), "doctor"));
    Result result = run(Map.of("STARLING_OFFLINE", "1"), environment.toArray(String[]::new));
    assertEquals(1, result.status());
    assertTrue(
        result
            .err()
            .startsWith("starling: a JDK 25 or newer is needed and none was found; install one"),
        result.err());
    assertEquals(1, result.err().lines().count());
  }

  /** Folders with spaces, other scripts, and what a format string would take for its own. */
  @Test
  void pathsMayHaveAnyCharacters() throws Exception {
    String name = "m\u00f6 d\u00e8l \u6a21\u578b 100%d 'x' $HOME";
    Path model = Files.createDirectories(dir.resolve(name));
    try (var files = Files.list(Checkout.path("src/demo/resources/starling/demo/model"))) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName().toString()));
      }
    }
    Path image = model.resolve("a \u56fe.png");
    Files.copy(Checkout.path("src/test/resources/starling/image/rgb.png"), image);
    Path overlay = model.resolve("o v.png");
    Result inspected = run(Map.of(), "tools/starling", "inspect", model.toString());
    assertEquals(0, inspected.status(), inspected.err());
    assertTrue(inspected.out().contains(name), inspected.out());
    Result answered =
        run(
            Map.of(),
            "tools/starling",
            "run",
            "--model",
            model.toString(),
            "--image",
            image.toString(),
            "--prompt",
            "What is it?",
            "--max-tokens",
            "2",
            "--overlay",
            overlay.toString());
    assertEquals(0, answered.status(), answered.err());
    assertTrue(Files.size(overlay) > 0);
  }

  /** No home, one that nobody may write to, and one that is no folder. */
  @Test
  void aHomeIsNotNeeded() throws Exception {
    String java = System.getProperty("java.home");
    for (String home : List.of("-uHOME", "HOME=/proc", "HOME=/dev/null")) {
      Result result = run(Map.of(), "env", home, "JAVA_HOME=" + java, "tools/starling", "doctor");
      assertEquals(0, result.status(), home + ": " + result.err());
      assertEquals("", result.err());
    }
  }

  /** JV-4: of two first starts one builds and the other waits. */
  @Test
  void twoFirstStartsBuildOnce() throws Exception {
    Path tree = tree();
    Files.createFile(dir.resolve("slow"));
    String both =
        "one() { bash '%1$s/tools/starling' --version >'%1$s/out'$1 2>&1; }; one 1 & one 2; a=$?; wait $!; exit $((a + $?))"
            .formatted(tree);
    Result result = run(inTree(), "bash", "-c", both);
    assertEquals(0, result.status(), result.err());
    for (int start = 1; start <= 2; start++) {
      assertEquals("starling 0.1.0\n", Files.readString(tree.resolve("out" + start)));
    }
    assertEquals(1, builds());
  }

  /**
   * A checkout with the real script, in which {@code mvn} takes the classes of this one, and writes
   * down under which JDK it ran.
   */
  private Path tree() throws IOException {
    Path tree = Files.createDirectories(dir.resolve("tree"));
    Files.createDirectories(tree.resolve("src/main"));
    for (String folder : List.of("src/demo", "src/native", "src/generated")) {
      Files.createDirectories(tree.resolve(folder));
    }
    Files.createDirectories(tree.resolve("tools"));
    for (String tool : List.of("starling", "setup")) {
      Files.copy(Checkout.path("tools").resolve(tool), tree.resolve("tools", tool));
    }
    Files.writeString(tree.resolve("pom.xml"), "");
    Files.writeString(tree.resolve("src/main/A.java"), "class A {}");
    Files.createFile(dir.resolve("builds"));
    program(
        "bin/mvn",
        """
        echo "$JAVA_HOME" >>"%1$s/builds"
        if [ -e "%1$s/slow" ]; then sleep 1; fi
        if [ -e "%1$s/fails" ]; then exit 1; fi
        mkdir -p target
        ln -sfn "%2$s/target/classes" "%2$s/target/demo-classes" "%2$s/target/lib" target/
        """
            .formatted(dir, Checkout.ROOT));
    return tree;
  }

  private Path program(String name, String script) throws IOException {
    return new Shell(dir).program(name, script);
  }

  private Map<String, String> inTree() {
    return Map.of("PATH", dir.resolve("bin") + ":" + System.getenv("PATH"), "JAVA_HOME", JAVA_HOME);
  }

  private int builds() throws IOException {
    return Files.readAllLines(dir.resolve("builds")).size();
  }

  private void starts(Map<String, String> environment, int buildsBefore) throws Exception {
    Result result =
        run(environment, "bash", dir.resolve("tree/tools/starling").toString(), "--version");
    assertEquals("starling 0.1.0\n", result.out(), result.err());
    assertEquals("", result.err());
    assertEquals(buildsBefore, builds());
  }

  /** As a checkout of another branch or an unpacked archive leaves them. */
  @Test
  void sourcesOlderThanTheBuildAreSeen() throws Exception {
    Path tree = tree();
    Path source = tree.resolve("src/main/A.java");
    starts(inTree(), 1);
    starts(inTree(), 1);
    Files.setLastModifiedTime(source, FileTime.fromMillis(System.currentTimeMillis() + 60_000));
    starts(inTree(), 1); // the same, only looked at
    old(Files.writeString(source, "class B {}"));
    starts(inTree(), 2);
    old(Files.writeString(tree.resolve("src/main/B.java"), "class C {}"));
    starts(inTree(), 3);
    Files.move(tree.resolve("src/main/B.java"), tree.resolve("src/main/C.java"));
    starts(inTree(), 4);
    Files.delete(tree.resolve("src/main/C.java"));
    starts(inTree(), 5);
    old(Files.writeString(tree.resolve("pom.xml"), "<project/>"));
    starts(inTree(), 6);
    starts(inTree(), 6);
  }

  private static void old(Path file) throws IOException {
    Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L));
  }

  @Test
  void aBuildThatWasBrokenOffDoesNotCount() throws Exception {
    Path tree = tree();
    Path source = tree.resolve("src/main/A.java");
    starts(inTree(), 1);
    String before = Files.readString(source);
    Files.writeString(source, "class B {");
    Files.createFile(dir.resolve("fails"));
    String start = "bash '" + tree + "/tools/starling' --version";
    assertEquals(1, run(inTree(), "bash", "-c", start).status());
    // Ctrl-C reaches the script and Maven.
    Files.createFile(dir.resolve("slow"));
    Result interrupted =
        run(
            inTree(),
            "bash",
            "-c",
            "set -m; %1$s 2>'%2$s/said' & until [ $(wc -l <'%2$s/builds') = 3 ]; do sleep 0.1; done; kill -INT -$!; wait $!"
                .formatted("env --default-signal=INT " + start, dir));
    assertEquals(130, interrupted.status(), interrupted.err());
    assertEquals("", Files.readString(dir.resolve("said")));
    Files.delete(dir.resolve("fails"));
    Files.writeString(source, before);
    starts(inTree(), 4); // the sources are those of the first build, the classes are not
  }

  /** Kernels go by what their sources hold, too, and so does make. */
  @Test
  void kernelsOlderThanTheirLibraryAreBuilt() throws Exception {
    Path tree = tree();
    Files.createFile(dir.resolve("cmakes"));
    program(
        "bin/cmake",
        "[ \"$1\" != --build ] || { echo >>'"
            + dir
            + "/cmakes'; mkdir -p target/native/host; echo >>target/native/host/libstarling_host.so; }\n");
    Files.copy(Checkout.path("tools/build-native"), tree.resolve("tools/build-native"));
    for (String folder : List.of("native/host", "native/runtime", "native/include", "kernels")) {
      Files.createDirectories(tree.resolve(folder));
    }
    Files.writeString(tree.resolve("native/CMakeLists.txt"), "");
    Path kernel = Files.writeString(tree.resolve("kernels/a.cu"), "a");
    Path other = Files.writeString(tree.resolve("kernels/b.cu"), "b");
    int[] built = {1, 1, 2, 3, 3};
    for (int start = 0; start < built.length; start++) {
      if (start == 2) {
        old(other);
        old(Files.writeString(kernel, "c"));
      } else if (start == 3) {
        Files.delete(other);
      }
      Result result =
          run(
              inTree(),
              "bash",
              tree + "/tools/starling",
              "run",
              "--device",
              "emulated",
              "--model",
              "nowhere",
              "--prompt",
              "x");
      assertEquals(NOWHERE, result.err());
      assertEquals(built[start], Files.readAllLines(dir.resolve("cmakes")).size());
      if (start == 2) {
        FileTime library = Files.getLastModifiedTime(tree.resolve("kernels/b.cu"));
        assertTrue(Files.getLastModifiedTime(kernel).compareTo(library) > 0, "make goes by times");
        assertEquals(1_000_000_000_000L, library.toMillis());
      }
    }
  }

  /** The user's word stands: a collector, a heap, and a file of options that may hold either. */
  @Test
  void aCollectorInTheEnvironmentWins() throws Exception {
    Path file = Files.writeString(dir.resolve("options"), "-XX:+UseSerialGC");
    String log = " -Xlog:gc:file=" + dir.resolve("gc");
    var collectors =
        Map.of(
            "JAVA_TOOL_OPTIONS=",
            "Parallel",
            "JAVA_TOOL_OPTIONS=-XX:+UseG1GC",
            "G1",
            "JDK_JAVA_OPTIONS=-XX:+UseSerialGC -Xmx200m",
            "Serial",
            "JDK_JAVA_OPTIONS=@" + file,
            "Serial",
            "_JAVA_OPTIONS=-XX:+UseZGC",
            "The Z Garbage Collector");
    for (var e : collectors.entrySet()) {
      String command = e.getKey().endsWith("m") ? "doctor" : "--version";
      Result result = run(Map.of(), "env", e.getKey() + log, "tools/starling", command);
      assertEquals(0, result.status(), e.getKey() + ": " + result.out() + result.err());
      assertEquals("", result.err());
      String first = Files.readAllLines(dir.resolve("gc")).getFirst();
      assertTrue(first.endsWith("Using " + e.getValue()), e.getKey() + ": " + first);
      if (e.getKey().endsWith("m")) {
        assertTrue(result.out().contains("heap up to 19"), result.out());
      }
    }
  }

  /** Started from another folder, by links of every kind, and where {@code cd} has other ideas. */
  @Test
  void linksLeadToTheCheckout() throws Exception {
    Path checkout = Checkout.ROOT;
    Path there = Files.createDirectories(dir.resolve("a b/c"));
    Files.createDirectories(dir.resolve("decoy/tools"));
    Files.createSymbolicLink(there.resolve("absolute"), checkout.resolve("tools/starling"));
    Files.createSymbolicLink(
        there.resolve("relative"), there.relativize(checkout.resolve("tools/starling")));
    Files.createSymbolicLink(dir.resolve("again"), Path.of("a b/c/relative"));
    Files.createSymbolicLink(dir.resolve("above"), checkout);
    Files.createSymbolicLink(dir.resolve("tools"), checkout.resolve("tools"));
    String starts =
        """
        cd '%1$s' && 'a b/c/absolute' --version && 'a b/c/relative' --version && ./again --version &&
        above/tools/starling --version && tools/starling --version && cd 'a b/c' && bash absolute --version &&
        PATH="$PATH:$PWD" relative --version && cd '%2$s' && CDPATH='%1$s/decoy' tools/starling --version
        """
            .formatted(dir, checkout);
    Result result = run(Map.of(), "bash", "-c", starts);
    assertEquals("starling 0.1.0\n".repeat(8), result.out(), result.err());
    assertEquals("", result.err());
  }

  /** No other file may come to stand where standard input or output was. */
  @Test
  void aClosedInputIsEmptyAndClosedOutputsTakeNothing() throws Exception {
    String tokenize = "tools/starling tokenize --model src/demo/resources/starling/demo/model ";
    for (String closed : List.of("<&-", "<&- 2>&-")) {
      Result result = run(Map.of(), "bash", "-c", tokenize + closed);
      assertEquals(0, result.status(), result.err());
      assertEquals("{\"ids\":[1],\"decoded\":\"\"}\n", result.out());
      assertEquals("", result.err());
    }
    String fails = "tools/starling run --model nowhere --prompt x ";
    String sentence = NOWHERE;
    for (String closed : List.of(">&-", "2>&-", "<&- >&- 2>&-")) {
      Result result = run(Map.of(), "bash", "-c", fails + closed);
      assertEquals(1, result.status());
      assertEquals("", result.out());
      assertEquals(closed.endsWith("2>&-") ? "" : sentence, result.err());
    }
  }

  /** Maven runs under the JDK that was found, whatever JAVA_HOME and the path say. */
  @Test
  void anOldOrBrokenJdkIsPassedOver() throws Exception {
    Path tree = tree();
    program("old/bin/java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2");
    program("broken/bin/java", "echo 'java: error while loading shared libraries' >&2; exit 127");
    Files.createDirectories(dir.resolve("folder/bin/java"));
    Files.createSymbolicLink(dir.resolve("bin/java"), Path.of(JAVA_HOME, "bin/java").toRealPath());
    var environment = new HashMap<>(inTree());
    int n = 0;
    for (String home : List.of("old", "broken", "folder", "nowhere")) {
      environment.put("JAVA_HOME", dir.resolve(home).toString());
      Files.deleteIfExists(tree.resolve("target/java"));
      Files.writeString(tree.resolve("src/main/A.java"), home);
      starts(environment, ++n);
      starts(environment, n); // the one found last
      String java = Files.readString(tree.resolve("target/java")).strip();
      assertEquals(
          Path.of(JAVA_HOME).toRealPath(), Path.of(java).getParent().getParent().toRealPath());
      assertEquals(java, Files.readAllLines(dir.resolve("builds")).getLast() + "/bin/java");
    }
    // An older one that is first on the path, and JAVA_HOME right.
    Files.delete(dir.resolve("bin/java"));
    Files.copy(dir.resolve("old/bin/java"), dir.resolve("bin/java"));
    Files.delete(tree.resolve("target/java"));
    Files.writeString(tree.resolve("src/main/A.java"), "again");
    starts(inTree(), ++n);
    assertEquals(JAVA_HOME, Files.readAllLines(dir.resolve("builds")).getLast());
  }

  /** {@code jar} comes from the JDK that javac came from, not from the path. */
  @Test
  void packagingTakesNothingFromThePath() throws Exception {
    for (String tool : List.of("jar", "javac", "java")) {
      program("old/" + tool, "echo 'too old' >&2; exit 1");
    }
    Path project = Files.createDirectories(dir.resolve("project"));
    for (String file :
        List.of(
            "pom.xml",
            "LICENSE",
            "src/main/java/starling/CompanionJar.java",
            "src/demo/java/module-info.java",
            "src/demo/java/starling/demo/DemoJar.java",
            "src/native/java/module-info.java",
            "src/native/java/starling/natives/NativeJar.java")) {
      Files.createDirectories(project.resolve(file).getParent());
      Files.copy(Checkout.path(file), project.resolve(file));
    }
    Path sources = Files.createDirectories(project.resolve("src/main/java"));
    Files.writeString(
        sources.resolve("module-info.java"),
        "module starling { exports starling; uses starling.CompanionJar; }");
    Result result =
        run(
            Map.of(
                "PATH", dir.resolve("old") + ":" + System.getenv("PATH"), "JAVA_HOME", JAVA_HOME),
            "tools/mvnw",
            "-q",
            "-B",
            "-DskipTests",
            "-f",
            project.toString(),
            "package");
    assertEquals(0, result.status(), result.out() + result.err());
    for (String name : List.of("starling-0.1.0.jar", "starling-0.1.0-demo.jar")) {
      try (var jar = new JarFile(project.resolve("target").resolve(name).toFile())) {
        assertTrue(jar.getEntry("module-info.class") != null, name);
      }
    }
  }
}
