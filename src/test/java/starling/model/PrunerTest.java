package starling.model;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.cpu.CpuDevice;
import starling.device.Device;
import starling.device.InputException;
import starling.device.Keys;
import starling.device.Span;
import starling.prune.Attention;
import starling.prune.CutPoint;
import starling.prune.Selection;
import starling.prune.Site;
import starling.prune.Where;

/** More pictures or candidates than an operator takes are refused in words of the prompt. */
class PrunerTest {
  private record First(Where where) implements CutPoint {
    @Override
    public int layer() {
      return 2;
    }

    @Override
    public int kept(int image) {
      return 1;
    }

    @Override
    public void select(Site site, Selection out) {
      throw new AssertionError("it comes to nothing");
    }
  }

  private static Pruner pruner(Device device, Where where, Mode mode, int images) {
    return new Pruner(device, null, null, null, null, List.of(new First(where)), mode, images);
  }

  @ParameterizedTest
  @EnumSource(Where.class)
  void picturesThatAreCutTogetherAreAtMost64(Where where) {
    for (Mode mode : Mode.values()) {
      assertDoesNotThrow(() -> pruner(null, where, mode, 64));
      if (where == Where.DECODER || mode == Mode.MASK) {
        assertEquals(
            "65 pictures in one prompt; at most 64 can be pruned in the decoder or with mode=mask",
            assertThrows(InputException.class, () -> pruner(null, where, mode, 65)).getMessage());
      } else {
        assertDoesNotThrow(() -> pruner(null, where, mode, 65));
      }
    }
  }

  @Test
  void candidatesOfAScoreAreAtMost4096() {
    try (Device device = CpuDevice.open(1)) {
      Pruner pruner = pruner(device, Where.VISION, Mode.COMPACT, 1);
      var keys = new Keys(1, 4097, null);
      var seen = new Attention(null, null, keys, new Span(0, 1), null);
      String sentence =
          assertThrows(
                  InputException.class,
                  () ->
                      pruner.cut(
                          new First(Where.VISION), 0, seen, List.of(), new Span(1, 4098), false))
              .getMessage();
      assertTrue(sentence.contains("would choose among 4097 visual tokens"), sentence);
    }
  }
}
