package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.image.Image;
import starling.input.InputException;

/** Images and prompts as people have them, through the whole model. */
class PromptCasesTest {
  private static final String STAR = "star:R=0.3,K=2,P=0.6";

  @TempDir Path dir;
  private CheckpointCopy copy;

  @BeforeEach
  void copy() throws IOException {
    copy = CheckpointCopy.in(dir.resolve("model"));
  }

  // ---- images ----

  /** IMG-5: one pixel of height or width. */
  @ParameterizedTest
  @ValueSource(strings = {"1x1", "1x40", "40x1", "3x2", "2x3"})
  void tinyAndThinImagesAreAnswered(String size) {
    String[] sides = size.split("x", -1);
    int width = Integer.parseInt(sides[0]);
    int height = Integer.parseInt(sides[1]);
    var question =
        Question.of("What is it?").image(new Image(width, height, new byte[3 * width * height]));
    Answer answer = copy.answer(question, STAR);
    assertEquals(new Answer.VisualTokens(576, 403, 230), answer.visualTokens());
  }

  /**
   * IMG-8: a field is applied, or refused by name; a grid that does not fit the tower is refused.
   */
  @Test
  void preprocessingFieldsAreNotIgnored() throws IOException {
    var wide = Question.of("What is it?").image(wide());
    Answer base = copy.answer(wide, STAR);
    for (String change :
        List.of("resample=2", "do_normalize=false", "rescale_factor=0.0078", "size=96x96")) {
      copy.json(
          "preprocessor_config.json",
          p -> {
            String[] field = change.split("=", -1);
            switch (field[0]) {
              case "resample" -> p.put(field[0], 2);
              case "do_normalize" -> p.put(field[0], false);
              case "rescale_factor" -> p.put(field[0], 0.0078);
              default -> p.putObject("size").put("height", 96).put("width", 96);
            }
          });
      assertNotEquals(base.firstLogits(), copy.answer(wide, STAR).firstLogits(), change);
      Files.delete(copy.dir().resolve("preprocessor_config.json"));
      Files.copy(
          Demo.MODEL.resolve("preprocessor_config.json"),
          copy.dir().resolve("preprocessor_config.json"));
    }
    copy.json("preprocessor_config.json", p -> p.put("do_resize", false));
    assertNotEquals(base.firstLogits(), copy.answer(wide, STAR).firstLogits());
    copy.json(
        "preprocessor_config.json", p -> p.put("do_resize", true).put("do_center_crop", false));
    String sentence =
        assertThrows(InputException.class, () -> copy.answer(wide, STAR)).getMessage();
    assertTrue(
        sentence.contains("preprocessor_config.json (size, crop_size) makes 160x96 pixels"),
        sentence);
  }

  /** 200×120, every pixel another. */
  private static Image wide() {
    byte[] rgb = new byte[3 * 200 * 120];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i * 7 + i / 600 * 13);
    }
    return new Image(200, 120, rgb);
  }

  // ---- prompts ----

  /** PR-2: the image first, last, behind a long text; what stage 1 keeps does not depend on it. */
  @Test
  void whereTheImageStandsIsLookedUp() {
    Image image = Demo.read("scene-00.png");
    var prompts =
        List.of(
            "<image> Is it red?",
            "Is it <image> red?",
            "Is it red? <image> ASSISTANT:",
            "the car is in the image ".repeat(12) + "<image>\nIs it red?");
    var first = new ArrayList<List<Integer>>();
    for (String prompt : prompts) {
      Answer answer = copy.answer(Question.of(prompt).image(image), STAR);
      assertEquals(new Answer.VisualTokens(576, 403, 230), answer.visualTokens(), prompt);
      first.add(answer.stages().get(0).kept());
    }
    assertEquals(1, first.stream().distinct().count());
  }

  /** PR-1: any number but one, or all that a processor writes; the sentence has both numbers. */
  @Test
  void repeatedPlaceholdersAreRefusedWithBothNumbers() {
    for (int marks : new int[] {2, 575, 577}) {
      var question =
          Question.of("<image>".repeat(marks) + " Is it red?").image(Demo.image("scene-00.png"));
      String sentence =
          assertThrows(InputException.class, () -> copy.answer(question, STAR)).getMessage();
      assertTrue(sentence.contains(marks + " ") && sentence.contains("1 image"), sentence);
    }
  }

  /** PN-4: more than there is, with the number there is. */
  @Test
  void moreThanThereIsIsRefusedWithTheNumberThereIs() {
    for (String spec : List.of("fastervlm:keep=577", "random:keep=1000", "fastv:K=2,keep=577")) {
      String sentence = assertThrows(InputException.class, () -> copy.answer(spec)).getMessage();
      assertTrue(sentence.contains("576"), sentence);
    }
  }
}
