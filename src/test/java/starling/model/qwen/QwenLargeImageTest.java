package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.input.InputException;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.model.Request;
import starling.model.qwen.QwenCheckpoint.Outcome;
import starling.prune.Methods;

/** Images of more visual tokens than the tower of another family has patches. */
class QwenLargeImageTest {
  private static ImageInput image(QwenCheckpoint checkpoint, int rows, int columns) {
    var noise = QwenCheckpoint.noise(new int[] {28 * rows, 28 * columns}, 5);
    ImageOptions all = ImageOptions.DEFAULT.maxImageTokens(16_384);
    ImageInput image = checkpoint.family().images(checkpoint.dir()).prepare(noise, all, "noise");
    assertEquals(rows * columns, image.tokens().candidates());
    return image;
  }

  /** 16,400 patches attend to each other, and both cuts choose among more than 4,096. */
  @Test
  @Tag("slow")
  void moreThanFourThousandTokensAreScoredAndPruned() throws IOException {
    try (Device cpu = CpuDevice.open();
        QwenCheckpoint checkpoint = QwenCheckpoint.open("qwen-free", cpu)) {
      Outcome out =
          checkpoint.run(
              checkpoint.ids(checkpoint.caseAt(0)),
              List.of(image(checkpoint, 82, 50)),
              Methods.parse("star:R=0.9,K=1,P=0.95"),
              Mode.COMPACT,
              Sampling.GREEDY);
      assertEquals(410, out.kept(1).get(0).length);
      assertEquals(205, out.kept(2).get(0).length);
      float[] score = out.score().get(0);
      assertEquals(4100, score.length);
      // The best of all tokens, in raster order; a mean over patches of shares of one each.
      double sum = 0;
      for (float s : score) {
        sum += 4 * s;
      }
      assertEquals(1, sum, 1e-3);
      float least =
          (float) Arrays.stream(out.kept(1).get(0)).mapToDouble(j -> score[j]).min().orElse(0);
      long above = 0;
      for (float s : score) {
        above += s > least ? 1 : 0;
      }
      assertEquals(409, above);
    }
  }

  private static void assertRefused(Device device, String spec, String sentence)
      throws IOException {
    try (QwenCheckpoint checkpoint = QwenCheckpoint.open("qwen-free", device)) {
      var request =
          new Request(
              checkpoint.ids(checkpoint.caseAt(0)),
              List.of(image(checkpoint, 82, 50)),
              Methods.parse(spec),
              Mode.COMPACT,
              Sampling.GREEDY,
              1,
              (phase, done, of) -> fail(phase + " has begun"));
      var e = assertThrows(InputException.class, () -> checkpoint.model().prefill(request));
      assertEquals(sentence, e.getMessage());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "vispruner:keep=64 | vispruner:keep=64,important=0.5: a cut at PROJECTOR_INPUT would choose"
            + " among 4100 visual tokens of image 0; at most 4096 are compared",
        "none | the prompt is 4107 tokens long, visual tokens included; the model's context"
            + " (max_position_embeddings) is 512"
      })
  void whatIsTooMuchIsRefusedBeforeTheTowerRuns(String spec, String sentence) throws IOException {
    try (Device cpu = CpuDevice.open()) {
      assertRefused(cpu, spec, sentence);
    }
    Native.needs(Native.HOST);
    try (Device emulated = NativeDevice.open(DeviceType.EMULATED)) {
      assertRefused(emulated, spec, sentence);
    }
  }
}
