package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.input.Limits;

/** The small steps of the tokenizer one by one, each at its borders. */
class TextStepsTest {
  private static final Section PLACE =
      new Section(Path.of("t.json"), "decoder", MissingNode.getInstance());

  // ---- characters ----

  @Test
  void spacesAreUnicodesAndNoOther() {
    for (int c : new int[] {'\t', '\n', 0xb, '\f', '\r', ' ', 0x85, 0xa0, 0x2028, 0x3000}) {
      assertTrue(Unicode.isSpace(c), Integer.toHexString(c));
    }
    for (int c : new int[] {8, 0xe, 0x84, 0x86, 'a', 0x200b}) {
      assertFalse(Unicode.isSpace(c), Integer.toHexString(c));
    }
  }

  @Test
  void wordsAreLettersMarksDigitsConnectorsAndJoiners() {
    for (int c : new int[] {'a', 'é', '中', '1', '_', 0x301, 0x20dd, 0x93f, 0x200c, 0x200d}) {
      assertTrue(Unicode.isWord(c), Integer.toHexString(c));
    }
    for (int c : new int[] {'-', ' ', 0x200b, 0x200e, 0xbd, '$'}) {
      assertFalse(Unicode.isWord(c), Integer.toHexString(c));
    }
  }

  @Test
  void halfACharacterIsFoundWhereItStands() {
    assertEquals(-1, Unicode.loneSurrogate(""));
    assertEquals(-1, Unicode.loneSurrogate("a😀b😀"));
    assertEquals(0, Unicode.loneSurrogate("\ud83d"));
    assertEquals(0, Unicode.loneSurrogate("\ude00a"));
    assertEquals(1, Unicode.loneSurrogate("a\ude00"));
    assertEquals(2, Unicode.loneSurrogate("😀\ud83d"));
    assertEquals(3, Unicode.loneSurrogate("a😀\ud83dx"));
  }

  // ---- growth ----

  @Test
  void aTextGrowsToItsLimitAndNotBeyond() {
    var growth = new Growth(PLACE);
    long most = 10L * Limits.GROWTH + Limits.FREE_GROWTH;
    growth.check(10, most);
    assertEquals(
        "t.json: decoder makes more than " + most + " characters of 10",
        assertThrows(InputException.class, () -> growth.check(10, most + 1)).getMessage());
    growth.checkSteps(Limits.STEPS);
    assertEquals(
        "t.json: decoder has more than " + Limits.STEPS + " steps",
        assertThrows(InputException.class, () -> growth.checkSteps(Limits.STEPS + 1)).getMessage());
  }

  /** Five letters and their replacements, counted before they are made. */
  @Test
  void aReplacementIsCountedBeforeItIsMade() {
    var growth = new Growth(PLACE);
    assertEquals("xbxbx", growth.replace("ababa", "a", "x"));
    assertEquals("bb", growth.replace("aabb", "aa", ""));
    int most = 5 * Limits.GROWTH + Limits.FREE_GROWTH;
    String fits = "y".repeat((most - 2) / 3);
    assertEquals(2 + 3 * fits.length(), growth.replace("ababa", "a", fits).length());
    assertThrows(InputException.class, () -> growth.replace("ababa", "a", fits + "y".repeat(3)));
  }

  // ---- merges ----

  private static final Map<String, Integer> VOCABULARY = new HashMap<>();

  static {
    for (String token : "a b c ab bc abc abab <0xC3> <0xA9> ?".split(" ", -1)) {
      VOCABULARY.put(token, VOCABULARY.size());
    }
  }

  private static String words(String word, boolean whole, boolean fuse, String unknown) {
    var merges = new HashMap<Long, Bpe.Merge>();
    merge(merges, 2, "a", "b");
    merge(merges, 1, "b", "c");
    merge(merges, 3, "ab", "ab");
    merge(merges, 4, "a", "bc");
    int[] bytes = new int[256];
    Arrays.fill(bytes, -1);
    bytes[0xc3] = VOCABULARY.get("<0xC3>");
    bytes[0xa9] = VOCABULARY.get("<0xA9>");
    var out = new ArrayList<Integer>();
    new Bpe(VOCABULARY, merges, whole, fuse, VOCABULARY.getOrDefault(unknown, -1), bytes)
        .encode(word, out);
    var names = new HashMap<Integer, String>();
    VOCABULARY.forEach((token, id) -> names.put(id, token));
    return String.join(" ", out.stream().map(names::get).toList());
  }

  private static void merge(Map<Long, Bpe.Merge> merges, int rank, String left, String right) {
    merges.put(
        Bpe.pair(VOCABULARY.get(left), VOCABULARY.get(right)),
        new Bpe.Merge(rank, VOCABULARY.get(left + right)));
  }

