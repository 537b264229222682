package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Marks that normalizers change, or that reach into what somebody said. */
class MarkedTextTest {
  private static final int END = 900;

  @TempDir Path dir;

  /** The base tokenizer, with or without its normalizer, and one special token. */
  private Tokenizer with(String content, boolean normalized, String normalizer) {
    ObjectNode file = Written.with("{\"normalizer\": " + normalizer + "}");
    ArrayNode tokens = file.putArray("added_tokens");
    tokens.addObject().put("id", END).put("content", content).put("special", true);
    ((ObjectNode) tokens.get(0)).put("normalized", normalized);
    return Written.read(dir, file);
  }

  private static long ends(Tokenizer tokenizer, MarkedText text) {
    return Collections.frequency(tokenizer.encodePlain(text), END);
  }

  private static MarkedText said(String words) {
    return new MarkedText().said(words);
  }

  /** The normalizer writes a visible space before the token and for every space of the text. */
  @Test
  void aNormalisedMarkIsReadWhereATemplateHasWrittenIt() {
    String normalizer = Written.base().get("normalizer").toString();
    Tokenizer tokenizer = with("</e>", true, normalizer);
    assertEquals(1, ends(tokenizer, MarkedText.of("a </e>b")));
    assertEquals(1, ends(tokenizer, said("a").written(" </e>b")));
    assertEquals(1, ends(tokenizer, said("a ").written("</e>").said("b")));
    assertEquals(1, ends(tokenizer, said("a\u2581").written("</e>").said("b")));
    assertEquals(0, ends(tokenizer, said("a").written("</e>")), "it needs its space");
    assertEquals(0, ends(tokenizer, said("a </e>b </e>")));
    assertEquals(0, ends(tokenizer, said("</e>")), "at the very beginning");
    assertEquals(0, ends(tokenizer, said("a").written(" </").said("e>")));
    assertEquals(1, ends(tokenizer, said("a </e>").written(" </e>").said(" </e>")));
  }

  /** White space that a mark takes along may be anybody's; a mark of nothing else may not. */
  @Test
  void aMarkTakesSpaceAlongAndNothingElse() {
    for (String space : List.of(" ", "\n", "\u00a0")) {
      Tokenizer tokenizer = with(space + "</e>", false, "null");
      assertEquals(1, ends(tokenizer, said("a" + space).written("</e>")));
      assertEquals(0, ends(tokenizer, said("a" + space + "</e>")));
    }
    assertEquals(0, ends(with("  ", false, "null"), said("a  b")));
    assertEquals(1, ends(with("  ", false, "null"), said("a ").written(" b")));
    assertEquals(0, ends(with("a</e>", false, "null"), said("a").written("</e>")));
    assertEquals(0, ends(with("</e>a", false, "null"), MarkedText.of("</e>").said("a")));
  }

  /** Which characters somebody said, as x. */
  private static String shape(MarkedText text) {
    return IntStream.range(0, text.length())
        .mapToObj(i -> text.isWritten(i) ? "." : "x")
        .collect(Collectors.joining());
  }

  @Test
  void stepsOfANormalizerKeepWhoSaidWhat() {
    MarkedText text = MarkedText.of("ab").said("e\u0301e\u0301ab").written("e\u0301b");
    assertEquals("..xxxxxx...", shape(text));
    assertEquals("ab\u00e9\u00e9ab\u00e9b", text.composed().toString());
    assertEquals("..xxxx..", shape(text.composed()));
    assertEquals("", MarkedText.of("").composed().toString());
    MarkedText longer = text.replaced("ab", "<ab>").replaced("e\u0301", "");
    assertEquals("<ab><ab>b", longer.toString());
    assertEquals("....xxxx.", shape(longer));
    MarkedText met = MarkedText.of("a").said("b").written("a").replaced("ab", "--");
    assertEquals("--a", met.toString());
    assertEquals("xx.", shape(met), "said, where a part of it was");
    assertEquals("..xx", shape(said("ab").behind("<>")));
    assertEquals("x.", shape(MarkedText.of("a").said("bc").written("d").part(2, 4)));
  }

  @Test
  void aTextIsSplitAtMarksThatAreWritten() {
    MarkedText text = said("<i>a<i").written("<i>").written("b<i><i>").said("<i>");
    List<MarkedText> parts = text.split("<i>");
    assertEquals("[<i>a<i, b, , <i>]", parts.toString());
    assertEquals(
        "[xxxxxx, ., , xxx]", Arrays.toString(parts.stream().map(MarkedTextTest::shape).toArray()));
    assertTrue(MarkedText.of("\u2581").isSpace(0));
    assertFalse(MarkedText.of("_").isSpace(0));
  }
}
