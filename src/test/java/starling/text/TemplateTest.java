package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.text.Template.LLAVA_HF;
import static starling.text.Template.VICUNA_V1;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.input.InputException;

class TemplateTest {
  private static final String SYSTEM =
      "A chat between a curious user and an artificial intelligence assistant. "
          + "The assistant gives helpful, detailed, and polite answers to the user's questions. ";

  @TempDir Path dir;

  private Tokenizer tokenizer() {
    return Written.read(dir, Written.base());
  }

  private static List<Integer> ids(Template template, Tokenizer tokenizer, String prompt, int n) {
    return Arrays.stream(template.ids(tokenizer, prompt, n, tokenizer.id("<image>")))
        .boxed()
        .toList();
  }

  @Test
  void labelsAreThoseOfTheCommandLine() {
    assertEquals("llava-hf", LLAVA_HF.label());
    assertEquals("vicuna_v1", VICUNA_V1.label());
  }

  @Test
  void wrapsAQuestion() {
    assertEquals("USER: What? ASSISTANT:", LLAVA_HF.text("What?", 0));
    assertEquals("USER: <image>\nWhat? ASSISTANT:", LLAVA_HF.text("What?", 1));
    assertEquals("USER: <image>\n<image>\nWhat? ASSISTANT:", LLAVA_HF.text("What?", 2));
    assertEquals(SYSTEM + "USER: What? ASSISTANT:", VICUNA_V1.text("What?", 0));
    assertEquals(SYSTEM + "USER: <image>\nWhat? ASSISTANT:", VICUNA_V1.text("What?", 1));
  }

  @Test
  void imagesStandWhereThePromptHasThem() {
    for (String prompt :
        List.of("the <image> car<image>", "<image>\nthe<image>\ncar", "<image><image>")) {
      assertEquals("USER: " + prompt + " ASSISTANT:", LLAVA_HF.text(prompt, 2));
      assertEquals(SYSTEM + "USER: " + prompt + " ASSISTANT:", VICUNA_V1.text(prompt, 2));
    }
    assertEquals(LLAVA_HF.text("What?", 2), LLAVA_HF.text("<image>\n<image>\nWhat?", 2));
  }

  @Test
  void aBarePromptIsTheWholeText() {
    Tokenizer tokenizer = tokenizer();
    int image = tokenizer.id("<image>");
    for (String prompt : List.of("the <image> car<image>", "<image><image>\nthe")) {
      assertEquals(
          tokenizer.encode(prompt),
          Arrays.stream(LLAVA_HF.bare(tokenizer, Conversation.of(prompt), new int[2], image))
              .boxed()
              .toList());
    }
    for (int images : new int[] {0, 1, 3}) {
      var e =
          assertThrows(
              InputException.class,
              () ->
                  LLAVA_HF.bare(
                      tokenizer, Conversation.of("<image>the<image>"), new int[images], image));
      assertTrue(e.getMessage().contains("2 <image> for " + images + " image"), e.getMessage());
    }
  }

  @Test
  void llavaHfIsTheTokenizersReadingOfTheWholeText() {
    Tokenizer tokenizer = tokenizer();
    assertEquals(
        tokenizer.encode("USER: <image>\nthe car ASSISTANT:"),
        ids(LLAVA_HF, tokenizer, "the car", 1));
  }

  /** The pieces are whole texts of their own: each gets its prefix space, none a start token. */
  @Test
  void vicunaTokenisesThePiecesApart() {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}}"""));
    int image = tokenizer.id("<image>");
    int car = tokenizer.id("▁car");
    var expected = new ArrayList<>(List.of(1));
    expected.addAll(tokenizer.encodePlain(SYSTEM + "USER: the"));
    expected.addAll(List.of(image, car, image));
    expected.addAll(tokenizer.encodePlain("tr ASSISTANT:"));
    assertEquals(expected, ids(VICUNA_V1, tokenizer, "the<image>car<image>tr", 2));
    var whole = ids(LLAVA_HF, tokenizer, "<image>car<image>tr", 2);
    int at = whole.indexOf(image);
    assertEquals(
        List.of(image, tokenizer.id("c"), tokenizer.id("ar"), image), whole.subList(at, at + 4));
  }

  @Test
  void vicunaNeedsNoPlaceholderInTheTokenizer() {
    Tokenizer tokenizer = Written.read(dir, Written.with("{\"added_tokens\": []}"));
    int[] ids = VICUNA_V1.ids(tokenizer, "<image>the", 1, 32000);
    var expected = new ArrayList<>(List.of(1));
    expected.addAll(tokenizer.encodePlain(SYSTEM + "USER: "));
    expected.add(32000);
    expected.addAll(tokenizer.encodePlain("the ASSISTANT:"));
    assertEquals(expected, Arrays.stream(ids).boxed().toList());
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "CHATML") // its placeholder is another
  void theStartTokenStandsOnceAndTheEndTokenOnce(Template template) {
    Tokenizer tokenizer =
        Written.read(
            dir,
            Written.with(
                """
                {"post_processor": {"type": "TemplateProcessing",
                  "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
                  "special_tokens": {"<s>": {"ids": [1]}, "</s>": {"ids": [2]}}}}"""));
    var ids = new ArrayList<>(ids(template, tokenizer, "the <image>car<image> the", 2));
    assertEquals(1, ids.removeFirst());
    assertEquals(2, ids.removeLast());
    assertTrue(ids.stream().noneMatch(id -> id == 1 || id == 2), ids.toString());
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "CHATML") // its placeholder is another
  void anyOtherNumberOfPlaceholdersIsRefused(Template template) {
    Tokenizer tokenizer = tokenizer();
    String expanded = "<image>".repeat(576) + "\nWhat?";
    var e = assertThrows(InputException.class, () -> ids(template, tokenizer, expanded, 1));
    assertTrue(e.getMessage().contains("576 <image> for 1 image"), e.getMessage());
    assertTrue(e.getMessage().contains("must not be repeated"), e.getMessage());
    assertThrows(InputException.class, () -> ids(template, tokenizer, "<image>", 0));
    assertThrows(InputException.class, () -> ids(template, tokenizer, "<image> and", 2));
  }

  @Test
  void aTokenizerThatKnowsNoPlaceholderIsRefused() {
    Tokenizer tokenizer = Written.read(dir, Written.with("{\"added_tokens\": []}"));
    var e = assertThrows(InputException.class, () -> LLAVA_HF.ids(tokenizer, "What?", 1, 32000));
    assertTrue(e.getMessage().contains("32000"), e.getMessage());
    assertTrue(e.getMessage().contains("id null for <image>"), e.getMessage());
  }

  @Test
  void anImageTokenInThePromptUnderAnotherNameIsRefused() {
    Tokenizer tokenizer = tokenizer();
    int ab = tokenizer.id("ab");
    assertThrows(InputException.class, () -> VICUNA_V1.ids(tokenizer, "ab<image>ab", 1, ab));
  }
}
