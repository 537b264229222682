package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.cli.CommandLineTest.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.Demo;
import starling.cli.CommandLineTest.Result;

/** A tiny LLaVA-NeXT on the command line, with a tokenizer of single letters. */
class NextCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path dir;

  @BeforeEach
  void checkpoint() throws IOException {
    Path from = Checkout.path("src/test/resources/starling/next-llama");
    for (String file : List.of("config.json", "model.safetensors", "generation_config.json")) {
      Files.copy(from.resolve(file), dir.resolve(file));
    }
    Files.writeString(
        dir.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\":\"LlamaTokenizerFast\",\"add_bos_token\":true,\"bos_token\":\"<s>\"}");
    Files.writeString(
        dir.resolve("preprocessor_config.json"),
        "{\"size\":{\"shortest_edge\":28},\"crop_size\":{\"height\":28,\"width\":28},"
            + "\"image_grid_pinpoints\":[[28,56],[56,28],[56,56],[84,28],[28,84]]}");
    var tokenizer =
        (ObjectNode) JSON.readTree(Files.readAllBytes(Demo.MODEL.resolve("tokenizer.json")));
    var model = (ObjectNode) tokenizer.get("model");
    model.putArray("merges");
    model.put("byte_fallback", false);
    ObjectNode vocabulary = model.putObject("vocab");
    for (String token : List.of("<unk>", "<s>", "</s>", "\u2581")) {
      vocabulary.put(token, vocabulary.size());
    }
    "abcdefghijklmnopqrstuvwxyz?"
        .chars()
        .forEach(c -> vocabulary.put("" + (char) c, vocabulary.size()));
    var added = (ArrayNode) tokenizer.get("added_tokens");
    added.remove(4);
    ((ObjectNode) added.get(3)).put("id", 70);
    Files.writeString(dir.resolve("tokenizer.json"), tokenizer.toString());
    ImageIO.write(picture(), "png", dir.resolve("photo.png").toFile());
  }

  /** 640 × 427 pixels: neither side is whole tiles, and the border is odd. */
  private static BufferedImage picture() {
    var image = new BufferedImage(640, 427, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < 427; y++) {
      for (int x = 0; x < 640; x++) {
        boolean disc = Math.hypot(x - 480, y - 190) < 100;
        image.setRGB(x, y, disc ? 0xdc1e1e : (x * 255 / 640) << 16 | (y * 255 / 427) << 8 | 160);
      }
    }
    return image;
  }

  private Result ask(String... more) {
    var args =
        new ArrayList<>(
            List.of("run", "--device", "cpu", "--model", dir.toString(), "--template", "raw"));
    args.addAll(List.of("--prompt", "<image>what?", "--max-tokens", "4"));
    args.addAll(List.of("--image", dir.resolve("photo.png").toString()));
    args.addAll(Arrays.asList(more));
    return CommandLineTest.run(new byte[0], args.toArray(String[]::new));
  }

  @Test
  void reportTraceAndOverlayCountNewlinesThatCompete() throws IOException {
    String trace = dir.resolve("trace.json").toString();
    String overlay = dir.resolve("kept.png").toString();
    Result result =
        ask(
            "--newline",
            "compete",
            "--prune",
            "fastv:K=1,keep=30",
            "--trace",
            trace,
            "--overlay",
            overlay,
            "--json");
    JsonNode report = result.json();
    // 640 x 427 pixels become 56 x 38 of 56 x 56: 6 of 8 rows of patches, and their newlines.
    int rows = 16 + 6 * (8 + 1);
    assertEquals("newline=compete", report.get("image_options").textValue());
    assertEquals(rows, report.at("/images/0/rows").intValue());
    assertEquals(rows, report.at("/images/0/candidates").intValue());
    assertEquals(rows, report.at("/visual_tokens/after_stage1").intValue());
    assertEquals(30, report.at("/visual_tokens/after_stage2").intValue());
    assertEquals(rows, report.at("/stages/0/scores").size());
    assertEquals(30, report.at("/stages/0/kept").size());
    JsonNode again = ask("--newline", "compete", "--prune", "replay:" + trace, "--json").json();
    assertEquals(report.at("/stages/0/kept"), again.at("/stages/0/kept"));
    assertEquals(report.get("output_tokens"), again.get("output_tokens"));
    // The whole image of 4 x 4 patches, then two by two tiles with a seam.
    BufferedImage drawn = ImageIO.read(Path.of(overlay).toFile());
    assertEquals(List.of(672 + 8 + 1346, 1346), List.of(drawn.getWidth(), drawn.getHeight()));
    // The border has no token: neither black nor blue; the disc is in the upper right tile.
    assertEquals(0x7a7468, drawn.getRGB(680 + 300, 40) & 0xffffff);
    assertEquals(0x7a7468, drawn.getRGB(680 + 1000, 1346 - 40) & 0xffffff);
  }

  @Test
  void optionsThatWereSaidStandInTheReportAndOthersDoNot() {
    JsonNode all = ask("--anyres", "672", "--newline", "drop", "--unpad", "off", "--json").json();
    assertEquals("anyres=672,newline=drop,unpad=off", all.get("image_options").textValue());
    assertEquals(5 * 16, all.at("/images/0/rows").intValue());
    JsonNode plain = ask("--json").json();
    assertFalse(plain.has("image_options"), plain.toString());
    assertEquals(16 + 6 * 9, plain.at("/images/0/rows").intValue());
    assertEquals(16 + 6 * 8, plain.at("/images/0/candidates").intValue());
  }

  @Test
  void anotherFamilysOptionIsRefused() {
    assertRefused(
        1,
        "--image-mode pad does not apply to this model, which is LLaVA-NeXT",
        ask("--image-mode", "pad"));
    assertRefused(
        1, "--max-image-tokens 9 does not apply to this model", ask("--max-image-tokens", "9"));
  }

  @Test
  void aMethodThatCutsBeforeTheDecoderIsRefusedWithNewlinesThatCompete() {
    Result refused = ask("--newline", "compete", "--prune", "star:R=0.5,K=1,P=0.8");
    assertRefused(1, "a cut before the decoder cannot choose among newline rows", refused);
    assertTrue(refused.err().contains("starling: star:R=0.5,K=1,P=0.8"), refused.err());
  }
}
