package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.input.InputException;

/** Files that a command writes: through links, in place where they cannot be replaced, whole. */
class OutputTest {
  private static final byte[] NEW = "new\n".getBytes(StandardCharsets.UTF_8);

  @TempDir Path dir;

  private static void write(Path file) {
    Output.checkWritable(List.of(file), List.of());
    Output.write(file, NEW);
  }

  private static void assertRefused(String sentence, List<Path> outputs, List<Path> inputs) {
    var refused = assertThrows(InputException.class, () -> Output.checkWritable(outputs, inputs));
    assertEquals(sentence, refused.getMessage());
  }

  @AfterEach
  void nothingElseIsLeft() throws IOException {
    try (var files = Files.walk(dir)) {
      assertEquals(List.of(), files.filter(f -> f.toString().endsWith(".part")).toList());
    }
  }

  @Test
  void aNewFileHasTheModeOfAnyNewFile() throws IOException {
    Path file = dir.resolve("new");
    write(file);
    assertEquals("new\n", Files.readString(file));
    Path other = Files.createFile(dir.resolve("other"));
    assertEquals(Files.getPosixFilePermissions(other), Files.getPosixFilePermissions(file));
  }

  @Test
  void aLinkStaysAndLeadsToTheNewText() throws IOException {
    Path folder = Files.createDirectory(dir.resolve("folder"));
    Path target = Files.writeString(folder.resolve("target"), "old");
    Path link = Files.createSymbolicLink(dir.resolve("link"), Path.of("folder/target"));
    Path second = Files.createSymbolicLink(dir.resolve("second"), link.toAbsolutePath());
    write(second);
    assertTrue(Files.isSymbolicLink(link) && Files.isSymbolicLink(second));
    assertEquals("new\n", Files.readString(target));
  }

  @Test
  void aDanglingLinkMakesItsTarget() throws IOException {
    Path link = Files.createSymbolicLink(dir.resolve("link"), Path.of("target"));
    write(link);
    assertTrue(Files.isSymbolicLink(link));
    assertEquals("new\n", Files.readString(dir.resolve("target")));
    Path nowhere = Files.createSymbolicLink(dir.resolve("nowhere"), Path.of("no/folder"));
    assertRefused(
        nowhere + ": there is no folder " + dir.resolve("no") + " to write it to",
        List.of(nowhere),
        List.of());
    Path round = Files.createSymbolicLink(dir.resolve("round"), Path.of("round"));
    assertRefused(round + ": is a link to a link, without end", List.of(round), List.of());
  }

  @Test
  void everyNameOfAFileShowsTheNewText() throws IOException {
    for (String old : List.of("", "o", "old and longer")) {
      Path file = Files.writeString(dir.resolve("file"), old);
      Path name = Files.createLink(dir.resolve("name"), file);
      write(file);
      assertEquals("new\n", Files.readString(name), "old text '" + old + "'");
      Files.delete(name);
    }
  }

