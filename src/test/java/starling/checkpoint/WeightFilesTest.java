package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.checkpoint.SafetensorsFile.tensor;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.input.InputException;
import starling.input.Limits;

/** What is said of weight files that do not hold what they say, number by number. */
class WeightFilesTest {
  @TempDir Path dir;

  private Path weights() {
    return dir.resolve("model.safetensors");
  }

  private String refused(String header, int data) throws IOException {
    SafetensorsFile.writeHeader(weights(), header, new byte[data]);
    String sentence =
        assertThrows(InputException.class, () -> Safetensors.open(dir).close()).getMessage();
    return sentence.substring(sentence.indexOf(": ") + 2);
  }

  private String refusedIndex(String map) throws IOException {
    Path index = dir.resolve("model.safetensors.index.json");
    Files.writeString(index, "{\"weight_map\":{" + map + "}}");
    return assertThrows(InputException.class, () -> Safetensors.open(dir).close()).getMessage();
  }

  @Test
  void holesAndOverlapsAreToldInBytesOfTheData() throws IOException {
    String a = tensor("a", "U8", "[4]", 0, 4);
    String begins = "tensor b begins at byte ";
    assertEquals(
        begins + "5 of the data, but 4 was expected (there is a hole)",
        refused("{" + a + "," + tensor("b", "U8", "[4]", 5, 9) + "}", 9));
    assertEquals(
        begins + "3 of the data, but 4 was expected (tensors overlap)",
        refused("{" + a + "," + tensor("b", "U8", "[4]", 3, 7) + "}", 7));
    assertEquals("has 3 bytes that belong to no tensor", refused("{" + a + "}", 7));
    assertEquals(
        "tensor a lies at bytes 0 to 4, but the file holds 3 bytes of data; it may be cut off",
        refused("{" + a + "}", 3));
    assertEquals(
        "tensor a has 5 bytes, which does not fit U8 of shape [4]",
        refused("{" + tensor("a", "U8", "[4]", 0, 5) + "}", 5));
    assertEquals(
        "tensor a lies at bytes 4 to 3, but the file holds 8 bytes of data; it may be cut off",
        refused("{" + tensor("a", "U8", "[0]", 4, 3) + "}", 8));
    assertEquals(
        "tensor a has no dtype, no shape or no pair of data_offsets",
        refused("{" + tensor("a", "F32", "4", 0, 4) + "}", 4));
  }

