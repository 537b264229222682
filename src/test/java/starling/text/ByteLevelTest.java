package starling.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.input.InputException;

/**
 * Qwen's kind of tokenizer against {@code byte-level.json}, which Hugging Face tokenizers made
 * ({@code src/test/golden/make_byte_text_goldens.py}). Everything here is exact.
 */
class ByteLevelTest {
  private static final JsonNode GOLDEN = golden();

  @TempDir Path dir;

  private static JsonNode golden() {
    try {
      return Written.JSON.readTree(
          Files.readAllBytes(Checkout.path("src/test/resources/starling/text/byte-level.json")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Tokenizer tokenizer() {
    return Written.read(dir, GOLDEN.get("tokenizer"));
  }

  private Tokenizer changed(Consumer<ObjectNode> change) {
    ObjectNode json = GOLDEN.get("tokenizer").deepCopy();
    change.accept(json);
    return Written.read(dir, json);
  }

  @Test
  void equalsTheReference() {
    check(tokenizer());
  }

  /** As Qwen's folders have them: no {@code tokenizer.json}, merges with a version line. */
  @Test
  void vocabularyAndMergesInFilesOfTheirOwnAreTheSameTokenizer() throws IOException {
    writeVocabularyFiles("Qwen2Tokenizer");
    check(Tokenizer.read(dir));
    Path merges = dir.resolve("merges.txt");
    Files.writeString(merges, Files.readString(merges).replaceFirst("\n", "\n\n \n") + "\n");
    check(Tokenizer.read(dir));
  }

  /** 256 characters stand for bytes; a token with any other is text. */
  @Test
  void aCharacterOfATokenIsAByte() {
    assertArrayEquals(new byte[] {0, 'a', -1}, ByteCharacters.bytes("\u0100a\u00ff"));
    for (String text : List.of("\u0144a", "\u00ad", "\uffff")) {
      assertArrayEquals(
          text.getBytes(StandardCharsets.UTF_8), ByteCharacters.bytes(text), "no byte's");
    }
  }

  private static void check(Tokenizer tokenizer) {
    assertTrue(GOLDEN.get("cases").size() >= 300, "the golden has cases");
    for (JsonNode c : GOLDEN.get("cases")) {
      var ids = new ArrayList<Integer>();
      c.get("ids").forEach(id -> ids.add(id.intValue()));
      if (c.has("text")) {
        assertEquals(ids, tokenizer.encode(c.get("text").textValue()), c.get("text").toString());
      }
      assertEquals(c.get("all").textValue(), tokenizer.decode(ids, false), c.toString());
      assertEquals(c.get("text_only").textValue(), tokenizer.decode(ids, true), c.toString());
      assertEquals(c.get("text_only").textValue(), streamed(tokenizer, ids), c.toString());
    }
  }

  private static String streamed(Tokenizer tokenizer, List<Integer> ids) {
    Decoding decoding = tokenizer.decoding();
    var text = new StringBuilder();
    for (int id : ids) {
      String piece = decoding.next(id);
      assertEquals(-1, Unicode.loneSurrogate(piece), "half a character");
      text.append(piece);
    }
    return text.append(decoding.finish()).toString();
  }

  private void writeVocabularyFiles(String kind) throws IOException {
    JsonNode model = GOLDEN.get("tokenizer").get("model");
    Files.writeString(dir.resolve("vocab.json"), model.get("vocab").toString());
    var merges = new StringBuilder("#version: 0.2\n");
    model
        .get("merges")
        .forEach(m -> merges.append(m.get(0).textValue() + " " + m.get(1).textValue() + "\n"));
    Files.writeString(dir.resolve("merges.txt"), merges);
    ObjectNode config = Written.JSON.createObjectNode().put("tokenizer_class", kind);
    ObjectNode added = config.putObject("added_tokens_decoder");
    for (JsonNode token : GOLDEN.get("tokenizer").get("added_tokens")) {
      ObjectNode copy = token.deepCopy();
      added.set(copy.remove("id").asText(), copy);
    }
    Files.writeString(dir.resolve("tokenizer_config.json"), config.toString());
  }

  @Test
  void vocabularyFilesOfAnotherTokenizerAreRefused() throws IOException {
    writeVocabularyFiles("CLIPTokenizer");
    var e = assertThrows(InputException.class, () -> Tokenizer.read(dir));
    assertTrue(e.getMessage().contains("vocab.json: is read without tokenizer.json only where"));
    Files.delete(dir.resolve("tokenizer_config.json"));
    assertThrows(InputException.class, () -> Tokenizer.read(dir));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"tokenizer_class\": \"Qwen2Tokenizer\"}",
        "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"added_tokens_decoder\": [1]}",
        "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"added_tokens_decoder\": {\"x\": {}}}",
        "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"added_tokens_decoder\": {\"1\": 2}}"
      })
  void addedTokensThatAreNoneAreRefused(String config) throws IOException {
    writeVocabularyFiles("Qwen2Tokenizer");
    Files.writeString(dir.resolve("tokenizer_config.json"), config);
    var e = assertThrows(InputException.class, () -> Tokenizer.read(dir));
    assertTrue(
        e.getMessage().contains("tokenizer_config.json: added_tokens_decoder"), e.getMessage());
    assertEquals(
        !config.contains("added_tokens_decoder"), e.getMessage().endsWith(" is missing"), config);
  }

  @Test
  void streamsACharacterWhenItsBytesAreComplete() {
    Tokenizer tokenizer = tokenizer();
    int[] ids = new int[4];
    byte[] smile = "😀".getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 4; i++) {
      ids[i] = tokenizer.id(single(smile[i]));
    }
    Decoding decoding = tokenizer.decoding();
    for (int i = 0; i < 3; i++) {
      assertEquals("", decoding.next(ids[i]));
    }
    assertEquals("😀", decoding.next(ids[3]));
    assertEquals("", decoding.next(ids[0]));
    assertEquals("", decoding.next(tokenizer.id("<|im_end|>")));
    assertEquals("\uFFFDa", decoding.next(tokenizer.id("a")));
    assertEquals("", decoding.next(ids[0]));
    assertEquals("\uFFFD", decoding.finish());
    assertEquals("", decoding.finish());
  }

  private static String single(byte b) {
    for (char c = '!'; c < 0x144; c++) {
      byte[] bytes = ByteCharacters.bytes(String.valueOf(c));
      if (bytes.length == 1 && bytes[0] == b) {
        return String.valueOf(c);
      }
    }
    throw new AssertionError("no character stands for " + b);
  }

  /** Every character alone, and between letters, comes back as NFC has it. */
  @Test
  void everyCharacterComesBack() {
    Tokenizer tokenizer = tokenizer();
    for (int from = 0; from < 0x110000; from += 0x400) {
      var text = new StringBuilder();
      for (int c = from; c < from + 0x400; c++) {
        if (c < 0xD800 || c >= 0xE000) {
          text.append('a').appendCodePoint(c);
        }
      }
      String nfc = Composition.of(text.toString());
      assertEquals(nfc, tokenizer.decode(tokenizer.encode(text.toString()), true));
    }
  }

  @Test
  void anAddedTokenWithABlankIsDecodedAsItself() {
    Tokenizer tokenizer =
        changed(
            json -> {
              var token = json.withArray("added_tokens").addObject();
              token.put("id", 900).put("content", "a ż").put("normalized", false);
            });
    assertEquals(List.of(900), tokenizer.encode("a ż"));
    assertEquals("a ż", tokenizer.decode(List.of(900), true));
  }

  /** What the file says in place of Qwen's own pre-tokenizer, and what the refusal says. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          pretokenizers/0 | {"type": "Split", "pattern": {"Regex": "\\\\s+"}, "behavior": "Isolated"} | pre_tokenizer.pretokenizers[0].pattern.Regex is not Qwen's
          pretokenizers/0 | {"type": "Split", "pattern": {"String": " "}, "behavior": "Isolated"} | pre_tokenizer.pretokenizers[0].pattern.Regex is missing
          pretokenizers/0/behavior | "Removed" | pre_tokenizer.pretokenizers[0].behavior is 'Removed'
          pretokenizers/0/invert   | true      | pre_tokenizer.pretokenizers[0].invert is true
          pretokenizers/0/type     | "Digits"  | pre_tokenizer.pretokenizers[0] of type 'Digits'
          pretokenizers/1/type     | "Split"   | pre_tokenizer.pretokenizers[1] of type 'Split'
          pretokenizers/1/use_regex | null     | pre_tokenizer.pretokenizers[1].use_regex is true
          pretokenizers/1/add_prefix_space | true | pre_tokenizer.pretokenizers[1].add_prefix_space is true
          pretokenizers | []   | pre_tokenizer of type 'Sequence' has 0 pretokenizers
          pretokenizers | null | pre_tokenizer.pretokenizers is missing
          """)
  void anotherPreTokenizerIsRefused(String field, String value, String reason) {
    var e =
        assertThrows(
            InputException.class,
            () -> changed(json -> set(json.get("pre_tokenizer"), field, value)));
    assertTrue(e.getMessage().contains(reason), e.getMessage());
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
  }

  private static void set(JsonNode at, String field, String value) {
    try {
      int slash = field.lastIndexOf('/');
      JsonNode parent = slash < 0 ? at : at.at("/" + field.substring(0, slash));
      JsonNode node = Written.JSON.readTree(value);
      if (parent.isArray()) {
        ((ArrayNode) parent).set(Integer.parseInt(field.substring(slash + 1)), node);
      } else {
        ((ObjectNode) parent).set(field.substring(slash + 1), node);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void bytesBehindFuseAreRefused() {
    var e =
        assertThrows(
            InputException.class,
            () ->
                changed(
                    json ->
                        json.putObject("decoder")
                            .put("type", "Sequence")
                            .putArray("decoders")
                            .add(Written.JSON.createObjectNode().put("type", "Fuse"))
                            .add(Written.JSON.createObjectNode().put("type", "ByteLevel"))));
    assertTrue(e.getMessage().contains("behind Fuse or ByteLevel is not supported"));
  }

  /** Marks that Java would sort one by one, in hours for a megabyte. */
  @Test
  void marksWithoutEndAreRefused() {
    Tokenizer tokenizer = tokenizer();
    String fine = "a" + "\u0301\u0323".repeat(128);
    assertEquals(
        "\u1ea1" + "\u0323".repeat(127) + "\u0301".repeat(128),
        tokenizer.decode(tokenizer.encode(fine), true));
    var e = assertThrows(InputException.class, () -> tokenizer.encode(fine + "\u0301"));
    assertTrue(e.getMessage().contains("more than 256 combining marks in a row"), e.getMessage());
    assertTimeoutPreemptively(
        Duration.ofSeconds(10),
        () ->
            assertThrows(
                InputException.class,
                () -> tokenizer.encode("a" + "\u0301\u0323".repeat(500_000))));
  }

  /** Ten seconds are the requirement on any machine. */
  @Tag("slow")
  @Test
  void aMillionCharactersTakeSeconds() {
    Tokenizer tokenizer = tokenizer();
    for (String unit :
        List.of("a", "it's a red square ", "你好", " ", "\n ", "'", "1", "e\u0301\u0323")) {
      String text = unit.repeat(1_000_000 / unit.length());
      assertTimeoutPreemptively(Duration.ofSeconds(10), () -> tokenizer.encode(text), unit);
    }
  }
}
