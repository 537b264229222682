package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.checkpoint.SafetensorsFile.tensor;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Cost;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.checkpoint.SafetensorsTest.Refusal;
import starling.input.InputJson;
import starling.input.Limits;

/** Files of a checkpoint that ask for work out of proportion; work is bounded before it is done. */
class HostileCheckpointTest {
  private static final int MEGABYTE = 1 << 20;

  @TempDir Path dir;

  // ---- headers ----

  @Test
  void aHeaderOfMillionsOfKeysIsRefusedAtTheFirst() throws IOException {
    // One tree of all keys took a hundred bytes and more for each.
    header("{" + numbered(1_000_000, "\"%d\":0") + "}", 60, "tensor 0 has no dtype");
  }

  @Test
  void aShapeOfMillionsOfSizesIsRefusedAtTheNinth() throws IOException {
    String shape = "[" + "0,".repeat(5_000_000) + "0]";
    header("{" + tensor("a", "F32", shape, 0, 0) + "}", 80, "tensor a has more than 8 sizes");
  }

  @Test
  void noMoreTensorsAreReadThanACheckpointHas() throws IOException {
    String all = numbered(Limits.TENSORS, tensor("t%d", "F32", "[0]", 0, 0));
    header("{" + all + "," + tensor("one", "F32", "[0]", 0, 0) + "}", 200, "more than the 100000");
    write("model.safetensors", "{" + all + "}");
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(Limits.TENSORS, file.entries().size());
    }
  }

  @Test
  void metadataAndWhatIsIgnoredAreBoundedToo() throws IOException {
    String many = numbered(2_100_000, "\"%d\":\"\"");
    header("{\"__metadata__\":{" + many + "}}", 500, "header", "more than 4000000 names");
    String lists = "[" + "[],".repeat(2_000_000) + "[]]";
    header("{\"a\":{\"x\":" + lists + "}}", 150, "header", "more than 4000000 names");
    header("{\"a\":{\"x\":" + "[".repeat(9_000_000), 100, "header", "deeper than 100");
  }

  @Test
  void aNameANumberAndATypeOfMegabytesAreRefused() throws IOException {
    String long_ = "1".repeat(20 * MEGABYTE);
    header("{\"" + long_ + "\":0}", 150, "header", "more than");
    header("{" + tensor("a", long_, "[0]", 0, 0) + "}", 150, "header", "more than");
    header("{" + tensor("a", "F32", "[" + long_ + "]", 0, 0) + "}", 150, "header", "more than");
    header("{" + tensor("a", "F32", "[1e999999999]", 0, 0) + "}", 10, "tensor a", "whole number");
    header("{" + tensor("a", "F32", "[NaN]", 0, 0) + "}", 10, "tensor a", "whole number");
  }

  @Test
  void aFieldThatStandsTwiceIsRefused() throws IOException {
    header(
        "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
        10,
        "header",
        "Duplicate");
  }

  /** A header within its limit, in file after file. */
  @Test
  void theHeadersOfAllFilesTogetherAreBounded() throws IOException {
    var map = new LinkedHashMap<String, String>();
    String padded = "{" + " ".repeat(6 * MEGABYTE) + "}";
    write("s00", padded);
    for (int i = 0; i < 20; i++) {
      String shard = "s%02d".formatted(i);
      if (i > 0) {
        Files.createSymbolicLink(dir.resolve(shard), dir.resolve("s00"));
      }
      map.put("t" + i, shard);
    }
    index(map);
    Cost.ofRefusal(300, () -> Safetensors.open(dir).close(), "s15: the header is", "100000000");
  }

  // ---- the index ----

  @Test
  void theIndexNamesAtMostAThousandFiles() throws IOException {
    index(IntStream.range(0, 1001).boxed().collect(Collectors.toMap(i -> "t" + i, i -> "s" + i)));
    Cost.ofRefusal(20, () -> Safetensors.open(dir).close(), "index.json", "1001 files");
  }

  @Test
  void theIndexHasAtMostTheTensorsOfACheckpoint() throws IOException {
    index("{\"weight_map\":{" + numbered(1_000_000, "\"%d\":\"a\"") + "}}");
    Cost.ofRefusal(500, () -> Safetensors.open(dir).close(), "index.json", "1000000 tensors");
  }

  @Test
  void aFileNameOfHalfACharacterIsRefused() throws IOException {
    index("{\"weight_map\":{\"a\":\"\\ud83d\"}}");
    Refusal.of(() -> Safetensors.open(dir).close(), "index.json", "tensor a", "no file name");
  }

  /** The index decides; who wrote the files again left a copy behind. */
  @Test
  void aCopyWhereTheIndexDoesNotPlaceItIsNotRead() throws IOException {
    SafetensorsFile.write(
        dir.resolve("one"), Map.of("a", Raw.f32(1, 2), "b", Raw.f32(7, 5), "x", Raw.f32(0, 1)));
    SafetensorsFile.write(
        dir.resolve("two"), Map.of("b", Raw.f32(2, 2), "a", Raw.f32(9, 3), "x", Raw.f32(0, 1)));
    index("{\"weight_map\":{\"a\":\"one\",\"b\":\"two\"}}");
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(1f, file.get("a", List.of(2), "f").get(0));
      assertEquals(2f, file.get("b", List.of(2), "f").get(0));
      assertEquals(
          List.of("a two", "b one", "x two"),
          file.stale().stream()
              .map(e -> e.name() + " " + e.file().getFileName())
              .sorted()
              .toList());
      Refusal.of(() -> file.get("x", List.of(1), "f"), "two: tensor x is also in one");
    }
    SafetensorsFile.writeHeader(
        dir.resolve("two"),
        "{" + tensor("b", "U8", "[0]", 0, 0) + "," + tensor("b", "U8", "[0]", 0, 0) + "}",
        new byte[0]);
    Refusal.of(() -> Safetensors.open(dir).close(), "two: the header", "Duplicate");
  }

  // ---- JSON ----

  @Test
  void jsonIsReadWithinBounds() throws IOException {
    json("[".repeat(30 * MEGABYTE), 100, "deeper than 100");
    json("[" + "[],".repeat(2_000_000) + "0]", 300, "more than 4000000 names");
    json("{" + numbered(2_000_001, "\"%d\":0") + "}", 700, "more than 4000000 names");
    json("\"" + "a".repeat(20 * MEGABYTE) + "\"", 100, "text of more than 1048576");
    json("\"" + "\\u0061".repeat(2 * MEGABYTE) + "\"", 100, "text of more than 1048576");
    json("{\"" + "a".repeat(33_000) + "\":0}", 10, "name of more than 32768");
    json("1".repeat(1001), 10, "number of more than 1000");
    json("0." + "1".repeat(1001), 10, "number of more than 1000");
    json("1".repeat(20 * MEGABYTE), 100, "more than");
  }

  @Test
  void whatIsInsteadOfJsonIsNamed() throws IOException {
    for (String[] c :
        new String[][] {
          {"GGUF\3\0\0\0", "a GGUF file"},
          {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"},
          {"<!DOCTYPE html>", "a web page"},
          {"Entry not found", "a message of the server"},
          {"PK\3\4", "a zip archive"},
          {"\u001f\u008b\b", "a compressed or tar archive"},
          {"\u0080\2}q", "a Python pickle"},
          {"\2\0\0\0\0\0\0\0{}", "a safetensors file"},
        }) {
      Files.write(dir.resolve("config.json"), c[0].getBytes(StandardCharsets.ISO_8859_1));
      Refusal.of(() -> LlavaConfig.read(dir), "config.json: is " + c[1], ", not JSON");
      Files.write(dir.resolve("model.safetensors"), c[0].getBytes(StandardCharsets.ISO_8859_1));
      if (!c[1].contains("safetensors")) {
        Refusal.of(() -> Safetensors.open(dir).close(), "is " + c[1], ", not safetensors");
      }
    }
  }

  // ---- numbers ----

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"max_position_embeddings\":2147483647 | max_position_embeddings",
        "\"rope_theta\":NaN | rope_theta is NaN",
        "\"rope_theta\":Infinity | rope_theta is Infinity",
        "\"rope_theta\":-Infinity | rope_theta is -Infinity",
        "\"rope_theta\":0 | rope_theta",
        "\"hidden_size\":NaN | hidden_size is NaN",
        "\"hidden_size\":1e999999999 | hidden_size is Infinity",
        "\"rms_norm_eps\":NaN | rms_norm_eps is NaN",
        "\"attention_bias\":NaN | attention_bias is NaN",
        "\"partial_rotary_factor\":NaN | partial_rotary_factor is NaN",
        "\"eos_token_id\":NaN | eos_token_id holds NaN",
        "\"num_hidden_layers\":4096,\"num_attention_heads\":4096,\"head_dim\":2 | num_attention_heads is 4096, 16777360 in all layers",
      })
  void aNumberOfTheDecoderThatIsUsedIsNamed(String field, String part) {
    Refusal.of(() -> config(LlavaConfigTest.json("", field, "")), "text_config." + part.trim());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"image_size\":8192,\"patch_size\":1024 | image_size",
        "\"image_size\":2048,\"patch_size\":1 | image_size",
        "\"image_size\":65,\"patch_size\":1 | image_size",
        "\"layer_norm_eps\":NaN | layer_norm_eps is NaN",
      })
  void aNumberOfTheTowerThatIsUsedIsNamed(String field, String part) {
    Refusal.of(() -> config(LlavaConfigTest.json("", "", field)), "vision_config." + part);
  }

  /** 4096 patches, and 512 heads in all: the largest of both that goes. */
  @Test
  void theLargestGridIsRead() throws IOException {
    String tower =
        "\"image_size\":64,\"patch_size\":1,\"num_hidden_layers\":16,\"num_attention_heads\":16";
    String decoder = "\"num_attention_heads\":16,\"num_hidden_layers\":";
    assertEquals(4096, config(LlavaConfigTest.json("", decoder + 16, tower)).patches());
    Refusal.of(() -> config(LlavaConfigTest.json("", decoder + 17, tower)), "attention scores");
  }

  @Test
  void millionsOfUnknownKeysAreOneWarning() throws IOException {
    String json =
        LlavaConfigTest.json("," + numbered(200_000, "\"k%d\":NaN"), "\"x\":Infinity", "");
    LlavaConfig config = assertTimeoutPreemptively(Duration.ofSeconds(10), () -> config(json));
    assertEquals(200_001, config.unknownKeys().size());
  }

  // ---- files that are no files ----

  @ParameterizedTest
  @ValueSource(
      strings = {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "part"
      })
  void aPipeIsRefusedWhicheverFileItIs(String name) throws Exception {
    Files.writeString(dir.resolve("config.json"), LlavaConfigTest.json("", "", ""));
    if (name.equals("part")) {
      index("{\"weight_map\":{\"a\":\"part\"}}");
    }
    Files.deleteIfExists(dir.resolve(name));
    assertEquals(0, new ProcessBuilder("mkfifo", dir.resolve(name).toString()).start().waitFor());
    assertTimeoutPreemptively(
        Duration.ofSeconds(10),
        () ->
            Refusal.of(
                () -> {
                  LlavaConfig.read(dir);
                  Safetensors.open(dir).close();
                },
                name + ": is a pipe or a device"));
  }

  private LlavaConfig config(String json) throws IOException {
    Files.writeString(dir.resolve("config.json"), json);
    return LlavaConfig.read(dir);
  }

  private void header(String header, int mostMegabytes, String... parts) throws IOException {
    write("model.safetensors", header);
    Cost.ofRefusal(mostMegabytes, () -> Safetensors.open(dir).close(), parts);
  }

  private void write(String name, String header) throws IOException {
    SafetensorsFile.writeHeader(dir.resolve(name), header, new byte[0]);
  }

  private void json(String value, int mostMegabytes, String part) throws IOException {
    Path file = dir.resolve("config.json");
    Files.writeString(file, "{\"x\":" + value + "}");
    Cost.ofRefusal(
        mostMegabytes, () -> InputJson.read(file), "config.json: is not read, because", part);
  }

  private void index(Map<String, String> map) throws IOException {
    index(
        "{\"weight_map\":{"
            + map.entrySet().stream()
                .map(e -> "\"" + e.getKey() + "\":\"" + e.getValue() + "\"")
                .collect(Collectors.joining(","))
            + "}}");
  }

  private void index(String json) throws IOException {
    Files.writeString(dir.resolve("model.safetensors.index.json"), json);
  }

  /** A pattern with 0, 1, 2 … in it, with commas between. */
  private static String numbered(int count, String pattern) {
    String[] parts = pattern.split("%d", -1);
    var text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      text.append(i == 0 ? "" : ",").append(parts[0]).append(i).append(parts[1]);
    }
    assertTrue(text.length() < 64 * MEGABYTE);
    return text.toString();
  }
}
