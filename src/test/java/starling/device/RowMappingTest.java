package starling.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A selection that maps rows gives the bits of the two calls, on cpu and on emulated. */
class RowMappingTest extends OnEveryDevice {
  private static final int ROWS = 60;

  /** Of the last of some images: 12 candidates each, 5 of them kept. */
  private record Choice(CallMemory w, int images, int axes, PositionRule rule) {
    Tensor keep(int image) {
      Tensor keep = w.arena().alloc("keep", DType.I32, 5);
      if (image < images - 1) { // by an earlier call
        w.device().upload(keep, MemorySegment.ofArray(new int[] {0, 2, 3, 7, 11}));
      }
      return keep;
    }

    /** Every other image's candidates are every other row. */
    RowMapping map(List<Tensor> keeps, boolean asksForSources) {
      var cuts = new ArrayList<Cut>();
      int at = 3;
      for (Tensor keep : keeps) {
        boolean listed = cuts.size() % 2 == 1;
        int[] even = new int[12];
        Arrays.setAll(even, i -> 2 * i);
        Tensor rows = listed ? w.arena().alloc("rows", DType.I32, 12) : null;
        if (listed) {
          w.device().upload(rows, MemorySegment.ofArray(even));
        }
        cuts.add(new Cut(at, listed ? 23 : 12, keep, rows));
        at += listed ? 23 : 12;
      }
      int stay = ROWS - 7 * images;
      int[] positions = new int[axes * ROWS];
      Arrays.setAll(positions, i -> 100 * (i / ROWS) + 3 * (i % ROWS));
      Tensor before = axes == 1 ? w.i32("before", ROWS) : w.i32("before", axes, ROWS);
      w.device().upload(before, MemorySegment.ofArray(positions));
      return new RowMapping(
          w.i32("rows", stay),
          axes == 1 ? w.i32("after", stay) : w.i32("after", axes, stay),
          asksForSources ? w.i32("sources", stay) : null,
          before,
          cuts,
          rule);
    }
  }

  private static int[] ints(Device device, Tensor t) {
    int[] values = new int[t.rank() == 1 ? t.rows() : t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  private static Tensor random(CallMemory w, String name, int... shape) {
    Tensor t = w.f32(name, shape);
    float[] values = new float[t.rows() * t.width()];
    var random = new Random(name.hashCode());
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    w.device().upload(t, MemorySegment.ofArray(values));
    return t;
  }

  @ParameterizedTest
  @EnumSource
  void aSelectionThatMapsRowsGivesTheBitsOfTwoCalls(PositionRule rule) {
    for (Device device : thoseThatReachTheHost()) {
      for (int images : new int[] {1, 2, 3}) {
        for (int axes : new int[] {1, 3}) {
          for (int d : new int[] {32, 128}) { // of 128 in f32 it is two launches
            try (CallMemory w = CallMemory.of(device)) {
              String what = images + " images, " + axes + " axes, heads of " + d;
              agrees(new Choice(w, images, axes, rule), d, what);
            }
          }
        }
      }
    }
  }

  private static void agrees(Choice choice, int d, String what) {
    CallMemory w = choice.w();
    Device device = w.device();
    Tensor q = random(w, "q", ROWS, 2, d);
    var kv = new Kv(random(w, "k", ROWS, 2, d), random(w, "v", ROWS, 2, d), null);
    var in = new AttentionInputs(q, kv, Mask.CAUSAL, 0.2f);
    Tensor lse = w.f32("lse", 2, ROWS);
    device.attention(w.f32("out", ROWS, 2, d), lse, in);
    var span = new Span(50, ROWS);
    var keys = new Candidates(7, 12, null);
    var found = new ArrayList<int[]>();
    for (boolean inOne : new boolean[] {false, true}) {
      var keeps = new ArrayList<Tensor>();
      for (int image = 0; image < choice.images(); image++) {
        keeps.add(choice.keep(image));
      }
      Tensor score = w.f32("score", 12);
      Tensor nonFinite = w.arena().alloc("nonFinite", DType.I32, 1);
      RowMapping map = choice.map(keeps, true);
      Tensor keep = keeps.getLast();
      device.colsumSelect(keep, score, in, lse, span, keys, nonFinite, inOne ? map : null);
      if (!inOne) {
        device.rowMap(map);
      }
      found.add(ints(device, keep));
      found.add(ints(device, map.rows()));
      found.add(ints(device, map.positionsOut()));
      found.add(ints(device, map.sources()));
      assertEquals(0, ints(device, nonFinite)[0]);

      // What is not asked for any more is not written: neither sources, nor rows.
      RowMapping without = choice.map(keeps, false);
      device.colsumSelect(keep, score, in, lse, span, keys, nonFinite, without);
      assertArrayEquals(found.getLast(), ints(device, map.sources()), what);
      int[] none = new int[map.rows().rows()];
      device.upload(map.rows(), MemorySegment.ofArray(none));
      device.upload(without.rows(), MemorySegment.ofArray(none));
      device.colsumSelect(keep, score, in, lse, span, keys, nonFinite);
      assertArrayEquals(none, ints(device, map.rows()), what);
      assertArrayEquals(none, ints(device, without.rows()), what);
    }
    for (int i = 0; i < 4; i++) {
      assertArrayEquals(found.get(i), found.get(i + 4), what + ", " + i);
    }
  }
}
