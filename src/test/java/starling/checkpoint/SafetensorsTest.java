package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.checkpoint.SafetensorsFile.tensor;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.input.InputException;

class SafetensorsTest {
  private static final String FOUR = tensor("a", "U8", "[4]", 0, 4);

  @TempDir Path dir;

  @Test
  void readsValuesOfAnyAlignment() throws IOException {
    Map<String, Raw> tensors = new LinkedHashMap<>();
    tensors.put("odd", new Raw("U8", List.of(3), new byte[3]));
    tensors.put("w", Raw.f32(0.5f, 2, 3));
    SafetensorsFile.write(weights(), tensors);
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(5.5f, file.get("w", List.of(2, 3), "x").get(5));
    }
  }

  @Test
  void listsTensorsNobodyNeeds() throws IOException {
    Map<String, Raw> tensors = new LinkedHashMap<>();
    for (String type : List.of("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0")) {
      tensors.put(type, new Raw(type, List.of(2), new byte[2]));
    }
    for (String type : List.of("F64", "I64", "U64", "C64")) {
      tensors.put(type, new Raw(type, List.of(1), new byte[8]));
    }
    tensors.put("F4", new Raw("F4", List.of(3, 2), new byte[3]));
    tensors.put("scalar", Raw.f32(1));
    tensors.put("empty", new Raw("F32", List.of(0, 7), new byte[0]));
    SafetensorsFile.write(weights(), tensors);
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(tensors.size(), file.entries().size());
      assertTrue(file.has("empty"));
      assertFalse(file.has("other"));
    }
  }

  @Test
  void refusesAMissingTensorByName() throws IOException {
    SafetensorsFile.write(weights(), Map.of("a", Raw.f32(0, 2)));
    refusedGet("b", List.of(2), "tensor b is missing");
  }

  @Test
  void refusesAnotherShapeWithBothShapesAndTheFields() throws IOException {
    SafetensorsFile.write(weights(), Map.of("a", Raw.f32(0, 2, 3)));
    refusedGet(
        "a", List.of(3, 2), "model.safetensors", "tensor a", "[2, 3]", "[3, 2]", "the_field");
  }

  @Test
  void refusesAnUnsupportedTypeWhereTheTensorIsUsed() throws IOException {
    SafetensorsFile.write(weights(), Map.of("a", new Raw("I8", List.of(2), new byte[2])));
    refusedGet("a", List.of(2), "tensor a", "I8");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"__metadata__\":null}",
        "{\"__metadata__\":{}}",
        "{\"__metadata__\":{\"a\":\"é\"}}",
        "{}\n\t \r",
        "{}"
      })
  void acceptsEveryLegalHeader(String header) throws IOException {
    SafetensorsFile.writeHeader(weights(), header, new byte[0]);
    try (Safetensors file = Safetensors.open(dir)) {
      assertTrue(file.entries().isEmpty());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"__metadata__\":{\"step\":7}}        | 0 | __metadata__",
        "{\"__metadata__\":5}                   | 0 | __metadata__",
        "{}{}                                   | 0 | header",
        "[]                                     | 0 | header",
        "{\"a\":5}                              | 0 | tensor a",
        "{                                      | 0 | header",
      })
  void refusesABrokenHeader(String header, int data, String part) throws IOException {
    refusedFile(header, data, part);
  }

  @Test
  void refusesZeroBytesAsPadding() throws IOException {
    refusedFile("{}\0\0", 0, "zero byte");
  }

  @Test
  void refusesOffsetsThatDoNotTileTheData() throws IOException {
    refusedFile("{" + FOUR + "}", 5, "1 bytes");
    refusedFile("{" + FOUR + "}", 3, "cut off");
    refusedFile("{" + tensor("a", "U8", "[4]", 4, 8) + "}", 8, "hole");
    refusedFile("{" + FOUR + "," + tensor("b", "U8", "[4]", 2, 6) + "}", 6, "overlap");
    refusedFile("{" + tensor("a", "U8", "[4]", 4, 0) + "}", 4, "tensor a");
    refusedFile("{" + tensor("a", "U8", "[4]", -4, 0) + "}", 4, "tensor a");
    refusedFile("{" + FOUR + "," + FOUR + "}", 4, "Duplicate");
  }

  @Test
  void refusesShapesThatDoNotFitTheBytes() throws IOException {
    refusedFile("{" + tensor("a", "F32", "[2]", 0, 4) + "}", 4, "tensor a");
    refusedFile("{" + tensor("a", "F32", "[-1]", 0, 4) + "}", 4, "tensor a");
    refusedFile("{" + tensor("a", "U8", "[4294967296,4294967297]", 0, 4) + "}", 4, "tensor a");
    refusedFile("{" + tensor("a", "U8", "[99999999999999999999]", 0, 4) + "}", 4, "tensor a");
  }

  @Test
  void saysWhenTheWeightsWereNotDownloaded() throws IOException {
    Files.writeString(weights(), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    refused("Git LFS pointer", "not downloaded");
    Files.writeString(weights(), "\n<!DOCTYPE html><html></html>");
    refused("web page");
    Files.writeString(weights(), "abc");
    refused("model.safetensors", "3 bytes");
    Files.delete(weights());
    refused("model.safetensors");
  }

  @Test
  void refusesAnAbsurdHeaderLengthBeforeAllocating() throws IOException {
    Files.write(weights(), new byte[] {-1, -1, -1, -1, -1, -1, -1, -1, '{', '}'});
    refused("18446744073709551615");
  }

  @Test
  void readsBehindTwoGigabytes() throws IOException {
    long gap = 2_200_000_000L;
    String header =
        "{"
            + tensor("big", "U8", "[" + gap + "]", 0, gap)
            + ","
            + tensor("w", "F32", "[1]", gap, gap + 4)
            + "}";
    SafetensorsFile.writeHeader(weights(), header, new byte[0]);
    try (RandomAccessFile sparse = new RandomAccessFile(weights().toFile(), "rw")) {
      sparse.seek(sparse.length() + gap);
      sparse.write(new byte[] {0, 0, 0x28, 0x42});
    }
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(42f, file.get("w", List.of(1), "x").get(0));
    }
  }

  @Test
  void readsOnlyTheShardsOfTheIndex() throws IOException {
    SafetensorsFile.write(dir.resolve("one"), Map.of("a", Raw.f32(1, 2)));
    SafetensorsFile.write(dir.resolve("two"), Map.of("b", Raw.f32(2, 2)));
    Files.writeString(weights(), "not read");
    index("{\"weight_map\":{\"a\":\"one\",\"b\":\"two\"}}");
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(3f, file.get("b", List.of(2), "x").get(1));
      assertEquals(2, file.entries().size());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"../one", "/etc/hostname", "..", ".", "", "a/../../b", "absent"})
  void refusesAShardThatIsNotInTheFolder(String shard) throws IOException {
    index("{\"weight_map\":{\"a\":\"" + shard + "\"}}");
    refused(shard);
  }

  @Test
  void refusesAnIndexThatIsWrong() throws IOException {
    SafetensorsFile.write(dir.resolve("one"), Map.of("a", Raw.f32(1, 2)));
    index("{\"weight_map\":{\"b\":\"one\"}}");
    refused("tensor b", "one");
    index("{}");
    refused("weight_map");
  }

  @Test
  void refusesReadsAfterClose() throws IOException {
    SafetensorsFile.write(weights(), Map.of("a", Raw.f32(1, 2)));
    Safetensors file = Safetensors.open(dir);
    var stored = file.get("a", List.of(2), "x");
    file.close();
    file.close();
    assertThrows(IllegalStateException.class, () -> stored.get(0));
  }

  private Path weights() {
    return dir.resolve("model.safetensors");
  }

  @Test
  void aFileIsCalledCutOnlyWhenItIsShorterThanItWas() throws IOException {
    SafetensorsFile.write(
        dir.resolve("model.safetensors"), Map.of("a", SafetensorsFile.Raw.f32(1, 4)));
    Path path = dir.resolve("model.safetensors");
    byte[] whole = Files.readAllBytes(path);
    try (Safetensors file = Safetensors.open(dir)) {
      file.checkWhole();
      Files.write(path, new byte[] {0}, java.nio.file.StandardOpenOption.APPEND);
      file.checkWhole();
      try (var channel =
          java.nio.channels.FileChannel.open(path, java.nio.file.StandardOpenOption.WRITE)) {
        channel.truncate(whole.length - 1);
      }
      Refusal.of(
          file::checkWhole,
          "was cut from "
              + whole.length
              + " to "
              + (whole.length - 1)
              + " bytes while it was in use");
    }
  }

  private void index(String json) throws IOException {
    Files.writeString(dir.resolve("model.safetensors.index.json"), json);
  }

  private void refusedFile(String header, int data, String... parts) throws IOException {
    SafetensorsFile.writeHeader(weights(), header, new byte[data]);
    refused(parts);
  }

  private void refused(String... parts) {
    Refusal.of(() -> Safetensors.open(dir).close(), parts);
  }

  private void refusedGet(String name, List<Integer> shape, String... parts) {
    try (Safetensors file = Safetensors.open(dir)) {
      Refusal.of(() -> file.get(name, shape, "the_field"), parts);
    }
  }

  /** One sentence that names what it should. */
  static final class Refusal {
    static void of(org.junit.jupiter.api.function.Executable act, String... parts) {
      String sentence = assertThrows(InputException.class, act).getMessage();
      assertEquals(1, sentence.lines().count(), sentence);
      for (String part : parts) {
        assertTrue(sentence.contains(part), sentence + " lacks " + part);
      }
    }
  }
}
