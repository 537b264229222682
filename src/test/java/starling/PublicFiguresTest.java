package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.device.DType;
import starling.device.DeviceType;

/**
 * Every figure of a report as an absolute number, worked out from the bundled model's shapes (width
 * 128, MLP 352, 8 layers, 4 heads of 32, 512 tokens; tower width 96, MLP 384, 4 blocks run, 576
 * patches; weights in two bytes), for a prompt of 14 text rows.
 */
class PublicFiguresTest {
  private static final long DENSE_ROWS = 576 + 14;

  private static double layer(double n) {
    return 8 * n * 128 * 128 + 4 * n * n * 128 + 6 * n * 128 * 352;
  }

  private static final double TOWER =
      4 * (8.0 * 577 * 96 * 96 + 4.0 * 577 * 577 * 96 + 4.0 * 577 * 96 * 384);

  private static double projector(double n) {
    return 2 * n * (96 * 128 + 128 * 128);
  }

  private static Answer ask(String dtype, String spec) {
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.of(dtype))) {
      return model.ask(
          Question.of("What color is the heart?")
              .image(Demo.image("scene-00.png"))
              .prune(spec)
              .maxTokens(3));
    }
  }

  @ParameterizedTest
  @CsvSource({"f32, 4", "bf16, 2", "f16, 2"})
  void starsReport(String dtype, int bytes) {
    Answer a = ask(dtype, "star:R=0.1,K=4,P=0.9");
    assertEquals(dtype, a.dtype().label());
    assertEquals(15, a.promptTokens().size(), "the image counts once");
    assertEquals(new Answer.VisualTokens(576, 518, 58), a.visualTokens());
    assertEquals(List.of(532, 532, 532, 532, 72, 72, 72, 72), a.tokensPerLayer());
    assertEquals(288, a.visualTokensPerLayer());
    assertEquals(List.of(576, 518), a.stages().stream().map(s -> s.scores().size()).toList());
    assertEquals(List.of(518, 58), a.stages().stream().map(s -> s.kept().size()).toList());
    assertEquals(List.of(4, 4), a.stages().stream().map(Answer.Stage::layer).toList());

    double dense = TOWER + projector(576) + 8 * layer(590);
    double pruned = TOWER + projector(518) + 4 * layer(532) + 4 * layer(72);
    assertEquals(dense, a.flops().dense());
    assertEquals(pruned, a.flops().pruned());
    assertEquals(1 - pruned / dense, a.flops().reduction());
    assertEquals(TOWER, a.flops().vision());
    assertEquals(4.38e9, a.flops().dense(), 0.005e9);
    assertEquals(0.403, a.flops().reduction(), 0.0005);
    assertEquals(4, a.flops().visionBlocks());
    assertTrue(a.flops().countsText() && a.flops().countsVision());

    long row = 2L * 4 * 32 * bytes;
    assertEquals(row * 8 * DENSE_ROWS, a.kvBytes().dense());
    assertEquals(row * (4 * 532 + 4 * 72), a.kvBytes().pruned());
    // Room for three tokens, of which the last is not fed back.
    assertEquals(row * (4 * 534 + 4 * 74), a.kvReservedBytes());
    long weights = 8L * (4 * 128 * 128 + 3 * 128 * 352) + 512 * 128; // matrices; norms are 4 KB
    assertEquals(2 * weights + a.kvBytes().pruned(), a.decodeBytesPerToken());
  }

  @Test
  void theReportOfNothingPrunedAndOfACutBeforeTheDecoder() {
    Answer none = ask("f32", "none");
    assertEquals(new Answer.VisualTokens(576, 576, 576), none.visualTokens());
    assertEquals(576, none.visualTokensPerLayer());
    assertEquals(0, none.flops().reduction());
    assertEquals(TOWER + projector(576) + 8 * layer(590), none.flops().pruned());
    assertEquals(none.kvBytes().dense(), none.kvBytes().pruned());

    Answer half = ask("f32", "fastervlm:keep=0.5");
    assertEquals(new Answer.VisualTokens(576, 288, 288), half.visualTokens());
    assertEquals(TOWER + projector(288) + 8 * layer(302), half.flops().pruned());
    assertEquals(1024L * 8 * 302, half.kvBytes().pruned());

    Answer fastv = ask("f32", "fastv:K=2,keep=144");
    assertEquals(new Answer.VisualTokens(576, 576, 144), fastv.visualTokens());
    assertEquals(252, fastv.visualTokensPerLayer());
    assertEquals(TOWER + projector(576) + 2 * layer(590) + 6 * layer(158), fastv.flops().pruned());
    assertEquals(1024L * (2 * 590 + 6 * 158), fastv.kvBytes().pruned());
  }

  @Test
  void withoutAnImageOnlyTextIsCounted() {
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      Answer a = model.ask(Question.of("Hello").maxTokens(1).prune("star:R=0.1,K=4,P=0.9"));
      int rows = a.promptTokens().size();
      assertEquals(8 * layer(rows), a.flops().dense());
      assertEquals(8 * layer(rows), a.flops().pruned());
      assertEquals(1024L * 8 * rows, a.kvBytes().pruned());
      assertEquals(1024L * 8 * rows, a.kvReservedBytes());
      assertEquals(0, a.visualTokensPerLayer());
    }
  }

  /** Flat is what spans less than one percent. */
  @Test
  void scoresAreFlatBelowOnePercent() {
    assertTrue(AnswerReport.flat(new float[] {1, 1.0099f}));
    assertFalse(AnswerReport.flat(new float[] {1, 1.01f}));
    assertFalse(AnswerReport.flat(new float[] {1, 1.0101f}));
    assertFalse(AnswerReport.flat(new float[] {0.002f, 0.0021f}));
    assertTrue(AnswerReport.flat(new float[] {0.002f, 0.002f, 0.00201f}));
    assertTrue(AnswerReport.flat(new float[] {0, 0}));
    assertFalse(AnswerReport.flat(new float[] {0, Float.MIN_VALUE}));
    assertFalse(AnswerReport.flat(new float[] {-2, -1}));
    assertTrue(AnswerReport.flat(new float[] {-2, -2}));
    assertFalse(AnswerReport.flat(new float[] {3}));
    assertFalse(AnswerReport.flat(new float[0]));
  }
}
