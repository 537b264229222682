package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.image.Image;
import starling.image.Overlay;
import starling.model.qwen.QwenCheckpoint;

/** {@code run} with a small Qwen2.5-VL: answers of transformers, trace, replay and overlay. */
class QwenRunTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path CHECKPOINT =
      Checkout.path("src/test/resources/starling/model/qwen-free");

  /** Each letter is a token, from 0 on; a blank is {@code Ġ}, a line's end {@code Ċ}. */
  private static final String LETTERS = "abcdefghijklmnopqrstuvwxyzYĠĊ.?";

  @TempDir Path dir;

  @BeforeEach
  void checkpoint() throws IOException {
    for (String file : List.of("config.json", "preprocessor_config.json", "model.safetensors")) {
      Files.copy(CHECKPOINT.resolve(file), dir.resolve(file));
    }
    Path golden = Checkout.path("src/test/resources/starling/text/byte-level.json");
    var tokenizer = (ObjectNode) JSON.readTree(golden.toFile()).get("tokenizer");
    ObjectNode model = (ObjectNode) tokenizer.get("model");
    model.putArray("merges");
    ObjectNode vocabulary = model.putObject("vocab");
    for (int i = 0; i < LETTERS.length(); i++) {
      vocabulary.put(LETTERS.substring(i, i + 1), i);
    }
    var added = tokenizer.putArray("added_tokens");
    String[] names = {"im_start", "im_end", "image_pad", "vision_start", "vision_end"};
    for (int i = 0; i < names.length; i++) {
      ObjectNode token = added.addObject().put("id", 88 + i).put("content", "<|" + names[i] + "|>");
      for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        token.put(flag, false);
      }
      token.put("special", true);
    }
    Files.writeString(dir.resolve("tokenizer.json"), tokenizer.toString());
  }

  private Path image(BufferedImage image) throws IOException {
    return Files.write(dir.resolve("image.png"), Overlay.png(image));
  }

  private JsonNode run(String... more) {
    var args =
        new ArrayList<>(
            List.of("run", "--model", dir.toString(), "--device", "cpu", "--json", "--image"));
    args.add(dir.resolve("image.png").toString());
    args.addAll(List.of(more));
    return CommandLineTest.run(new byte[0], args.toArray(String[]::new)).json();
  }

  private static List<Integer> ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::intValue).toList();
  }

  /** The penalty is that of the checkpoint's file, unless the question has another. */
  @Test
  void answersAreThoseOfTransformersWithThePenaltyOfTheFile() throws IOException {
    JsonNode of = JSON.readTree(CHECKPOINT.resolve("golden.json").toFile()).at("/cases/2");
    JsonNode shown = of.at("/images/0");
    int[] size = {shown.at("/size/0").intValue(), shown.at("/size/1").intValue()};
    Image noise = QwenCheckpoint.noise(size, shown.get("seed").intValue());
    image(Overlay.seen(noise, new Rectangle(size[1], size[0]), size[1], size[0]));
    String[] prompt = {
      "--template",
      "raw",
      "--prompt",
      "d<|vision_start|><|image_pad|><|vision_end|>ij",
      "--max-tokens",
      "6"
    };
    JsonNode plain = run(prompt);
    assertEquals(ints(of.get("ids")), ints(plain.get("prompt_tokens")));
    assertEquals(ints(of.get("greedy")), ints(plain.get("output_tokens")));
    Files.writeString(
        dir.resolve("generation_config.json"),
        "{\"repetition_penalty\": 1.3, \"eos_token_id\": 94}");
    assertEquals(ints(of.get("penalized")), ints(run(prompt).get("output_tokens")));
    var off = new ArrayList<>(List.of(prompt));
    off.addAll(List.of("--repetition-penalty", "1"));
    assertEquals(
        ints(of.get("greedy")), ints(run(off.toArray(String[]::new)).get("output_tokens")));
  }

  /** Rows of light in six colours, 640 by 427 pixels, of which 644 by 420 are seen. */
  private static BufferedImage drawn() {
    var image = new BufferedImage(640, 427, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = image.createGraphics();
    for (int y = 0; y < 427; y++) {
      int row = y / 80;
      g.setColor(Color.getHSBColor(row / 6f, 0.6f, 1));
      g.fillRect(0, y, 640, 1);
    }
    g.setColor(Color.BLUE);
    g.fillOval(200, 90, 180, 140);
    g.dispose();
    return image;
  }

  @Test
  void anImageOfOddSizeIsPrunedTracedReplayedAndDrawn() throws IOException {
    image(drawn());
    Path trace = dir.resolve("trace.json");
    Path overlay = dir.resolve("kept.png");
    String[] question = {
      "--prompt", "what is it?", "--max-image-tokens", "345", "--max-tokens", "3", "--prune", ""
    };
    question[7] = "star:R=0.4,K=2,P=0.85";
    var drawing = new ArrayList<>(List.of(question));
    drawing.addAll(List.of("--trace", trace.toString(), "--overlay", overlay.toString()));
    JsonNode answer = run(drawing.toArray(String[]::new));
    assertEquals(345, answer.at("/visual_tokens/input").intValue());
    assertEquals(207, answer.at("/visual_tokens/after_stage1").intValue());
    assertEquals(52, answer.at("/visual_tokens/after_stage2").intValue());
    assertEquals(15, answer.at("/images/0/crops/0/rows").intValue());
    assertEquals(23, answer.at("/images/0/crops/0/columns").intValue());
    assertEquals(345, answer.at("/stages/0/scores").size());
    List<Integer> prompt = ints(answer.get("prompt_tokens"));
    assertEquals(1, prompt.stream().filter(id -> id == 90).count(), "an image is there once");

    question[7] = "replay:" + trace;
    JsonNode again = run(question);
    assertEquals(answer.at("/stages/1/kept"), again.at("/stages/1/kept"));
    assertEquals(answer.get("output_tokens"), again.get("output_tokens"));

    assertDrawn(Image.read(overlay), answer);
  }

  /** A cell is 29 pixels in the drawing; in its middle a kept one is as light as the image. */
  private static void assertDrawn(Image drawing, JsonNode answer) {
    assertEquals(23 * 29, drawing.width());
    assertEquals(15 * 29, drawing.height());
    List<Integer> first = ints(answer.at("/stages/0/kept"));
    List<Integer> last = ints(answer.at("/stages/1/kept"));
    assertNotEquals(first, last);
    BufferedImage own = drawn();
    for (int cell = 0; cell < 345; cell++) {
      int x = cell % 23 * 29 + 14;
      int y = cell / 23 * 29 + 14;
      int at = 3 * (y * drawing.width() + x);
      int brightest = 0;
      for (int c = 0; c < 3; c++) {
        brightest = Math.max(brightest, drawing.rgb()[at + c] & 0xff);
      }
      String which = "cell " + cell + ", brightest " + brightest;
      if (last.contains(cell)) {
        var seen = new Color(own.getRGB(x * 640 / drawing.width(), y * 427 / drawing.height()));
        assertEquals(
            Math.max(Math.max(seen.getRed(), seen.getGreen()), seen.getBlue()),
            brightest,
            3,
            which);
      } else {
        assertTrue(brightest < (first.contains(cell) ? 150 : 30), which);
      }
    }
  }
}
