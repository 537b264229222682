package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.text.Template.CHATML;
import static starling.text.Template.LLAVA_HF;
import static starling.text.Template.MISTRAL;
import static starling.text.Template.NEXT_VICUNA;
import static starling.text.Template.RAW;
import static starling.text.Template.VICUNA_V1;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.input.InputException;

/** Templates of every family around a system text, earlier turns, and repeated placeholders. */
class ConversationTest {
  private static final String CHAT =
      "A chat between a curious %1$s and an artificial intelligence assistant. "
          + "The assistant gives helpful, detailed, and polite answers to the %1$s's questions. ";
  private static final String PICTURE = "<|vision_start|><|image_pad|><|vision_end|>";
  private static final String HELPFUL =
      "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n";

  @TempDir Path dir;

  private static String text(Template template, Conversation said, int... rows) {
    return template.text(said, rows);
  }

  private static Conversation turns(String system, String first, String question) {
    return new Conversation(system, List.of(new Conversation.Turn(first, "Red.")), question);
  }

  @Test
  void everyFamilyHasItsQuestion() {
    assertEquals(
        CHAT.formatted("human") + "USER: <image>\nWhat? ASSISTANT:", NEXT_VICUNA.text("What?", 1));
    assertEquals("[INST] <image>\n<image>\nWhat? [/INST]", MISTRAL.text("What?", 2));
    assertEquals("[INST] What? [/INST]", MISTRAL.text("What?", 0));
    String asked = "<|im_start|>user\n%sWhat?<|im_end|>\n<|im_start|>assistant\n";
    assertEquals(HELPFUL + asked.formatted(PICTURE + PICTURE), CHATML.text("What?", 2));
    assertEquals(HELPFUL + asked.formatted(""), CHATML.text("What?", 0));
    assertEquals("<image> What?", RAW.text("<image> What?", 1));
    assertEquals("", RAW.text("", 0));
  }

  @Test
  void earlierTurnsStandBeforeTheQuestionAndHoldTheImages() {
    Conversation said = turns("Be brief.", "Which?", "And now?");
    assertEquals(
        "Be brief. USER: <image>\nWhich? ASSISTANT: Red. USER: And now? ASSISTANT:",
        text(LLAVA_HF, said, 0));
    assertEquals(
        "Be brief. USER: <image>\nWhich? ASSISTANT: Red.</s>USER: And now? ASSISTANT:",
        text(VICUNA_V1, said, 0));
    assertEquals(
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n<image>\nWhich? [/INST] Red. </s>[INST] And now? [/INST]",
        text(MISTRAL, said, 0));
    assertEquals(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
            + PICTURE
            + "Which?<|im_end|>\n<|im_start|>assistant\nRed.<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
        text(CHATML, said, 0));
    assertEquals(
        CHAT.formatted("user") + "USER: <image>\nWhich? ASSISTANT: Red.</s>USER: x ASSISTANT:",
        text(VICUNA_V1, turns(null, "Which?", "x"), 0));
    assertEquals(
        CHAT.formatted("human") + "USER: <image>\nWhich? ASSISTANT: Red. USER: x ASSISTANT:",
        text(NEXT_VICUNA, turns(null, "Which?", "x"), 0));
  }

  @Test
  void anImageStandsInTheTurnThatMarksIt() {
    assertEquals(
        "USER: Which? ASSISTANT: Red. USER: And <image>? ASSISTANT:",
        text(LLAVA_HF, turns(null, "Which?", "And <image>?"), 0));
    assertEquals(
        "USER: Which <image>? ASSISTANT: Red. USER: And now? ASSISTANT:",
        text(LLAVA_HF, turns(null, "Which <image>?", "And now?"), 0));
    for (String mark : List.of("<image>", PICTURE)) {
      String written = text(CHATML, turns(null, "Which?", "And " + mark + "?"), 0);
      assertTrue(written.contains("user\nWhich?<"), written);
      assertTrue(written.contains("user\nAnd " + PICTURE + "?<"), written);
    }
  }

  @Test
  void aPromptThatIsTheWholeTextStandsAlone() {
    var said = turns(null, "Which?", "And now?");
    for (Executable asking :
        List.<Executable>of(
            () -> RAW.text(said, new int[0]), () -> RAW.bare(null, said, new int[0], 1))) {
      assertEquals(
          "template raw uses the prompt as given; write the system text and earlier turns into it",
          assertThrows(InputException.class, asking).getMessage());
    }
  }

