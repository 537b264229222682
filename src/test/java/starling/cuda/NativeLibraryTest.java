package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.device.DeviceType;
import starling.input.InputException;

/** Where a library is looked for, what is said of one that cannot be used, and unpacking. */
class NativeLibraryTest {
  @TempDir Path dir;

  @BeforeEach
  void built() {
    Native.needs(Native.HOST);
  }

  private NativeLibrary search(String backend, Map<String, String> properties) {
    var all =
        new HashMap<>(
            Map.of(
                "user.home",
                dir.resolve("home").toString(),
                "java.io.tmpdir",
                dir.resolve("tmp").toString(),
                "user.name",
                "somebody"));
    all.putAll(properties);
    return NativeLibrary.search(backend, all::get, name -> null);
  }

  private String refused(Path library) {
    var found = search("emulated", Map.of("starling.emulated.library", library.toString()));
    String message = assertThrows(InputException.class, found::bindings).getMessage();
    assertEquals(
        1, found.attempts().size(), "a library that was named must work: nothing else is tried");
    assertTrue(message.contains(library.toString()), message);
    assertEquals(1, message.lines().count());
    return message;
  }

  @Test
  void theBuildFolderIsUsedAndEveryPlaceIsNamed() {
    var found = search("emulated", Map.of());
    found.bindings();
    List<NativeLibrary.Attempt> attempts = found.attempts();
    assertEquals("class path", attempts.get(0).place());
    assertEquals("used", attempts.getLast().outcome());
    assertTrue(attempts.getLast().place().endsWith("target/native/host/libstarling_host.so"));
  }

  /** JV-5. */
  @Test
  void aBadLibraryIsNamedWithItsPathAndTheReason() throws IOException {
    assertTrue(refused(dir.resolve("absent.so")).contains("not a file"));
    Path text =
        Files.writeString(
            dir.resolve("text.so"),
            "this is not a library, and it is long enough to be looked at by a loader that wants a header");
    assertTrue(refused(text).contains("not a 64-bit ELF file"));
    Path empty = Files.writeString(dir.resolve("empty.so"), "");
    assertTrue(refused(empty).contains("file too short"));
    byte[] whole = Files.readAllBytes(Native.HOST);
    for (int n : new int[] {64, 2000, whole.length / 2, whole.length - 1}) {
      Path cut = Files.write(dir.resolve("cut.so"), java.util.Arrays.copyOf(whole, n));
      assertTrue(refused(cut).contains("cut off: it has " + n + " bytes"));
    }
    byte[] other = whole.clone();
    other[18] = (byte) 0xb7; // e_machine: aarch64
    Path foreign = Files.write(dir.resolve("arm.so"), other);
    assertTrue(refused(foreign).contains("for another architecture"));
  }

  @Test
  void aLibraryOfAnotherInterfaceOrDeviceIsRefused() throws Exception {
    Path source =
        Files.writeString(dir.resolve("old.c"), "int starling_abi_version(void) { return 0; }\n");
    Path old = dir.resolve("old.so");
    compile(source, old);
    assertTrue(refused(old).contains("it has no starling_backend"));
    var swapped = search("cuda", Map.of("starling.cuda.library", Native.HOST.toString()));
    assertTrue(
        assertThrows(InputException.class, swapped::bindings)
            .getMessage()
            .contains("it is the library of device emulated"));
    // Every function, but a version of its own.
    var all = new StringBuilder();
    for (String symbol : symbols()) {
      all.append("int ").append(symbol).append("(void) { return 77; }\n");
    }
    compile(Files.writeString(dir.resolve("new.c"), all), old);
    assertTrue(
        refused(Files.copy(old, dir.resolve("new.so")))
            .contains("version 77, this program needs " + NativeLibrary.ABI_VERSION));
  }

  private static void compile(Path source, Path library) throws Exception {
    var process =
        new ProcessBuilder(
                "g++", "-x", "c", "-shared", "-fPIC", "-o", library.toString(), source.toString())
            .inheritIO()
            .start();
    assertEquals(0, process.waitFor());
  }

  private static List<String> symbols() throws IOException {
    return java.util.regex.Pattern.compile("STARLING_API[\\w\\s*]*?(starling_\\w+)\\(")
        .matcher(
            Files.readString(Checkout.path("native/include/starling_library.h"))
                + Files.readString(Checkout.path("native/include/starling.h")))
        .results()
        .map(m -> m.group(1))
        .toList();
  }

