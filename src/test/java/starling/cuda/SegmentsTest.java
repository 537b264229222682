package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.ReferenceDevice;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Attention of segments on every device: each one's rows follow the definition in double over its
 * own keys, and have the same bits alone and in company.
 */
class SegmentsTest extends RaggedSegments {
  private static final float SCALE = 0.18f;

  private static boolean[] keyRows(Case c, Segment only) {
    boolean[] used = new boolean[c.poolRows()];
    for (Segment s : only == null ? c.segments() : List.of(only)) {
      if (s.rows() > 0) {
        Arrays.fill(used, s.at(), s.at() + s.length() + s.rows(), true);
      }
    }
    return used;
  }

  /** The inputs on a device; keys of all segments, or of {@code only} one. */
  private static AttentionInputs inputs(
      Device device, TensorArena arena, DType type, Case c, boolean causal, Segment only) {
    Tensor q = table(device, arena, type, rows("q", 1, c.callRows(), HEADS * D, callRows(c)));
    boolean[] keys = keyRows(c, only);
    Tensor k = table(device, arena, type, rows("k", 2, c.poolRows(), KEY_HEADS * D, keys));
    Tensor v = table(device, arena, type, rows("v", 3, c.poolRows(), KEY_HEADS * D, keys));
    Tensor hidden = arena.alloc("hidden", DType.U8, c.hiddenBytes());
    byte[] marks = new byte[c.hiddenBytes()];
    for (int i = 0; i < marks.length; i++) {
      marks[i] = (byte) (i % 4 == 2 ? 1 : 0);
    }
    device.upload(hidden, MemorySegment.ofArray(marks));
    var kv = new Kv(k.split(KEY_HEADS, D), v.split(KEY_HEADS, D), c.on(device, arena));
    return new AttentionInputs(q.split(HEADS, D), kv, new Mask(causal, hidden), SCALE);
  }

  private static AttentionInputs with(AttentionInputs in, Segments segments) {
    var kv = new Kv(in.kv().k(), in.kv().v(), segments);
    return new AttentionInputs(in.q(), kv, in.mask(), in.scale());
  }

  private record Attended(float[] out, float[] lse) {}