  @Test
  void thePairOfLowestRankIsMergedFirstAndTheLeftmostOfEquals() {
    assertEquals("", words("", false, false, "?"));
    assertEquals("a", words("a", false, false, "?"));
    assertEquals("ab", words("ab", false, false, "?"));
    assertEquals("abc", words("abc", false, false, "?"), "bc before ab, then a with bc");
    assertEquals("abab", words("abab", false, false, "?"));
    assertEquals("abab ab", words("ababab", false, false, "?"), "the leftmost of equals");
    assertEquals("abab abab c", words("ababababc".substring(0, 8), false, false, "?") + " c");
    assertEquals("ab abc", words("ababc", false, false, "?"));
    assertEquals("c c b a", words("ccba", false, false, "?"));
  }

  @Test
  void aWordThatIsATokenIsTakenWholeIfTheFileSaysSo() {
    assertEquals("<0xC3>", words("<0xC3>", true, false, "none"));
    assertEquals("c", words("<0xc>", false, false, "none"));
  }

  @Test
  void whatIsNotInTheVocabularyBecomesBytesOrUnknown() {
    assertEquals("a <0xC3> <0xA9> b", words("aéb", false, false, "?"));
    assertEquals("a ? ? b", words("axyb", false, false, "?"));
    assertEquals("a ? b", words("axyb", false, true, "?"));
    assertEquals("ab", words("axyb", false, false, "none"), "nothing is left of them");
    assertEquals("? ?", words("xy", false, false, "?"));
    assertEquals("?", words("xy", false, true, "?"));
    assertEquals("? a", words("😀a", false, false, "?"));
    assertEquals("? ã".replace("ã", "a"), words("Ãa", false, false, "?"), "half its bytes");
  }

  // ---- added tokens ----

  private static AddedToken token(int id, String text, String flags) {
    return new AddedToken(
        id,
        text,
        flags.contains("w"),
        flags.contains("l"),
        flags.contains("r"),
        flags.contains("n"),
        false);
  }

  private static String split(String text, AddedToken... tokens) {
    var normalizer = new Normalizer(List.of(t -> t.replaced("_", " ")), new Growth(PLACE));
    var pieces = new AddedTokens(PLACE, List.of(tokens), normalizer).split(MarkedText.of(text));
    return String.join(
        "|",
        pieces.stream()
            .map(p -> p.id() >= 0 ? "" + p.id() : (p.first() ? "^" : "") + p.text())
            .toList());
  }

  @Test
  void theLongestAddedTokenIsCutOutAndOnlyTheVeryFirstTextIsFirst() {
    AddedToken t = token(1, "<t>", "");
    AddedToken longer = token(2, "<t>>", "");
    assertEquals("", split("", t));
    assertEquals("^a", split("a", t));
    assertEquals("^a|1|b", split("a<t>b", t, longer));
    assertEquals("2|b", split("<t>>b", t, longer));
    assertEquals("1|1", split("<t><t>", t));
    assertEquals("^<t|1", split("<t<t>", t));
    assertEquals("1|<", split("<t><", t));
  }

  @Test
  void whiteSpaceGoesAlongOnTheSidesThatAreNamed() {
    assertEquals("^a  |1|  b", split("a  <t>  b", token(1, "<t>", "")));
    assertEquals("^a|1|  b", split("a  <t>  b", token(1, "<t>", "l")));
    assertEquals("^a  |1|b", split("a  <t>  b", token(1, "<t>", "r")));
    assertEquals("1", split("  <t>  ", token(1, "<t>", "lr")));
    assertEquals("1|1", split("<t>  <t>", token(1, "<t>", "lr")));
  }

  @Test
  void aSingleWordTouchesNoOther() {
    AddedToken word = token(1, "in", "w");
    assertEquals("1", split("in", word));
    assertEquals("^a |1| b", split("a in b", word));
    assertEquals("^pin", split("pin", word));
    assertEquals("^inn", split("inn", word));
    assertEquals("^-|1|-", split("-in-", word));
  }

  @Test
  void aNormalisedTokenIsFoundInTheNormalisedRest() {
    assertEquals("^a|1|b", split("a_x_b", token(1, " x ", "n")));
    assertEquals("^a x b", split("a_x_b", token(1, " x ", "")));
    assertEquals("1|2| ", split("<t>_x_", token(1, "<t>", ""), token(2, "_x", "n")));
  }

  @Test
  void twoTokensDoNotReadAlike() {
    AddedToken[] twice = {token(1, "_", "n"), token(2, " ", "n")};
    assertEquals(
        "t.json: decoder holds ' ', which reads like another one",
        assertThrows(InputException.class, () -> split("", twice)).getMessage());
    var trie = new TokenTrie();
    assertNull(trie.longest(MarkedText.of("abc"), 0));
    assertTrue(trie.add(new TokenTrie.Pattern("b", twice[0])));
    assertFalse(trie.add(new TokenTrie.Pattern("b", twice[1])));
    assertNull(trie.longest(MarkedText.of("abc"), 0));
    assertEquals("b", trie.longest(MarkedText.of("abc"), 1).text());
  }