  /** JV-3: the next place is tried, and each is named with the reason. */
  @Test
  void aPlaceThatCannotBeWrittenIsPassedOver() throws IOException {
    byte[] library = Files.readAllBytes(Native.HOST);
    Files.writeString(dir.resolve("home"), "a file where the home should be");
    var found =
        search("emulated", Map.of("starling.emulated.library", dir.resolve("absent").toString()));
    assertTrue(found.useUnpacked(library));
    List<NativeLibrary.Attempt> attempts = found.attempts();
    assertTrue(attempts.get(1).outcome().contains("cannot be written"), attempts.toString());
    assertTrue(attempts.get(1).outcome().contains("-Dstarling.cache=DIR"));
    assertTrue(attempts.get(2).place().endsWith("tmp/starling-somebody"), attempts.toString());
    assertEquals("used", attempts.get(2).outcome());
    var chosen =
        search(
            "emulated",
            Map.of(
                "starling.cache",
                dir.resolve("mine").toString(),
                "starling.emulated.library",
                "absent"));
    assertTrue(chosen.useUnpacked(library));
    assertTrue(Files.isDirectory(dir.resolve("mine")));
  }

  /** Another user who could exchange the library between a look at it and its loading. */
  @Test
  void aPlaceThatOthersCanChangeIsPassedOver() throws Exception {
    byte[] library = Files.readAllBytes(Native.HOST);
    Path open = mode(dir.resolve("open"), 0777);
    Path group = mode(dir.resolve("group"), 0770);
    Path sticky = mode(dir.resolve("sticky"), 01777);
    Path link = Files.createSymbolicLink(dir.resolve("link"), mode(dir.resolve("mine"), 0700));
    refusedPlace(open, library, open + ": others may write to it");
    refusedPlace(group, library, group + ": others may write to it");
    refusedPlace(sticky, library, sticky + ": others may write to it");
    refusedPlace(open.resolve("below/it"), library, open + ": others may write to it");
    refusedPlace(link, library, link + " is a link");
    Path foreign = foreign();
    refusedPlace(foreign, library, foreign.toRealPath() + " belongs to another user");
    // As in /tmp: entries of one's own are safe in a sticky folder, and links are no harm on the
    // way.
    Path fine = sticky.resolve("starling-me");
    assertTrue(Unpacked.unpack(library, "lib.so", fine).startsWith(fine.toRealPath()));
    Path behind = Unpacked.unpack(library, "lib.so", link.resolve("cache"));
    assertTrue(behind.startsWith(dir.resolve("mine").toRealPath()), behind.toString());
  }

  private void refusedPlace(Path place, byte[] library, String why) throws IOException {
    var found =
        search(
            "emulated",
            Map.of("starling.cache", place.toString(), "starling.emulated.library", "absent"));
    assertFalse(found.useUnpacked(library), place.toString());
    NativeLibrary.Attempt attempt = found.attempts().getLast();
    assertEquals(place.toString(), attempt.place());
    assertTrue(attempt.outcome().startsWith(why), attempt.outcome());
    assertTrue(attempt.outcome().endsWith("-Dstarling.cache=DIR chooses another"));
  }

  private static Path mode(Path folder, int mode) throws IOException {
    Files.createDirectories(folder);
    Files.setAttribute(folder, "unix:mode", mode); // whatever the umask
    return folder;
  }

  /** Root can give a folder away; for anybody else the system's own are another's. */
  private Path foreign() throws IOException {
    if ((int) Files.getAttribute(dir, "unix:uid") != 0) {
      return Path.of("/usr");
    }
    Path folder = mode(dir.resolve("foreign"), 0755);
    Files.setAttribute(folder, "unix:uid", 12345);
    return folder;
  }

  @Test
  void foldersAreMadeForThisUserAlone() throws Exception {
    byte[] library = Files.readAllBytes(Native.HOST);
    Path place = dir.resolve("new/cache/starling");
    Path file = Unpacked.unpack(library, "lib.so", place);
    for (Path made = file.getParent(); !made.equals(dir.toRealPath()); made = made.getParent()) {
      assertEquals(
          "rwx------",
          PosixFilePermissions.toString(Files.getPosixFilePermissions(made)),
          "" + made);
    }
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
  }

