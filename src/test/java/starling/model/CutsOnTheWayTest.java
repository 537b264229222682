package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.model.TinyQuestion.FOLDER;
import static starling.model.TinyQuestion.OF_THE_MODEL;
import static starling.model.TinyQuestion.on;
import static starling.model.TinyQuestion.request;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.Candidates;
import starling.input.InputException;
import starling.model.Request.Progress;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** Cuts of a method from outside: counted by the device, one behind another, in the decoder. */
class CutsOnTheWayTest {
  /** Keeps the first candidates of a group, as many as the device says: at most nine. */
  private static class Counting implements Method, CutPoint {
    private final CutSite where;
    private final int layer;
    private final int[] said;

    Counting(CutSite where, int layer, int... said) {
      this.where = where;
      this.layer = layer;
      this.said = said;
    }

    @Override
    public CutSite where() {
      return where;
    }

    @Override
    public int layer() {
      return layer;
    }

    @Override
    public String spec(VlmShape shape) {
      return "counting";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public int kept(int group) {
      return 9;
    }

    @Override
    public boolean counted() {
      return true;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      context.device().upload(out.keep(), MemorySegment.ofArray(IntStream.range(0, 9).toArray()));
      int[] count = {said[context.group()]};
      context.device().upload(out.count(), MemorySegment.ofArray(count));
    }
  }

  /**
   * Rows are reserved for what is kept, not for what might have been; so the answer is the same.
   */
  @ParameterizedTest
  @EnumSource(CutSite.class)
  void whatTheDeviceCountsIsReservedAsCounted(CutSite where) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 4, 9);
          Request request = request(model, method, Mode.COMPACT, (phase, done, of) -> {});
          try (Generation generation = model.prefill(request)) {
            generation.next();
            int all = where == CutSite.DECODER ? 4 + 2 * 50 : 4 + 2 + 4 + 9;
            int left = 4 + 2 + 4 + 9;
            int[] rows = {all, all, all, left, left};
            assertArrayEquals(rows, generation.cachedRows());
            assertEquals(
                2L * (IntStream.of(rows).sum() + 5 * 8) * 32 * 4, generation.reservedBytes());
            boolean before = where == CutSite.VISION || where == CutSite.PROJECTOR_INPUT;
            assertEquals(before ? 2 + 4 + 9 : 2 * 50, generation.plan().projectedRows());
            assertEquals(4, generation.stages().get(0).kept().rows());
            assertEquals(9, generation.stages().get(1).kept().rows());
            assertTrue(generation.stages().get(1).counted());
            generation.next();
          }
        });
  }

  /** Hidden rows stay, so they are projected; behind the last image stand two of text. */
  @ParameterizedTest
  @EnumSource(CutSite.class)
  void aMaskedPlanCountsEveryRow(CutSite where) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 4, 9);
          Request request = request(model, method, Mode.MASK, (phase, done, of) -> {});
          try (Generation generation = model.prefill(request)) {
            assertEquals(2 * 50, generation.plan().projectedRows());
            assertEquals(4 + 2 * 50, generation.plan().layout().rows());
          }
          assertEquals(2, Planner.of(model.family(), request).shape().textRows());
        });
  }

  @ParameterizedTest
  @CsvSource({"PROJECTOR_OUTPUT, 1, 0", "DECODER, 2, 0", "DECODER, 2, 10", "DECODER, 2, -1"})
  void aCountOutsideOfWhatWasSaidIsRefused(CutSite where, int stage, int count) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 1, count);
          Request request = request(model, method, Mode.COMPACT, (phase, done, of) -> {});
          assertEquals(
              "stage " + stage + " keeps " + count + " visual tokens; the method said 1 to 9",
              assertThrows(InputException.class, () -> model.prefill(request)).getMessage());
          assertTrue(OF_THE_MODEL.containsAll(watched.open()), watched.open().toString());
        });
  }

  /** Behind layer 1 the candidates of an image are the rows behind its CLS row, and no others. */
  @ParameterizedTest
  @EnumSource(Mode.class)
  void candidatesInTheDecoderStandBehindCls(Mode mode) {
    on(
        FOLDER,
        (watched, model) -> {
          var seen = new ArrayList<Candidates>();
          var method =
              new Counting(CutSite.DECODER, 1, 9, 9) {
                @Override
                public void select(CutContext context, Selection out) {
                  seen.add(context.attention().parts().getFirst().candidates());
                  super.select(context, out);
                }
              };
          model.prefill(request(model, method, mode, (phase, done, of) -> {})).close();
          assertEquals(List.of(1 + 1, 1 + 50 + 1 + 1), seen.stream().map(Candidates::at).toList());
          assertEquals(List.of(49, 49), seen.stream().map(Candidates::count).toList());
        });
  }

  /** Keeps the tenth candidate and nine more, then looks at the projected rows of those. */
  private record Twice(List<float[]> seen) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return "twice";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(new Ten(CutSite.VISION, 10, seen), new Ten(CutSite.PROJECTOR_OUTPUT, 0, seen));
    }
  }

  private record Ten(CutSite where, int from, List<float[]> seen) implements CutPoint {
    @Override
    public int layer() {
      return 0;
    }

    @Override
    public int kept(int group) {
      return 10;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      if (where == CutSite.PROJECTOR_OUTPUT) {
        seen.add(context.floats(context.features()));
      }
      int[] keep = IntStream.range(from, from + 10).toArray();
      context.device().upload(out.keep(), MemorySegment.ofArray(keep));
    }
  }

  @Test
  void aSecondCutSeesTheRowsThatTheFirstLeft() {
    on(
        FOLDER,
        (watched, model) -> {
          var moved = new ArrayList<float[]>();
          var hidden = new ArrayList<float[]>();
          Progress none = (phase, done, of) -> {};
          model.prefill(request(model, new Twice(moved), Mode.COMPACT, none)).close();
          model.prefill(request(model, new Twice(hidden), Mode.MASK, none)).close();
          assertEquals(2, moved.size());
          for (int image = 0; image < 2; image++) {
            assertEquals(10 * 32, moved.get(image).length);
            assertArrayEquals(moved.get(image), hidden.get(image), 1e-5f);
          }
        });
  }
}