  private static Attended attend(Device device, TensorArena arena, DType type, AttentionInputs in) {
    int rows = in.q().rows();
    Tensor out = left(device, arena, type, rows, HEADS * D);
    Tensor lse = left(device, arena, DType.F32, HEADS, rows);
    device.attention(out.split(HEADS, D), lse, in);
    return new Attended(Floats.of(device, out), Floats.of(device, lse));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4, 70})
  void attentionOfSegmentsFollowsItsDefinition(int most) {
    for (int count : COUNTS) {
      Case c = ragged(count, most);
      for (boolean causal : new boolean[] {true, false}) {
        var reference = new ReferenceDevice();
        Attended expected;
        try (TensorArena arena = reference.arena("reference")) {
          expected =
              attend(
                  reference,
                  arena,
                  DType.F32,
                  inputs(reference, arena, DType.F32, c, causal, null));
        }
        for (Device device : devices) {
          try (TensorArena arena = device.arena("test")) {
            String what =
                device.type().label() + ", " + count + " segments of up to " + most + " rows";
            AttentionInputs in = inputs(device, arena, DType.F32, c, causal, null);
            Attended actual = attend(device, arena, DType.F32, in);
            // Probabilities err by the rounding of a score of up to about 6 and of exp2.
            assertNear(expected.out, actual.out, 0x1p-24 * 500, "out: " + what);
            assertNear(expected.lse, actual.lse, 0x1p-24 * 200, "lse: " + what);
          }
        }
      }
    }
  }

  /** Whoever else is there, whatever stands in the others' keys, however many keys a grid takes. */
  @ParameterizedTest
  @ValueSource(ints = {1, 70})
  void aSegmentHasTheSameBitsAloneAndInCompany(int most) {
    for (int count : new int[] {3, 16}) {
      Case c = ragged(count, most);
      for (Device device : devices) {
        for (DType type :
            count == 3 ? List.of(DType.F32, DType.BF16, DType.F16) : List.of(DType.F32)) {
          try (TensorArena arena = device.arena("test")) {
            AttentionInputs in = inputs(device, arena, type, c, true, null);
            Attended all = attend(device, arena, type, in);
            for (int s = 0; s < count; s++) {
              Segment segment = c.segments().get(s);
              AttentionInputs alone = inputs(device, arena, type, c, true, segment);
              Segments one = alone.kv().segments().only(s);
              Attended wide =
                  attend(
                      device,
                      arena,
                      type,
                      with(alone, new Segments(one.table(), one.rows(), 4 * one.keys())));
              assertOnly(c, segment, all, attend(device, arena, type, with(alone, one)));
              assertOnly(c, segment, all, wide);
            }
          }
        }
      }
    }
  }

  /** The segment's rows are those of {@code all}, and no other row was written. */
  private static void assertOnly(Case c, Segment segment, Attended all, Attended alone) {
    for (int row = 0; row < c.callRows(); row++) {
      boolean mine = row >= segment.row() && row < segment.row() + segment.rows();
      for (int i = row * HEADS * D; i < (row + 1) * HEADS * D; i++) {
        float expected = mine ? all.out[i] : LEFT;
        assertEquals(0, Float.compare(expected, alone.out[i]), "row " + row);
      }
      for (int h = 0; h < HEADS; h++) {
        int i = h * c.callRows() + row;
        assertEquals(0, Float.compare(mine ? all.lse[i] : LEFT, alone.lse[i]), "row " + row);
      }
    }
  }

  @Test
  void columnSumsOfASegmentAreOfItsOwnRowsAndKeys() {
    for (int count : COUNTS) {
      Case c = ragged(count, 70);
      for (boolean causal : new boolean[] {true, false}) {
        for (int s = 0; s < count; s++) {
          Segment segment = c.segments().get(s);
          if (segment.rows() > 0 && s < 4) {
            columnSums(c, s, segment, causal);
          }
        }
      }
    }
  }

  private void columnSums(Case c, int s, Segment segment, boolean causal) {
    int keys = segment.length() + segment.rows();
    var span = new Span(segment.rows() / 3, segment.rows());
    var all = new Candidates(0, keys, null);
    float[] expected = null;
    var reference = new ReferenceDevice();
    try (TensorArena arena = reference.arena("reference")) {
      AttentionInputs in = inputs(reference, arena, DType.F32, c, causal, null);
      Tensor sums = arena.alloc("sums", DType.F32, HEADS, keys);
      Segments only = in.kv().segments().only(s);
      reference.attentionColsum(sums, with(in, only), null, span, all);
      expected = Floats.of(reference, sums);
    }
    for (Device device : devices) {
      try (TensorArena arena = device.arena("test")) {
        AttentionInputs in = inputs(device, arena, DType.F32, c, causal, null);
        Tensor lse = arena.alloc("lse", DType.F32, HEADS, c.callRows());
        Tensor out = arena.alloc("out", DType.F32, c.callRows(), HEADS, D);
        device.attention(out, lse, in);
        AttentionInputs one = with(in, in.kv().segments().only(s));
        Tensor sums = arena.alloc("sums", DType.F32, HEADS, keys);
        device.attentionColsum(sums, one, lse, span, all);
        assertNear(
            expected,
            Floats.of(device, sums),
            0x1p-24 * 500 * span.length(),
            device.type().label());

        // The chosen are the best of those sums.
        int n = Math.min(keys, 9);
        Tensor index = arena.alloc("index", DType.I32, n);
        int[] last = IntStream.range(keys - n, keys).toArray();
        device.upload(index, MemorySegment.ofArray(last));
        Tensor keep = arena.alloc("keep", DType.I32, 1);
        Tensor score = arena.alloc("score", DType.F32, n);
        Tensor nonFinite = arena.alloc("nonFinite", DType.I32, 1);
        device.colsumSelect(keep, score, one, lse, span, new Candidates(0, n, index), nonFinite);
        float[] scores = Floats.of(device, score);
        float[] of = Floats.of(device, sums);
        for (int j = 0; j < n; j++) {
          double mean = 0;
          for (int h = 0; h < HEADS; h++) {
            mean += of[h * keys + last[j]];
          }
          assertEquals(mean / (HEADS * span.length()), scores[j], 1e-6, device.type().label());
        }
        assertEquals(0, ints(device, nonFinite)[0]);
      }
    }
  }
}
