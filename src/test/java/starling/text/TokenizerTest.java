package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import starling.Demo;
import starling.input.InputException;

/**
 * Ids and decoded texts against {@code golden.json}, which Hugging Face tokenizers made ({@code
 * src/test/golden/make_text_goldens.py}). Everything here is exact.
 */
class TokenizerTest {
  @TempDir Path dir;

  private Tokenizer llama() {
    return Written.read(dir, Written.base());
  }

  @TestFactory
  Stream<DynamicTest> equalsTheReferenceForEveryVariant() {
    return IntStream.range(0, Written.GOLDEN.get("variants").size())
        .mapToObj(i -> Written.GOLDEN.get("variants").get(i))
        .map(
            variant ->
                DynamicTest.dynamicTest(
                    variant.get("name").textValue(),
                    () ->
                        check(
                            Written.read(dir, Written.with(variant.get("fields"))),
                            variant.get("cases"))));
  }

  @Test
  void equalsTheReferenceForTheBundledModel() {
    check(Tokenizer.read(Demo.MODEL), Written.GOLDEN.get("tiny"));
  }

  private static void check(Tokenizer tokenizer, JsonNode cases) {
    assertTrue(cases.size() >= 20, "the golden has cases");
    for (JsonNode c : cases) {
      List<Integer> ids = ids(c.get("ids"));
      if (c.has("text")) {
        assertEquals(ids, tokenizer.encode(c.get("text").textValue()), c.get("text").toString());
      }
      assertEquals(c.get("all").textValue(), tokenizer.decode(ids, false), c.toString());
      assertEquals(c.get("text_only").textValue(), tokenizer.decode(ids, true), c.toString());
      assertEquals(c.get("text_only").textValue(), streamed(tokenizer, ids), c.toString());
    }
  }

  private static List<Integer> ids(JsonNode node) {
    var ids = new ArrayList<Integer>();
    node.forEach(id -> ids.add(id.intValue()));
    return ids;
  }

  /** The concatenation of what a decoding hands out, none of it half a character. */
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

  @Test
  void streamsACharacterWhenItsBytesAreComplete() {
    Tokenizer tokenizer = llama();
    Decoding decoding = tokenizer.decoding();
    assertEquals("ab", decoding.next(tokenizer.id("ab")));
    assertEquals("", decoding.next(tokenizer.id("<0xE2>")));
    assertEquals("", decoding.next(tokenizer.id("<0x82>")));
    assertEquals("", decoding.next(tokenizer.id("<0xAC>")));
    assertEquals("€ car", decoding.next(tokenizer.id("▁car")));
    assertEquals("", decoding.next(tokenizer.id("<0xF0>")));
    assertEquals("\uFFFD", decoding.finish());
    assertEquals("", decoding.finish());
  }

  @Test
  void aRunThatIsNotUtf8GivesOneReplacementForEachByte() {
    Tokenizer tokenizer = llama();
    var ids = List.of(tokenizer.id("<0xE2>"), tokenizer.id("<0x82>"), tokenizer.id("b"));
    assertEquals("\uFFFD\uFFFDb", tokenizer.decode(ids, true));
  }

