package starling.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** The grammar of a spec: each reader at the borders of what it takes, each refusal whole. */
class SpecTest {
  private enum Colour {
    RED,
    DARK_BLUE
  }

  private static Spec with(String options) {
    return Spec.parse("m:" + options);
  }

  private static String refusal(String options, Consumer<Spec> read) {
    Spec spec = with(options);
    return assertThrows(InputException.class, () -> read.accept(spec)).getMessage();
  }

  @Test
  void aNameStandsBeforeTheFirstColon() {
    assertEquals("plain", Spec.parse("plain").name());
    assertEquals("", Spec.parse(":a=1").name());
    assertEquals("1", Spec.parse(":a=1").text("a", "none"));
    assertEquals("b:c", Spec.parse("m:a=b:c").text("a", "none"));
  }

  @ParameterizedTest
  @CsvSource({"''", "a", "=1", "'a=1,'", "',a=1'"})
  void whatIsNotKeyAndValueIsRefused(String options) {
    String wrong = options.startsWith("a=1") || options.startsWith(",") ? "" : options;
    assertEquals(
        "pruning spec 'm:" + options + "': '" + wrong + "' is not key=value",
        assertThrows(InputException.class, () -> with(options)).getMessage());
  }

  @Test
  void aKeyIsGivenOnce() {
    assertEquals(
        "pruning spec 'm:a=1,a=2': 'a' is given twice",
        assertThrows(InputException.class, () -> with("a=1,a=2")).getMessage());
    assertEquals("1=2", with("a=1=2").text("a", ""), "a value may hold an equals sign");
    assertEquals("", with("a=").text("a", "none"));
  }

  @Test
  void anOptionThatIsNotThereHasItsDefault() {
    Spec spec = Spec.parse("m");
    assertEquals("t", spec.text("a", "t"));
    assertEquals(0.25, spec.share("a", 0.25));
    assertEquals(0.75, spec.fraction("a", 0.75));
    assertEquals(7, spec.integer("a", 7));
    assertEquals(0, spec.seed("a"));
    assertEquals(Colour.DARK_BLUE, spec.choice("a", Colour.DARK_BLUE));
  }

  @Test
  void anOptionThatIsThereIsRead() {
    assertEquals("x", with("a=x").text("a", "t"));
    assertEquals(0.5, with("a=0.5").share("a", 0.25));
    assertEquals(0.5, with("a=5e-1").share("a", 0.25));
    assertEquals(0.5, with("a=.5").fraction("a", 0.25));
    assertEquals(3, with("a=3").integer("a", 7));
    assertEquals(-3, with("a=-3").seed("a"));
    assertEquals(Colour.DARK_BLUE, with("a=dark_blue").choice("a", Colour.RED));
  }

  @Test
  void aShareIsBelowOneAndAFractionAtMostOne() {
    assertEquals(0, with("a=0").share("a", 0.5));
    assertEquals(0.999, with("a=0.999").share("a", 0.5));
    assertEquals(
        "pruning spec 'm:a=1': a=1 must be at least 0 and below 1",
        refusal("a=1", spec -> spec.share("a", 0.5)));
    assertEquals(0, with("a=0").fraction("a", 0.5));
    assertEquals(1, with("a=1").fraction("a", 0.5));
    assertEquals(
        "pruning spec 'm:a=1.01': a=1.01 must be between 0 and 1",
        refusal("a=1.01", spec -> spec.fraction("a", 0.5)));
    assertEquals(
        "pruning spec 'm:a=-1': a=-1 is not a number", refusal("a=-1", s -> s.share("a", 0)));
  }

  @Test
  void aWholeNumberIsAtLeastOne() {
    assertEquals(1, with("a=1").integer("a", 7));
    assertEquals(999_999_999, with("a=999999999").integer("a", 7));
    for (String value : List.of("0", "1000000000", "-1", "1.0", "")) {
      assertEquals(
          "pruning spec 'm:a=" + value + "': a=" + value + " must be a whole number of at least 1",
          refusal("a=" + value, spec -> spec.integer("a", 7)));
    }
  }

  @Test
  void aSeedHasAtMost18Digits() {
    assertEquals(999_999_999_999_999_999L, with("a=999999999999999999").seed("a"));
    assertEquals(
        "pruning spec 'm:a=1e3': a=1e3 must be a whole number",
        refusal("a=1e3", spec -> spec.seed("a")));
    assertEquals(
        "pruning spec 'm:a=1000000000000000000': a=1000000000000000000 must be a whole number",
        refusal("a=1000000000000000000", spec -> spec.seed("a")));
  }

  @Test
  void aChoiceNamesWhatThereIsToChoose() {
    assertEquals(
        "pruning spec 'm:a=blue': a=blue must be one of dark_blue, red",
        refusal("a=blue", spec -> spec.choice("a", Colour.RED)));
  }

  @Test
  void keepIsACountOrAShare() {
    assertEquals(new Spec.Keep("m", 64, 0), with("keep=64").keep());
    assertEquals(new Spec.Keep("m", 0, 0.25), with("keep=0.25").keep());
    assertEquals(new Spec.Keep("m", 0, 1), with("keep=1.0").keep());
    assertEquals("64", with("keep=64").keep().toString());
    assertEquals("0.25", with("keep=0.25").keep().toString());
    assertEquals(
        "pruning spec 'm': keep is missing: a count (keep=64) or a fraction (keep=0.25)",
        assertThrows(InputException.class, () -> Spec.parse("m").keep()).getMessage());
    for (String value : List.of("0.0", "1.5")) {
      assertEquals(
          "pruning spec 'm:keep=" + value + "': keep=" + value + " must be above 0 and at most 1.0",
          refusal("keep=" + value, Spec::keep));
    }
    assertEquals(
        "pruning spec 'm:keep=0': keep=0 must be a whole number of at least 1",
        refusal("keep=0", Spec::keep));
  }

  @Test
  void anOptionNobodyReadIsRefusedWithThoseThatWere() {
    Spec none = with("a=1");
    assertEquals(
        "pruning spec 'm:a=1': unknown option 'a'; m takes none",
        assertThrows(InputException.class, none::finish).getMessage());
    Spec some = with("a=1,b=2");
    some.text("b", "");
    some.integer("c", 3);
    assertEquals(
        "pruning spec 'm:a=1,b=2': unknown option 'a'; m knows b, c",
        assertThrows(InputException.class, some::finish).getMessage());
    some.text("a", "");
    some.finish();
  }

  @Test
  void numbersAreWrittenAsAPersonWritesThem() {
    assertEquals("0", Spec.number(0));
    assertEquals("3", Spec.number(3));
    assertEquals("0.5", Spec.number(0.5));
  }

  @Test
  void aCutBehindTheLastLayerIsRefusedWithTheNumberOfLayers() {
    VlmShape shape = new VlmShape(List.of(ImageTokens.grid(1, 4, 0, false)), Budget.IMAGE, 2, 8, 0);
    Spec.checkLayer("m", 1, shape);
    Spec.checkLayer("m", 7, shape);
    for (int layer : new int[] {0, 8}) {
      assertEquals(
          "m: K=" + layer + " must be at least 1 and below the model's 8 decoder layers",
          assertThrows(InputException.class, () -> Spec.checkLayer("m", layer, shape))
              .getMessage());
    }
    assertEquals(
        "m: the prompt has no text after its last image, and the method ranks visual tokens by it",
        assertThrows(InputException.class, () -> Spec.checkText("m", shape)).getMessage());
  }
}
