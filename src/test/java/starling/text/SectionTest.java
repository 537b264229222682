package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.input.Limits;

/** Each reader of a place in tokenizer.json: what it takes at its borders, what it says beyond. */
class SectionTest {
  private static Section of(String json) {
    try {
      return new Section(Path.of("t.json"), "", new ObjectMapper().readTree(json));
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private static Section value(String value) {
    return of("{\"a\":" + value + "}").at("a");
  }

  private static String refusal(String value, Function<Section, Object> read) {
    Section section = value.isEmpty() ? of("{}").at("a") : value(value);
    return assertThrows(InputException.class, () -> read.apply(section)).getMessage();
  }

  @Test
  void aPlaceKnowsItsPath() {
    Section root = of("{\"a\":{\"b\":[{\"c\":1}]}}");
    assertEquals("t.json: is odd", root.wrong("is odd").getMessage());
    Section c = root.at("a").at("b").list().getFirst().at("c");
    assertEquals("a.b[0].c", c.name());
    assertEquals("t.json: a.b[0].c is odd", c.wrong("is odd").getMessage());
    assertFalse(c.absent());
    assertTrue(root.at("x").absent());
    assertTrue(value("null").absent());
  }

  @Test
  void aTextIsWhole() {
    assertEquals("x", value("\"x\"").text());
    assertEquals("x", value("{\"type\":\"x\"}").type());
    assertEquals("t.json: a is missing", refusal("", Section::text));
    assertEquals("t.json: a is missing", refusal("null", Section::text));
    assertEquals("t.json: a is 1, not a text", refusal("1", Section::text));
    assertEquals("t.json: a holds half a character", refusal("\"\\ud800x\"", Section::text));
    assertEquals("t.json: a holds half a character", refusal("\"x\\ud800\"", Section::text));
  }

  @Test
  void aTokenHasALimitAndACharacterIsOne() {
    String longest = "x".repeat(Limits.TOKEN);
    assertEquals(longest, value("\"" + longest + "\"").token());
    assertEquals(
        "t.json: a has %d characters; at most %d are read"
            .formatted(Limits.TOKEN + 1, Limits.TOKEN),
        refusal("\"x" + longest + "\"", Section::token));
    assertEquals("▁", value("\"▁\"").character());
    assertEquals("😀", value("\"😀\"").character());
    assertEquals("t.json: a is \"ab\", not one character", refusal("\"ab\"", Section::character));
    assertEquals("t.json: a is \"\", not one character", refusal("\"\"", Section::character));
  }

  @Test
  void aNumberIsWholeAndNotNegative() {
    assertEquals(0, value("0").number());
    assertEquals(7, value("7").number());
    assertEquals("t.json: a is missing", refusal("", Section::number));
    for (String wrong : List.of("-1", "1.5", "\"1\"", "9999999999")) {
      assertEquals(
          "t.json: a is " + wrong + ", not a whole number from 0", refusal(wrong, Section::number));
    }
  }

  @Test
  void aFlagHasADefault() {
    assertTrue(value("true").flag(false));
    assertFalse(value("false").flag(true));
    assertTrue(value("null").flag(true));
    assertFalse(of("{}").at("a").flag(false));
    assertEquals("t.json: a is 1, not true or false", refusal("1", s -> s.flag(true)));
  }

  @Test
  void aListKnowsItsPlaces() {
    assertEquals(
        List.of("a[0]", "a[1]"), value("[1,2]").list().stream().map(Section::name).toList());
    assertEquals(List.of(), value("[]").list());
    assertEquals("t.json: a is missing", refusal("", Section::list));
    assertEquals("t.json: a is not a list", refusal("{}", Section::list));
  }

  @Test
  void aReplaceLooksForALiteralText() {
    assertEquals("x", value("{\"pattern\":{\"String\":\"x\"}}").literal());
    assertEquals(
        "t.json: a.pattern.String is empty",
        refusal("{\"pattern\":{\"String\":\"\"}}", Section::literal));
    assertEquals(
        "t.json: a of type 'Replace' with a regular expression is not supported",
        refusal("{\"pattern\":{\"Regex\":\"x\"}}", Section::literal));
    assertEquals(
        "t.json: a of type 'b' is not supported",
        value("{\"type\":\"b\"}").unsupported().getMessage());
  }

  /** Lines of versions are no merges, but count. */
  @Test
  void mergesAreAsManyAsAVocabularyHas() {
    var json = new ObjectMapper().createObjectNode();
    json.putObject("vocab").put("a", 0);
    var merges = json.putArray("merges");
    for (int i = 0; i < Limits.VOCABULARY; i++) {
      merges.add("#version");
    }
    var model = new BpeModel(new Section(Path.of("t.json"), "model", json));
    model.read();
    merges.add("#version");
    assertEquals(
        "t.json: model.merges has %d entries; at most %d are read"
            .formatted(Limits.VOCABULARY + 1, Limits.VOCABULARY),
        assertThrows(InputException.class, model::read).getMessage());
  }

  private static BpeModel model(String json) {
    return new BpeModel(of("{\"model\":" + json + "}").at("model"));
  }

  @Test
  void theUnknownTokenHasItsOwnId() {
    var ids = new ArrayList<Integer>();
    model("{\"vocab\":{\"a\":0,\"?\":3},\"merges\":[],\"unk_token\":\"?\"}")
        .read()
        .encode("ax", ids);
    assertEquals(List.of(0, 3), ids);
  }

  @Test
  void aTokenOfTheVocabularyIsAsLongAsTheLimit() {
    String longest = "x".repeat(Limits.TOKEN);
    assertEquals(
        5, model("{\"vocab\":{\"" + longest + "\":5},\"merges\":[]}").vocabulary.get(longest));
    assertEquals(
        "t.json: model.vocab gives the id 5 to a token of %d characters; at most %d are read"
            .formatted(Limits.TOKEN + 1, Limits.TOKEN),
        assertThrows(
                InputException.class,
                () -> model("{\"vocab\":{\"x" + longest + "\":5},\"merges\":[]}"))
            .getMessage());
  }
}