  /** Where a pattern may go on in the next token, the stream waits for it. */
  @Test
  void holdsBackWhatALaterTokenMayChange() {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"},
                  {"type": "Replace", "pattern": {"String": "abc"}, "content": "x"},
                  {"type": "Strip", "content": "d", "start": 0, "stop": 2}]}}"""));
    Decoding decoding = tokenizer.decoding();
    assertEquals("", decoding.next(tokenizer.id("ab")));
    assertEquals("ab", decoding.next(tokenizer.id("ab")));
    assertEquals("x", decoding.next(tokenizer.id("c")));
    assertEquals("", decoding.next(tokenizer.id("d")));
    assertEquals("", decoding.next(tokenizer.id("d")));
    assertEquals("d", decoding.next(tokenizer.id("d")));
    assertEquals("", decoding.finish());
  }

  @Test
  void plainIdsHaveNoStartToken() {
    Tokenizer tokenizer = llama();
    List<Integer> plain = tokenizer.encodePlain("the car");
    assertEquals(List.of(tokenizer.id("▁the"), tokenizer.id("▁car")), plain);
    var whole = new ArrayList<>(List.of(tokenizer.id("<s>")));
    whole.addAll(plain);
    assertEquals(whole, tokenizer.encode("the car"));
  }

  @Test
  void answersQuestionsAboutTheVocabulary() {
    Tokenizer tokenizer = llama();
    int vocabulary = Written.base().get("model").get("vocab").size();
    assertEquals(vocabulary + 2, tokenizer.size());
    assertEquals(vocabulary, tokenizer.id("<image>"));
    assertNull(tokenizer.id("no such token"));
    assertTrue(tokenizer.isSpecial(vocabulary));
    assertTrue(tokenizer.isSpecial(1));
    assertFalse(tokenizer.isSpecial(tokenizer.id("ab")));
    assertFalse(tokenizer.isSpecial(-1));
  }

  @Test
  void idsWithoutATokenAreLeftOut() {
    Tokenizer tokenizer = llama();
    assertEquals(
        "ab",
        tokenizer.decode(List.of(-1, tokenizer.id("ab"), 1_000_000, Integer.MAX_VALUE), true));
  }

  /** The old field alone; the library itself reads no file with false. */
  @Test
  void theOldPrefixSpaceFieldSpeaksOnlyWhereTheSchemeIsMissing() {
    String old =
        """
        {"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
          "add_prefix_space": %s}}""";
    String both = old.replace("%s", "false, \"prepend_scheme\": \"always\"");
    Tokenizer tokenizer = Written.read(dir, Written.with(old.formatted("false")));
    assertEquals(tokenizer.id("t"), tokenizer.encodePlain("the").getFirst());
    tokenizer = Written.read(dir, Written.with(old.formatted("true")));
    assertEquals(List.of(tokenizer.id("▁the")), tokenizer.encodePlain("the"));
    tokenizer = Written.read(dir, Written.with(both));
    assertEquals(List.of(tokenizer.id("▁the")), tokenizer.encodePlain("the"));
  }

  @Test
  void specialTokensAreLeftOutByIdEvenWhenNormalised() {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"added_tokens": [{"id": 900, "content": "</end>", "normalized": true, "special": true}]}"""));
    assertEquals(900, tokenizer.encode("</end>").getLast());
    assertEquals("</end>", tokenizer.decode(List.of(900), false));
    assertEquals("", tokenizer.decode(List.of(900), true));
  }

  @Test
  void truncationAndPaddingAreTheCallersBusiness() {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}}"""));
    assertEquals(3, tokenizer.encode("the car").size());
  }

  @Test
  void halfACharacterIsRefused() {
    Tokenizer tokenizer = llama();
    for (String text : List.of("ab\uD83D", "ab\uDE00x", "ab\uDE00\uD83D")) {
      var e = assertThrows(InputException.class, () -> tokenizer.encode(text));
      assertTrue(e.getMessage().contains("at index 2"), e.getMessage());
    }
    assertNotNull(tokenizer.encode("ab\uD83D\uDE00"));
  }

  /** Quadratic merging would take hours; ten seconds are the requirement on any machine. */
  @Tag("slow")
  @Test
  void aMillionCharactersTakeSeconds() {
    Tokenizer tokenizer = llama();
    for (String unit :
        List.of("a", "the car is in the image ", "你好", " ", "\u0000", "<image", "ab\n")) {
      String text = unit.repeat(1_000_000 / unit.length());
      assertTimeoutPreemptively(
          Duration.ofSeconds(10),
          () -> assertEquals(text, tokenizer.decode(tokenizer.encode(text), true)));
    }
  }

  /** White space that a token takes along is not walked again for each of its own tokens. */
  @Tag("slow")
  @Test
  void aMillionSpacesBeforeStrippingTokensTakeSeconds() {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"added_tokens": [{"id": 900, "content": " ", "normalized": false, "lstrip": true, "rstrip": true}]}"""));
    assertTimeoutPreemptively(
        Duration.ofSeconds(10), () -> tokenizer.encode(" ".repeat(1_000_000)));
  }

  @Test
  void threadsShareOneTokenizer() {
    Tokenizer tokenizer = llama();
    String text = "the car 你好 abcabc ".repeat(50);
    List<Integer> alone = tokenizer.encode(text);
    IntStream.range(0, 64)
        .parallel()
        .forEach(
            i -> {
              assertEquals(alone, tokenizer.encode(text));
              assertEquals(text, tokenizer.decode(alone, true));
            });
  }

  @Test
  void halfACharacterIsRefusedWhereverItStands() {
    for (String text : new String[] {"\ud83d", "a\ud83d"}) {
      assertEquals(
          "the text holds half a character (a lone surrogate) at index " + (text.length() - 1),
          assertThrows(InputException.class, () -> llama().encode(text)).getMessage());
    }
  }
}