  // ---- decoding ----

  private static String passed(DecodingStep step, String... pieces) {
    var out = new StringBuilder();
    for (String piece : pieces) {
      step.take(piece, text -> out.append(text).append('|'));
    }
    step.end(text -> out.append(text).append('|'));
    return out.toString();
  }

  @Test
  void byteTokensAreDecodedTogether() {
    assertEquals("a|é|b|", passed(new DecodingSteps.ByteRuns(), "a", "<0xC3>", "<0xa9>", "b"));
    assertEquals("\ufffd\ufffd|", passed(new DecodingSteps.ByteRuns(), "<0xC3>", "<0xC3>"));
    for (String no : List.of("<0xC>", "<0xC33>", "<0xG0>", "<0x0G>", "x0x00>", "<0x00x")) {
      assertEquals(no + "|", passed(new DecodingSteps.ByteRuns(), no));
    }
    assertEquals(
        "\u0000|", passed(new DecodingSteps.ByteRuns(), "<0x00>"), StandardCharsets.UTF_8.name());
  }

  @Test
  void aPatternInPiecesIsReplaced() {
    var growth = new Growth(PLACE);
    assertEquals("|x||", passed(new DecodingSteps.Replace("ab", "x", growth), "a", "b"));
    assertEquals("|ac||", passed(new DecodingSteps.Replace("ab", "x", growth), "a", "c"));
    assertEquals("|a|", passed(new DecodingSteps.Replace("ab", "x", growth), "a"));
    assertEquals("xx||", passed(new DecodingSteps.Replace("ab", "x", growth), "abab"));
    assertEquals("|a|x||", passed(new DecodingSteps.Replace("aab", "x", growth), "aa", "a", "b"));
    assertEquals(
        "cx|b|c||".replace("b|c", "bc"),
        passed(new DecodingSteps.Replace("aa", "x", growth), "caa", "bc"));
  }

  @Test
  void endsAreStrippedUpToTheirNumber() {
    assertEquals("a|", passed(new DecodingSteps.Strip(" ", 1, 0), " a"));
    assertEquals(" a|", passed(new DecodingSteps.Strip(" ", 1, 0), "  a"));
    assertEquals("||a|", passed(new DecodingSteps.Strip(" ", 2, 0), " ", " ", "a"));
    assertEquals("a| b|", passed(new DecodingSteps.Strip(" ", 2, 0), " a", " b"));
    assertEquals("a|", passed(new DecodingSteps.Strip(" ", 0, 1), "a "));
    assertEquals("a |", passed(new DecodingSteps.Strip(" ", 0, 1), "a  "));
    assertEquals("a| b|", passed(new DecodingSteps.Strip(" ", 0, 1), "a ", "b"));
    assertEquals("a|b|", passed(new DecodingSteps.EachStripped(" ", 1, 1), " a ", " b"));
  }

  @Test
  void spacesComeBackBetweenTokens() {
    assertEquals("a| b| c|", passed(new DecodingSteps.SpaceBetween(), "a", "b", "c"));
    assertEquals("a| b|", passed(new DecodingSteps.Spaces("_", ""), "_a", "_b"));
    assertEquals(" a| b|", passed(new DecodingSteps.Spaces("_", " "), "_a", "_b"));
  }

  @Test
  void wordsBeginWithTheVisibleSpace() {
    var always = new Metaspace("_", Metaspace.Scheme.ALWAYS, true);
    assertEquals(List.of("_a", "_b"), always.words("a b", false));
    assertEquals(List.of("_a", "_", "_b"), always.words(" a  b", true));
    var first = new Metaspace("_", Metaspace.Scheme.FIRST, true);
    assertEquals(List.of("_a"), first.words("a", true));
    assertEquals(List.of("a"), first.words("a", false));
    var never = new Metaspace("_", Metaspace.Scheme.NEVER, false);
    assertEquals(List.of("a_b"), never.words("a b", true));
  }

  /** Also where the text comes in pieces: what one piece grows to is counted while it grows. */
  @Test
  void aDecodersReplacementIsCountedWhileItIsMade() {
    String content = "x".repeat(Limits.FREE_GROWTH / 2);
    var replace = new DecodingSteps.Replace("a", content, new Growth(PLACE));
    var out = new StringBuilder();
    replace.take("a", out::append);
    assertEquals(content, out.toString());
    assertThrows(InputException.class, () -> replace.take("a".repeat(200), out::append));
  }

  @Test
  void anAddedTokenIsLookedForInTheNormalisedTextUnlessItIsSpecial() {
    for (boolean special : new boolean[] {true, false}) {
      var json = JsonNodeFactory.instance.objectNode();
      json.put("id", 1).put("content", "<a>").put("special", special);
      var token = AddedToken.read(new Section(Path.of("t.json"), "added_tokens[0]", json));
      assertEquals(!special, token.normalized());
      assertEquals(special, token.special());
    }
  }
}
