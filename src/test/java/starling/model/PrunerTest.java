package starling.model;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.LlavaConfig;
import starling.checkpoint.TextConfig;
import starling.cpu.CpuDevice;
import starling.device.Device;
import starling.device.Sampling;
import starling.device.Span;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.model.llava.Llava;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;
import starling.prune.Method;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** More images or candidates than an operator takes are refused in words of the prompt. */
class PrunerTest {
  private record First(CutSite where, int mostCandidates) implements CutPoint {
    First(CutSite where) {
      this(where, 16_384);
    }

    @Override
    public int layer() {
      return 2;
    }

    @Override
    public int kept(int group) {
      return 1;
    }

    @Override
    public void select(CutContext context, Selection out) {
      throw new AssertionError("it comes to nothing");
    }
  }

  /** A prompt of so many images of {@code patches} patches each, one below the other. */
  private static Pruner pruner(Device device, CutSite where, Mode mode, int images, int patches) {
    return pruner(device, new First(where), mode, images, patches);
  }

  private static Pruner pruner(Device device, CutPoint cut, Mode mode, int images, int patches) {
    return pruner(device, cut, mode, images, patches, null);
  }

  private static Pruner pruner(
      Device device, CutPoint cut, Mode mode, int images, int patches, TensorArena arena) {
    var config =
        new Llava(
            new LlavaConfig(
                new ClipConfig(8, 8, 2, 2, 14, 14, "gelu", 1e-5f),
                new TextConfig(8, 8, 4, 2, 2, 4, 1e-5f, 10000, 1 << 20, 40, false, false),
                39,
                2,
                false,
                true,
                "float32",
                List.of(2),
                false,
                List.of()));
    ImageTokens tokens = ImageTokens.grid(patches, 1, 1, false);
    int[] ids = new int[images + 1];
    Arrays.fill(ids, 0, images, 39);
    var request =
        new Request(
            ids,
            Collections.nCopies(images, new ImageInput(tokens, List.of())),
            new Once(cut),
            mode,
            Sampling.GREEDY,
            1,
            (p, d, o) -> {});
    var at = new Workspace(device, arena, arena, null, null);
    var tables = Collections.nCopies(images, new TokenTables(tokens, new Tables()));
    return new Pruner(at, Planner.of(config, request), tables);
  }

  private record Once(CutPoint cut) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return "once";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(cut);
    }
  }

  @ParameterizedTest
  @EnumSource(CutSite.class)
  void imagesThatAreCutTogetherAreAtMost64(CutSite where) {
    for (Mode mode : Mode.values()) {
      assertDoesNotThrow(() -> pruner(null, where, mode, 64, 4));
      if (where == CutSite.DECODER || mode == Mode.MASK) {
        assertEquals(
            "65 images in one prompt; at most 64 can be pruned in the decoder or with mode=mask",
            assertThrows(InputException.class, () -> pruner(null, where, mode, 65, 4))
                .getMessage());
      } else {
        assertDoesNotThrow(() -> pruner(null, where, mode, 65, 4));
      }
    }
  }

  @Test
  void moreCandidatesThanACutComparesAreRefusedBeforeTheTower() {
    assertDoesNotThrow(() -> pruner(null, CutSite.VISION, Mode.COMPACT, 1, 16_384));
    assertEquals(
        "once: a cut at VISION would choose among 16385 visual tokens of image 0; at most 16384 are"
            + " compared",
        assertThrows(
                InputException.class, () -> pruner(null, CutSite.VISION, Mode.COMPACT, 1, 16_385))
            .getMessage());
    var pairs = new First(CutSite.DECODER, 4096);
    assertDoesNotThrow(() -> pruner(null, pairs, Mode.COMPACT, 1, 4096));
    assertEquals(
        "once: a cut at DECODER would choose among 4097 visual tokens of image 0; at most 4096 are"
            + " compared",
        assertThrows(InputException.class, () -> pruner(null, pairs, Mode.COMPACT, 1, 4097))
            .getMessage());
  }

  private static void chooseAmong4096(Pruner pruner) {
    var cut = new First(CutSite.VISION, 4096);
    pruner.choices().of(cut, new Span(0, 1), (image, group) -> new Choices.Seen(null, null), null);
  }

  @Test
  void candidatesThatADeviceCountedAreHeldAgainstTheLimitToo() {
    try (Device device = CpuDevice.open(1)) {
      Pruner pruner = pruner(device, CutSite.VISION, Mode.COMPACT, 1, 4097);
      String sentence =
          assertThrows(InputException.class, () -> chooseAmong4096(pruner)).getMessage();
      assertTrue(sentence.contains("would choose among 4097 visual tokens"), sentence);
    }
  }

  /** As many as are compared go on to the method, here one that is not to be asked. */
  @Test
  void asManyCandidatesAsAreComparedAreChosenFrom() {
    try (Device device = CpuDevice.open(1);
        TensorArena arena = device.arena("test")) {
      Pruner pruner = pruner(device, new First(CutSite.VISION), Mode.COMPACT, 1, 4096, arena);
      assertEquals(
          "it comes to nothing",
          assertThrows(AssertionError.class, () -> chooseAmong4096(pruner)).getMessage());
    }
  }
}