  /** What lies there already counts only if nobody else can have a hand in it. */
  @Test
  void aFileThatOthersCanChangeIsReplaced() throws Exception {
    byte[] library = Files.readAllBytes(Native.HOST);
    Path file = Unpacked.unpack(library, "lib.so", dir.resolve("place"));
    Path elsewhere = Files.write(dir.resolve("elsewhere.so"), library);
    Files.setAttribute(file, "unix:mode", 0666);
    replaced(file, library);
    Files.delete(file);
    Files.createSymbolicLink(file, elsewhere);
    replaced(file, library);
    if ((int) Files.getAttribute(file, "unix:uid") == 0) {
      Files.setAttribute(file, "unix:uid", 12345);
      replaced(file, library);
    }
    // The folder of its hash exchanged for a link.
    Path moved = Files.move(file.getParent(), dir.resolve("moved"));
    Files.createSymbolicLink(file.getParent(), moved);
    var e =
        assertThrows(
            DynamicLibrary.Refused.class,
            () -> Unpacked.unpack(library, "lib.so", dir.resolve("place")));
    assertTrue(e.getMessage().contains("is a link"), e.getMessage());
  }

  private void replaced(Path file, byte[] library) throws Exception {
    Object before = Files.getAttribute(file, "unix:ino", LinkOption.NOFOLLOW_LINKS);
    assertEquals(file, Unpacked.unpack(library, "lib.so", dir.resolve("place")));
    assertTrue(PrivateFolder.owns(file));
    assertFalse(before.equals(Files.getAttribute(file, "unix:ino", LinkOption.NOFOLLOW_LINKS)));
    assertEquals(-1, Files.mismatch(file, Native.HOST));
  }

  /** A user without a home has "?" for one in Java. */
  @Test
  void nothingIsUnpackedOrFoundRelativeToTheWorkingDirectory() throws Exception {
    byte[] library = Files.readAllBytes(Native.HOST);
    var places =
        List.of(
            Map.of("user.home", "?", "java.io.tmpdir", "target/nowhere"),
            Map.of("starling.cache", "target/nowhere"),
            Map.of("starling.cache", ""));
    for (Map<String, String> properties : places) {
      var all = new HashMap<>(properties);
      all.put("starling.emulated.library", "absent");
      var found = search("emulated", all);
      assertFalse(found.useUnpacked(library));
      for (NativeLibrary.Attempt attempt : found.attempts().subList(1, found.attempts().size())) {
        assertTrue(attempt.outcome().startsWith("relative to the working"), attempt.toString());
      }
    }
    assertFalse(Files.exists(Path.of("?")));
    assertFalse(Files.exists(Checkout.path("target/nowhere")));
  }

  /** A jar in a folder of downloads has no build beside it; others may have put one there. */
  @Test
  void theBuildFolderIsBesideTheClassesOfABuild() {
    Path host = Path.of("/a/target/native/host/libstarling_host.so");
    assertEquals(host, NativeLibrary.buildFile(Path.of("/a/target/classes"), "emulated"));
    assertEquals(host, NativeLibrary.buildFile(Path.of("/a/target/starling.jar"), "emulated"));
    assertNull(NativeLibrary.buildFile(Path.of("/tmp/starling.jar"), "emulated"));
    assertNull(NativeLibrary.buildFile(Path.of("/starling.jar"), "emulated"));
    assertNull(NativeLibrary.buildFile(null, "cuda"));
  }