  @Test
  void tensorsMayBeListedInAnyOrder() throws IOException {
    String header =
        "{" + tensor("b", "U8", "[4]", 4, 8) + "," + tensor("a", "U8", "[4]", 0, 4) + "}";
    SafetensorsFile.writeHeader(weights(), header, new byte[8]);
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(
          List.of("a", "b"), file.entries().stream().map(Safetensors.Entry::name).toList());
      assertEquals(dir, file.dir());
      assertFalse(file.used("a"));
      assertTrue(file.has("a"));
      assertFalse(file.has("c"));
    }
  }

  @Test
  void aTensorThatWasAskedForIsUsed() throws IOException {
    SafetensorsFile.write(weights(), Map.of("a", Raw.f32(1, 2), "b", Raw.f32(1, 2)));
    try (Safetensors file = Safetensors.open(dir)) {
      file.get("a", List.of(2), "x");
      assertTrue(file.used("a"));
      assertFalse(file.used("b"));
    }
  }

  @Test
  void aHeaderIsNoLongerThanTheRestOfItsFile() throws IOException {
    byte[] whole = "2345678{}".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    for (int length : new int[] {1, 3, 4, 17}) {
      Files.write(weights(), new byte[] {(byte) length, 0, 0, 0, 0, 0, 0, 0, '{', '}'});
      String sentence =
          assertThrows(InputException.class, () -> Safetensors.open(dir).close()).getMessage();
      assertTrue(
          sentence.endsWith(
              ": the header says it is "
                  + length
                  + " bytes long, but the file has 2 behind the length"),
          sentence);
    }
    Files.write(weights(), new byte[] {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'});
    try (Safetensors file = Safetensors.open(dir)) {
      assertTrue(file.entries().isEmpty());
    }
    Files.write(weights(), java.util.Arrays.copyOf(whole, 7));
    String sentence =
        assertThrows(InputException.class, () -> Safetensors.open(dir).close()).getMessage();
    assertTrue(sentence.endsWith(": is cut off, 7 bytes hold no safetensors header"), sentence);
  }

  @Test
  void tensorsOfTheFilesBeforeCount() throws IOException {
    String two = "{" + tensor("a", "U8", "[0]", 0, 0) + "," + tensor("b", "U8", "[0]", 0, 0) + "}";
    SafetensorsFile.writeHeader(weights(), two, new byte[0]);
    long size = Files.size(weights());
    try (var channel = FileChannel.open(weights())) {
      var header = SafetensorsHeader.read(weights(), channel, size, 0, Limits.TENSORS - 2);
      assertEquals(2, header.entries().size());
      assertEquals(two.length(), header.length());
      assertThrows(
          InputException.class,
          () -> SafetensorsHeader.read(weights(), channel, size, 0, Limits.TENSORS - 1));
      long left = Limits.HEADER_BYTES - two.length();
      SafetensorsHeader.read(weights(), channel, size, left, 0);
      assertThrows(
          InputException.class,
          () -> SafetensorsHeader.read(weights(), channel, size, left + 1, 0));
    }
  }

  @Test
  void filesTogetherHoldTheTensorsOfOneCheckpoint() throws IOException {
    String all =
        IntStream.range(0, Limits.TENSORS)
            .mapToObj(i -> tensor("t" + i, "U8", "[0]", 0, 0))
            .collect(Collectors.joining(","));
    SafetensorsFile.writeHeader(dir.resolve("a"), "{" + all + "}", new byte[0]);
    SafetensorsFile.writeHeader(
        dir.resolve("b"), "{" + tensor("b", "U8", "[0]", 0, 0) + "}", new byte[0]);
    String sentence = refusedIndex("\"t1\":\"a\",\"b\":\"b\"");
    assertTrue(
        sentence.endsWith("b: the header lists more than the 100000 tensors that are read"),
        sentence);
  }

  /** What a file system may do: a byte at a time, sometimes none, and an end before the end. */
  @Test
  void aHeaderThatComesInPiecesIsRead() throws IOException {
    String one = "{" + tensor("a", "U8", "[4]", 0, 4) + "}";
    SafetensorsFile.writeHeader(weights(), one, new byte[4]);
    long size = Files.size(weights());
    try (var channel = new TrickleChannel(FileChannel.open(weights()))) {
      var header = SafetensorsHeader.read(weights(), channel, size, 0, 0);
      assertEquals("a", header.entries().getFirst().name());
      assertEquals(8 + one.length(), header.entries().getFirst().offset());
    }
    byte[] whole = Files.readAllBytes(weights());
    Files.write(weights(), java.util.Arrays.copyOf(whole, 8 + one.length() - 1));
    try (var channel = FileChannel.open(weights())) {
      String sentence =
          assertThrows(
                  InputException.class,
                  () -> SafetensorsHeader.read(weights(), channel, size, 0, 0))
              .getMessage();
      assertTrue(sentence.contains(": the header is not JSON: "), sentence);
    }
  }

  @Test
  void anIndexNamesFilesOfItsFolder() throws IOException {
    for (String name : List.of("..", "a/b", "/a", "a\\\\b", "")) {
      String sentence = refusedIndex("\"t\":\"" + name + "\"");
      assertTrue(
          sentence.endsWith(
              ": weight_map sends tensor t to '"
                  + name.replace("\\\\", "\\")
                  + "', which is no file name in this folder"),
          sentence);
    }
    assertTrue(refusedIndex("\"t\":3").endsWith("to '3', which is no file name in this folder"));
    assertTrue(refusedIndex("\"t\":\"...\"").endsWith(": there is no such weight file"));
  }

  @Test
  void anIndexHasFilesAndTensorsUpToItsLimits() throws IOException {
    assertTrue(refusedIndex(files(Limits.SHARDS)).endsWith(": there is no such weight file"));
    assertTrue(
        refusedIndex(files(Limits.SHARDS + 1))
            .endsWith(": weight_map names 1001 files; at most 1000"));
    assertTrue(refusedIndex(tensors(Limits.TENSORS)).endsWith(": there is no such weight file"));
    assertTrue(
        refusedIndex(tensors(Limits.TENSORS + 1))
            .endsWith(": weight_map has 100001 tensors; at most 100000"));
  }

  private static String files(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> "\"t" + i + "\":\"f" + i + "\"")
        .collect(Collectors.joining(","));
  }

  private static String tensors(int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> "\"t" + i + "\":\"f\"")
        .collect(Collectors.joining(","));
  }

  @Test
  void aCheckpointThatIsRefusedIsNotLeftMapped() throws IOException {
    SafetensorsFile.write(dir.resolve("mapped"), Map.of("a", Raw.f32(1, 4096)));
    Path maps = Path.of("/proc/self/maps");
    refusedIndex("\"a\":\"mapped\",\"b\":\"missing\"");
    if (Files.exists(maps)) {
      String file = dir.resolve("mapped").toString();
      assertTrue(Files.readAllLines(maps).stream().noneMatch(line -> line.endsWith(file)));
    }
  }
}
