package starling.input;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Files that are read whole, and files that must not be. */
@Timeout(value = 10, unit = TimeUnit.SECONDS)
class InputFileTest {
  @TempDir Path folder;

  @Test
  void aFileIsReadUpToTheLimitAndNoFurther() throws Exception {
    Path file = Files.write(folder.resolve("a"), new byte[] {1, 2, 3});
    assertArrayEquals(new byte[] {1, 2, 3}, InputFile.read(file, 3));
    assertTrue(refusal(file, 2).contains("longer than"));
    Path link = Files.createSymbolicLink(folder.resolve("link"), file);
    assertArrayEquals(new byte[] {1, 2, 3}, InputFile.read(link, 3));
  }

  @Test
  void whatIsNoOrdinaryFileIsRefusedUnopened() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    assertTrue(refusal(pipe, 9).contains("pipe or a device"));
    Path zero = Files.createSymbolicLink(folder.resolve("zero"), Path.of("/dev/zero"));
    assertTrue(refusal(zero, 9).contains("pipe or a device"));
    assertTrue(refusal(folder, 9).contains("is a folder"));
    assertTrue(refusal(folder.resolve("absent"), 9).contains("there is no such file"));
    Path loop = folder.resolve("loop");
    Files.createSymbolicLink(loop, loop);
    assertTrue(refusal(loop, 9).contains("cannot be read"));
  }

  @Test
  void aSparseFileIsRefusedByItsSize() throws Exception {
    Path sparse = folder.resolve("sparse");
    try (var file = new RandomAccessFile(sparse.toFile(), "rw")) {
      file.setLength(3L << 30);
    }
    assertTrue(refusal(sparse, Limits.IMAGE_BYTES).contains("256 MiB"));
  }

  @Test
  void anAddressIsNotFetched() {
    for (String address :
        new String[] {"https://x.org/a.png", "http://x.org/a.png", "s3://b/a.png", "ftp://x/a"}) {
      assertTrue(refusal(Path.of(address), 9).contains("nothing is fetched"), address);
    }
    assertTrue(refusal(Path.of("file:///a/b.png"), 9).endsWith("give the path alone, /a/b.png"));
    Path data = Path.of("data:image/png;base64," + "iVBORw0KGgo".repeat(1000));
    String sentence =
        assertThrows(InputException.class, () -> InputFile.read(data, 9)).getMessage();
    assertEquals(
        "data:image/png;base64,iVBORw0KGg…: is a data URI; give the path of a file", sentence);
  }

  /** The sentence, which begins with the file. */
  private static String refusal(Path file, long most) {
    String message =
        assertThrows(InputException.class, () -> InputFile.read(file, most)).getMessage();
    assertTrue(message.startsWith(file + ": "), message);
    return message;
  }
}