  /** Both forms are one prompt; rows of images that touch are told apart by their numbers. */
  @Test
  void aPlaceholderStandsOncePerImageOrOncePerVisualToken() {
    String three = "<image>".repeat(3);
    assertEquals(
        LLAVA_HF.text("a <image> b", 1), text(LLAVA_HF, Conversation.of("a " + three + " b"), 3));
    assertEquals(
        LLAVA_HF.text("<image><image> b", 2),
        text(LLAVA_HF, Conversation.of(three + "<image> b"), 3, 1));
    assertEquals(
        LLAVA_HF.text("<image>\n<image> b", 2),
        text(LLAVA_HF, Conversation.of("<image>\n" + three + " b"), 1, 3));
    assertEquals(
        CHATML.text(PICTURE, 1),
        text(
            CHATML,
            Conversation.of(PICTURE.replace("<|image_pad|>", "<|image_pad|>".repeat(4))),
            4));
    assertEquals("<image>", text(RAW, Conversation.of(three), 3));
  }

  @Test
  void anyOtherNumberIsRefusedWithBoth() {
    for (int count : new int[] {1, 4, 6}) {
      var e =
          assertThrows(
              InputException.class,
              () -> text(LLAVA_HF, Conversation.of("<image>".repeat(count)), 2, 3));
      assertTrue(e.getMessage().contains(count + " <image> for 2 image(s)"), e.getMessage());
      assertTrue(e.getMessage().contains("once for each of their 5 visual tokens"));
    }
    String apart = "<image><image> <image><image><image>";
    var e = assertThrows(InputException.class, () -> text(RAW, Conversation.of(apart), 3, 2));
    assertTrue(e.getMessage().contains("image 0 are apart"), e.getMessage());
    assertThrows(InputException.class, () -> text(RAW, Conversation.of("<image>")));
    assertThrows(InputException.class, () -> text(RAW, Conversation.of(""), 4));
  }

  @Test
  void rawHasNoPlaceForMoreThanTheQuestion() {
    for (Conversation said :
        List.of(new Conversation("Be brief.", List.of(), "x"), turns(null, "a", "x"))) {
      var e = assertThrows(InputException.class, () -> text(RAW, said));
      assertTrue(e.getMessage().contains("raw uses the prompt as given"), e.getMessage());
    }
  }

  @Test
  void repeatedPlaceholdersGiveTheSameIds() {
    Tokenizer tokenizer = Written.read(dir, Written.base());
    int image = tokenizer.id("<image>");
    for (Template template : List.of(LLAVA_HF, VICUNA_V1, NEXT_VICUNA, MISTRAL, RAW)) {
      int[] once = template.ids(tokenizer, "the <image> car", 1, image);
      Conversation repeated = Conversation.of("the " + "<image>".repeat(7) + " car");
      int[] ids = template.ids(tokenizer, repeated, new int[] {7}, image);
      assertEquals(list(once), list(ids), template.toString());
    }
    int[] bare = LLAVA_HF.bare(tokenizer, Conversation.of("a<image><image>"), new int[] {2}, image);
    assertEquals(tokenizer.encode("a<image>"), list(bare));
  }

  private static List<Integer> list(int[] ids) {
    return Arrays.stream(ids).boxed().toList();
  }

  @ParameterizedTest
  @EnumSource
  void aTemplateIsFoundByItsName(Template template) {
    assertEquals(template, Template.of(template.label()));
    assertTrue(Template.labels().contains(template.label()));
    assertEquals(template == CHATML ? "<|image_pad|>" : "<image>", template.placeholder());
    assertTrue(template.holdsPlaceholder("a" + template.placeholder()));
    assertFalse(template.holdsPlaceholder("a" + (template == CHATML ? "<image>" : PICTURE)));
  }

  @Test
  void anotherNameIsRefusedWithAllOfThem() {
    var e = assertThrows(InputException.class, () -> Template.of("alpaca"));
    assertTrue(e.getMessage().contains("'alpaca' is not one of llava-hf, "), e.getMessage());
  }
}