  /** JV-3: mounted noexec, in a mount namespace of its own. */
  @Test
  void aPlaceMountedNoexecIsPassedOver() throws Exception {
    Path home = Files.createDirectories(dir.resolve("home"));
    Path script =
        Files.writeString(
            dir.resolve("noexec.sh"),
            "mount -t tmpfs -o noexec tmpfs '%s' || exit 9\nexec \"$@\"\n".formatted(home));
    var process =
        new ProcessBuilder(
                "unshare",
                "--map-root-user",
                "--mount",
                "sh",
                script.toString(),
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Duser.home=" + home,
                "-Djava.io.tmpdir=" + Files.createDirectories(dir.resolve("tmp")),
                "-cp",
                System.getProperty("java.class.path"),
                UnpackHere.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    assumeTrue(status == 0, "no mount namespaces on this machine: " + output);
    List<String> lines = output.lines().toList();
    assertTrue(lines.get(0).startsWith(home + "/.cache/starling: "), output);
    assertTrue(lines.get(0).contains("mounted noexec?"), output);
    assertTrue(lines.get(0).contains("-Dstarling.cache=DIR"), output);
    assertTrue(lines.get(1).endsWith(": used"), output);
  }

  static final class UnpackHere {
    private UnpackHere() {}

    public static void main(String[] args) throws IOException {
      var search =
          NativeLibrary.search(
              "emulated",
              p -> p.equals("starling.emulated.library") ? "absent" : System.getProperty(p),
              v -> null);
      search.useUnpacked(Files.readAllBytes(Native.HOST));
      search.attempts().stream()
          .skip(1)
          .forEach(a -> System.out.println(a.place() + ": " + a.outcome()));
    }
  }

  /** JV-4: two at once, and a damaged file from before. */
  @Test
  void unpackingAtOnceGivesOneGoodFile() throws Exception {
    byte[] library = Files.readAllBytes(Native.HOST);
    try (var pool = Executors.newFixedThreadPool(8)) {
      List<Callable<Path>> jobs =
          java.util.Collections.nCopies(8, () -> Unpacked.unpack(library, "lib.so", dir));
      var files = pool.invokeAll(jobs);
      Path file = files.get(0).get();
      for (var f : files) {
        assertEquals(file, f.get());
      }
      assertEquals(-1, Files.mismatch(file, Native.HOST));
      try (var entries = Files.list(file.getParent())) {
        assertEquals(1, entries.count(), "no temporary file is left");
      }
      Object before = Files.getAttribute(file, "unix:ino");
      assertEquals(file, Unpacked.unpack(library, "lib.so", dir));
      assertEquals(
          before, Files.getAttribute(file, "unix:ino"), "a good file is not written again");
      // Somebody has mapped the damaged one: it is replaced, never written to.
      Files.write(file, new byte[] {1, 2, 3});
      Object damaged = Files.getAttribute(file, "unix:ino");
      Unpacked.unpack(library, "lib.so", dir);
      assertEquals(-1, Files.mismatch(file, Native.HOST));
      assertTrue(!damaged.equals(Files.getAttribute(file, "unix:ino")));
    }
  }

  /** As in the jar with classifier linux-x86_64: unpacked once, and found by what it is. */
  @Test
  void aLibraryOnTheClassPathIsUnpackedAndUsed() throws Exception {
    Path jar = dir.resolve("jar");
    Path resource = jar.resolve("starling/native/linux-x86_64");
    Files.createDirectories(resource);
    Files.copy(Native.HOST, resource.resolve("libstarling_host.so"));
    Path cache = dir.resolve("cache");
    var flags = List.of("--enable-native-access=ALL-UNNAMED", "-Dstarling.cache=" + cache);
    String output = Process25.run(flags, OpenEmulated.class, jar);
    assertTrue(output.startsWith("opened the CUDA kernels on the CPU"), output);
    try (var unpacked = Files.walk(cache)) {
      assertEquals(1, unpacked.filter(Files::isRegularFile).count());
    }
  }

  @Test
  void theCudaLibraryLoadsWithoutAGpuAndSaysWhy() {
    Native.needs(Native.CUDA);
    if (Files.exists(Path.of("/dev/nvidiactl"))) {
      NativeDevice.open(DeviceType.CUDA).close();
      return;
    }
    String message =
        assertThrows(InputException.class, () -> NativeDevice.open(DeviceType.CUDA)).getMessage();
    assertTrue(message.contains("no driver") || message.contains("no GPU"), message);
    assertTrue(NativeDevice.tried(DeviceType.CUDA).getLast().endsWith("libstarling_cuda.so: used"));
  }

  @Test
  void aProcessWithoutNativeAccessIsToldTheFlag() throws Exception {
    String output = Process25.run(List.of("--illegal-native-access=deny"), OpenEmulated.class);
    assertEquals(
        "device emulated: no library could be used; java: native access is not enabled: start java with --enable-native-access=ALL-UNNAMED, or put Enable-Native-Access: ALL-UNNAMED into the manifest of the program's jar\n",
        output);
    assertTrue(
        Process25.run(
                List.of("--enable-native-access=ALL-UNNAMED", "--illegal-native-access=deny"),
                OpenEmulated.class)
            .startsWith("opened the CUDA kernels on the CPU"));
  }

  static final class OpenEmulated {
    private OpenEmulated() {}

    public static void main(String[] args) {
      try (var device = NativeDevice.open(DeviceType.EMULATED)) {
        System.out.println("opened " + device.description());
      } catch (InputException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