  @Test
  void theModeStays() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "old");
    for (String mode : List.of("rw-------", "rwxrw-r--")) {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
      write(file);
      assertEquals(mode, PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }
  }

  /** A reader that has the old file open goes on reading the old text. */
  @Test
  void aReaderSeesOneOfBothTexts() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "old text");
    try (var reader = Files.newBufferedReader(file)) {
      write(file);
      assertEquals("old text", reader.readLine());
    }
  }

  @Test
  void aPipeAndADeviceAreWrittenTo() throws Exception {
    write(Path.of("/dev/null"));
    Path pipe = dir.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    var read = CompletableFuture.supplyAsync(() -> text(pipe));
    write(pipe);
    assertEquals("new\n", read.get());
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void whatCannotBeWrittenIsRefusedBefore() throws IOException {
    Path folder = Files.createDirectory(dir.resolve("folder"));
    assertRefused(folder + ": is a folder, not a file", List.of(folder), List.of());
    Path file = Files.createFile(dir.resolve("file"));
    assertRefused(
        file + "/x: there is no folder " + file + " to write it to",
        List.of(file.resolve("x")),
        List.of());
    Path name = dir.resolve("n".repeat(256));
    assertRefused(name + ": cannot be written (File name too long)", List.of(name), List.of());
    write(dir.resolve("n".repeat(255)));
    assertRefused(
        "/proc/x: cannot be written (no such file or directory)",
        List.of(Path.of("/proc/x")),
        List.of());
  }

  @Test
  void noOutputTakesThePlaceOfAnotherFileOfTheCommand() throws IOException {
    Path one = dir.resolve("one");
    Path same = dir.resolve("folder/../one");
    Files.createDirectory(dir.resolve("folder"));
    String twice = ": two outputs would be written to this file";
    assertRefused(same + twice, List.of(one, same), List.of());
    Files.writeString(one, "1");
    Path link = Files.createSymbolicLink(dir.resolve("link"), one);
    Path name = Files.createLink(dir.resolve("name"), one);
    for (Path other : List.of(one, same, link, name)) {
      assertRefused(other + twice, List.of(one, other), List.of());
      assertRefused(
          other + ": is read by this command and would be overwritten; name another file",
          List.of(other),
          List.of(one));
    }
    Output.checkWritable(List.of(dir.resolve("two"), dir.resolve("three")), List.of(one));
    Output.checkWritable(List.of(Path.of("/dev/null"), Path.of("/dev/null")), List.of());
  }

  // ---- where files cannot be replaced ----

  /** As a user who is not root, since root may do anything. */
  private String asAnother(String command) throws IOException, InterruptedException {
    boolean root = "root".equals(System.getProperty("user.name"));
    var builder =
        root
            ? new ProcessBuilder(
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "bash",
                "-c",
                command)
            : new ProcessBuilder("bash", "-c", command);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.directory(Checkout.ROOT.toFile()).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return said;
  }

  private void assumeAnotherUserMay() throws IOException, InterruptedException {
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwxr-xr-x"));
    String said = asAnother("tools/starling --version");
    boolean may = said.equals("starling 0.1.0\n");
    if (!may) {
      System.out.println("left out: outputs of another user, who cannot start it: " + said);
    }
    assumeTrue(may);
  }

  private static String bench(Path out) {
    return "tools/starling bench kernels --op advance --cache warm --noise 0.5 --max-time 0.01 --out '"
        + out
        + "' >/dev/null; echo $?";
  }

  @Test
  void aFileInAFolderThatIsNotOursIsWrittenInPlace() throws Exception {
    assumeAnotherUserMay();
    Path folder = Files.createDirectory(dir.resolve("folder"));
    Path file = Files.writeString(folder.resolve("file.json"), "x".repeat(100_000));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
    for (String mode : List.of("755", "1777")) { // not writable; and like /tmp
      run("chmod", mode, folder.toString());
      Object before = Files.getAttribute(file, "unix:ino");
      assertEquals("0\n", asAnother(bench(file)));
      assertTrue(Files.readString(file).startsWith("{\"meta\"") || text(file).startsWith("{"));
      assertFalse(Files.readString(file).contains("xxx"), "the old end is gone");
      assertEquals(before, Files.getAttribute(file, "unix:ino"), "the same file");
      assertEquals("rw-rw-rw-", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
    run("chmod", "555", folder.toString());
    assertEquals(
        "starling: " + file + ": cannot be written (permission denied)\n1\n",
        asAnother(bench(file)));
    assertEquals(
        "starling: " + folder.resolve("new.md") + ": cannot be written (permission denied)\n1\n",
        asAnother(bench(folder.resolve("new.md"))));
  }

  private static void run(String... command) throws IOException, InterruptedException {
    assertEquals(0, new ProcessBuilder(command).start().waitFor());
  }

  /** A file system of 64 KB, where this process may mount one. */
  @Test
  void aFullDiskLeavesTheOldFileWhole() throws Exception {
    Path disk = Files.createDirectory(dir.resolve("disk"));
    var mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=64k", "none", disk.toString())
            .redirectErrorStream(true);
    Process mounting = mount.start();
    String said = new String(mounting.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    boolean mounted = mounting.waitFor() == 0;
    if (!mounted) {
      System.out.println("left out: a full disk, because none can be mounted: " + said.strip());
    }
    assumeTrue(mounted);
    try {
      Path file = Files.writeString(disk.resolve("file"), "old");
      for (int names = 1; names <= 2; names++) { // beside its place, and in place
        var full = assertThrows(InputException.class, () -> Output.write(file, new byte[100_000]));
        assertEquals(file + ": cannot be written (No space left on device)", full.getMessage());
        assertEquals("old", Files.readString(file));
        try (var files = Files.list(disk)) {
          assertEquals(names, files.count(), "nothing else is left");
        }
        if (names == 1) {
          Files.createLink(disk.resolve("name"), file);
        }
      }
    } finally {
      run("umount", disk.toString());
    }
  }
}
