package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.input.Limits;

/** Each reader of a checkpoint's fields: absent, null, at both borders, and beyond them. */
class FieldsTest {
  private static Fields of(String json) {
    try {
      return new Fields(Path.of("f.json"), "p.", new ObjectMapper().readTree(json));
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private static Fields value(String value) {
    return of("{\"a\":" + value + "}");
  }

  private static String refusal(String value, Function<Fields, Object> read) {
    Fields fields = value(value);
    return assertThrows(InputException.class, () -> read.apply(fields)).getMessage();
  }

  @Test
  void absentAndNullAreTheDefault() {
    for (String json : List.of("{}", "{\"a\":null}")) {
      Fields fields = of(json);
      assertFalse(fields.has("a"));
      assertEquals(7, fields.integer("a", 7, 9));
      assertEquals(0.5, fields.number("a", 0.5));
      assertEquals(-0.5, fields.positive("a", -0.5));
      assertTrue(fields.flag("a", true));
      assertFalse(fields.flag("a", false));
      assertEquals("t", fields.text("a", "t"));
      assertEquals("t", fields.oneOf("a", "t", List.of("t", "u")));
      assertEquals(List.of(), fields.integers("a"));
      assertFalse(fields.object("a").has("b"));
      assertEquals("p.a.", fields.object("a").prefix());
    }
  }

  @Test
  void aWholeNumberLiesBetweenItsLeastAndTheLimit() {
    assertEquals(3, value("3").integer("a", 7, 3));
    assertEquals(Limits.SIZE, value("" + Limits.SIZE).integer("a", 7, 3));
    for (String outside : List.of("2", "" + (Limits.SIZE + 1L))) {
      assertEquals(
          "f.json: p.a is " + outside + "; it must be at least 3 and at most " + Limits.SIZE,
          refusal(outside, f -> f.integer("a", 7, 3)));
    }
    for (String other : List.of("3.5", "\"3\"", "9999999999", "true")) {
      assertEquals(
          "f.json: p.a is " + other + ", which is no whole number in range",
          refusal(other, f -> f.integer("a", 7, 3)));
    }
  }

  @Test
  void aNumberIsFiniteAndAPositiveOneAlsoAsAFloat() {
    assertEquals(1e-5, value("1e-5").number("a", 0));
    assertEquals(-2, value("-2").number("a", 0));
    assertEquals(
        "f.json: p.a is \"1\", which is not a number", refusal("\"1\"", f -> f.number("a", 0)));
    assertEquals(
        "f.json: p.a is Infinity, which is not a number", refusal("1e999", f -> f.number("a", 0)));
    assertEquals(1e-5, value("1e-5").positive("a", 1));
    assertEquals(1e-45, value("1e-45").positive("a", 1));
    assertEquals(3e38, value("3e38").positive("a", 1));
    for (String outside : List.of("0.0", "-1.0", "1.0E-46", "1.0E39")) {
      assertEquals(
          "f.json: p.a is " + outside + "; it must be above 0 and in the range of a float",
          refusal(outside, f -> f.positive("a", 1)));
    }
  }

  @Test
  void aFlagIsTrueOrFalseAndATextIsQuoted() {
    assertTrue(value("true").flag("a", false));
    assertFalse(value("false").flag("a", true));
    assertEquals(
        "f.json: p.a is 1; it must be true or false", refusal("1", f -> f.flag("a", true)));
    assertEquals("x", value("\"x\"").text("a", "t"));
    assertEquals("f.json: p.a is 1; it must be a text", refusal("1", f -> f.text("a", "t")));
    assertEquals("u", value("\"u\"").oneOf("a", "t", List.of("t", "u")));
    assertEquals(
        "f.json: p.a is 'x'; supported is t or u",
        refusal("\"x\"", f -> f.oneOf("a", "t", List.of("t", "u"))));
  }

  @Test
  void tokenIdsAreOneOrAList() {
    assertEquals(List.of(2), value("2").integers("a"));
    assertEquals(List.of(0, 5), value("[0,5]").integers("a"));
    for (String wrong : List.of("-1", "1.5", "\"2\"", "9999999999")) {
      assertEquals(
          "f.json: p.a holds " + wrong + ", which is no token id",
          refusal(wrong, f -> f.integers("a")));
    }
  }

  @Test
  void anObjectInsideKnowsItsPath() {
    Fields inner = value("{\"b\":1}").object("a");
    assertTrue(inner.has("b"));
    assertEquals("f.json: p.a.b is odd", inner.wrong("b", "is odd").getMessage());
    assertEquals("f.json: p.a is not an object", refusal("[1]", f -> f.object("a")));
  }

  @Test
  void aKeyThatNobodyKnowsIsNamedAndOneThatChangesTheResultIsRefused() {
    assertEquals(
        List.of("p.new"),
        KnownKeys.TOP.check(
            of("{\"model_type\":\"llava\",\"new\":1,\"use_cache\":true,\"sliding_window\":null}")));
    assertEquals(
        List.of("p.projector_hidden_act"),
        KnownKeys.TEXT.check(of("{\"projector_hidden_act\":\"gelu\"}")));
    String[][] neutral = {
      {"use_qk_norm", "false"},
      {"partial_rotary_factor", "1"},
      {"partial_rotary_factor", "1.0"},
      {"logit_scale", "null"},
      {"layer_types", "[]"},
      {"pruned_heads", "{}"},
    };
    for (String[] pair : neutral) {
      assertEquals(
          List.of(), KnownKeys.TEXT.check(of("{\"" + pair[0] + "\":" + pair[1] + "}")), pair[0]);
    }
    String[][] refused = {
      {"use_qk_norm", "true", "is true, which is not supported"},
      {"partial_rotary_factor", "0.5", "is 0.5, which is not supported"},
      {"clip_qkv", "8", "is 8, which is not supported"},
      {"layer_types", "[\"a\"]", "is [\"a\"], which is not supported"},
      {"quantization_config", "{\"quant_method\":\"awq\"}", "(awq) is not supported"},
    };
    for (String[] c : refused) {
      Fields fields = of("{\"" + c[0] + "\":" + c[1] + "}");
      assertEquals(
          "f.json: p." + c[0] + " " + c[2],
          assertThrows(InputException.class, () -> KnownKeys.TEXT.check(fields)).getMessage());
    }
  }
}
