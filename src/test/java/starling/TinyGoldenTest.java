package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.model.ImageOptions;

/**
 * The bundled model against {@code golden.json}, which an independent program made (plain torch in
 * float32: {@code tools/tiny-model/reference.py}, {@code make_bundle.py}): pixels, token ids,
 * scores of both stages, kept sets, logits, answers.
 */
class TinyGoldenTest {
  /**
   * Scores are means of some 10^3 probabilities around 1.7e-3, computed in float32 on both sides in
   * different orders: relative errors of some 1e-6. The cut of stage 1 passes between scores 1e-7
   * to 4e-6 apart, which this still tells.
   */
  private static final double SCORE_RELATIVE = 3e-6;

  /** Eight layers of float32 rounding on logits of up to 10; the golden has five decimals. */
  private static final double LOGIT = 2e-4;

  private static Model model;
  private static JsonNode cases;

  @BeforeAll
  static void open() throws IOException {
    model = Model.open(Demo.MODEL);
    cases =
        new ObjectMapper()
            .readTree(Files.readAllBytes(Checkout.path("src/test/resources/starling/golden.json")))
            .get("cases");
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Answer ask(JsonNode golden, String spec) {
    return model.ask(
        Question.of(golden.get("question").textValue())
            .image(Demo.image(golden.get("image").textValue()))
            .prune(spec)
            .logits(true));
  }

  private static List<Integer> ints(JsonNode array) {
    var list = new ArrayList<Integer>();
    array.forEach(v -> list.add(v.intValue()));
    return list;
  }

  private static void assertLogits(JsonNode top, Answer answer) {
    for (JsonNode pair : top) {
      assertEquals(
          pair.get(1).doubleValue(),
          answer.firstLogits().get(pair.get(0).intValue()),
          LOGIT,
          "logit " + pair);
    }
  }

  private static void assertScores(JsonNode golden, List<Float> scores) {
    for (int i = 0; i < golden.size(); i++) {
      double expected = golden.get(i).doubleValue();
      assertEquals(expected, scores.get(i), SCORE_RELATIVE * expected, "score " + i);
    }
  }

  @Test
  void preparesThePixelsOfTheReference() {
    for (JsonNode golden : cases) {
      var image = Demo.read(golden.get("image").textValue());
      float[] pixels = model.prepare(image, ImageOptions.DEFAULT, "image").crops().get(0).pixels();
      for (int i = 0; i < 5; i++) {
        // The reference multiplies by 1/255 in float32, transformers and this in double: one unit
        // in the last place.
        assertEquals(golden.get("pixels_first5").get(i).doubleValue(), pixels[i], 1e-6);
      }
    }
  }

  @Test
  void answersDenseAsTheReference() {
    for (JsonNode golden : cases) {
      Answer answer = ask(golden, "none");
      assertEquals(ints(golden.get("input_ids")), answer.promptTokens());
      assertEquals(ints(golden.get("output_ids")), answer.outputTokens());
      assertEquals(golden.get("text").textValue(), answer.text());
      assertEquals("stop", answer.finishReason());
      assertLogits(golden.get("first_logits_top10"), answer);
      assertTrue(answer.stages().isEmpty());
    }
  }

  @Test
  void prunesInBothStagesAsTheReference() throws NoSuchAlgorithmException {
    for (JsonNode golden : cases) {
      JsonNode star = golden.get("star");
      Answer answer = ask(golden, star.get("spec").textValue());
      Answer.Stage stage1 = answer.stages().get(0);
      Answer.Stage stage2 = answer.stages().get(1);
      assertEquals(ints(star.get("stage2_kept")), stage2.kept());
      assertEquals(star.get("stage1_kept_sha256").textValue(), sha256(stage1.kept()));
      assertScores(golden.get("stage1_scores_first5"), stage1.scores());
      assertScores(golden.get("stage1_scores_last5"), stage1.scores().subList(571, 576));
      assertScores(star.get("stage2_scores_first5"), stage2.scores());
      assertEquals(ints(star.get("output_ids")), answer.outputTokens());
      assertEquals(star.get("text").textValue(), answer.text());
      assertLogits(star.get("first_logits_top10"), answer);
      assertEquals(List.of(532, 532, 532, 532, 72, 72, 72, 72), adjusted(answer));
    }
  }

  /** Rows per layer as for a prompt of 14 text tokens. */
  private static List<Integer> adjusted(Answer answer) {
    int extra = answer.promptTokens().size() - 15;
    return answer.tokensPerLayer().stream().map(rows -> rows - extra).toList();
  }

  private static String sha256(List<Integer> kept) throws NoSuchAlgorithmException {
    String text = kept.stream().map(String::valueOf).collect(Collectors.joining(","));
    return HexFormat.of()
        .formatHex(
            MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void ranksByClsAttentionAsTheReference() {
    for (JsonNode golden : cases) {
      assertScores(
          golden.get("cls_scores_first5"),
          ask(golden, "fastervlm:keep=58").stages().get(0).scores());
    }
  }
}
