package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.ReferenceDevice;
import starling.device.Rope;
import starling.device.Sampling;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Segments on every device: each one's rows follow the definition in double over its own keys, and
 * have the same bits alone and in company. Rows and keys that belong to nobody are NaN.
 */
class SegmentsTest {
  private static final int HEADS = 4;
  private static final int KEY_HEADS = 2;
  private static final int D = 32;
  private static final float SCALE = 0.18f;
  private static final float LEFT = 77; // what an output holds where nothing is written

  private final List<Device> devices = new ArrayList<>();

  @BeforeEach
  void open() {
    devices.add(CpuDevice.open(2));
    devices.add(CpuDevice.scalar());
    if (Files.exists(Native.HOST) || Native.DEVICE != DeviceType.EMULATED) {
      devices.add(NativeDevice.open(Native.DEVICE));
    }
  }

  @AfterEach
  void close() {
    devices.forEach(Device::close);
    devices.clear();
  }

  /**
   * Segments of a call, in a pool whose ranges stand in another order than the rows.
   *
   * @param callRows rows of the call, some of which belong to nobody
   * @param poolRows rows of k and v, the same
   */
  private record Case(List<Segment> segments, int callRows, int poolRows, int hiddenBytes) {
    int rows() {
      return segments.stream().mapToInt(Segment::rows).max().orElseThrow();
    }

    int keys() {
      return segments.stream().mapToInt(s -> s.length() + s.rows()).max().orElseThrow();
    }

    Segments on(Device device, TensorArena arena) {
      return SegmentTable.of(device, arena, rows(), keys(), segments.toArray(Segment[]::new));
    }
  }

  /** Ragged segments of up to {@code most} rows; from three on, one is idle. */
  private static Case ragged(int count, int most) {
    var random = new Random(31L * count + most);
    int row = 2;
    int hidden = 3;
    int[] capacity = new int[count];
    var segments = new ArrayList<Segment>();
    for (int s = 0; s < count; s++) {
      int rows = s == 0 ? most : s == 2 ? 0 : 1 + random.nextInt(most);
      int length = s % 4 == 1 ? 0 : random.nextInt(most < 5 ? 300 : 60);
      capacity[s] = length + rows + random.nextInt(5);
      int position = random.nextInt(40);
      segments.add(
          Segment.of(row, rows, 0, capacity[s])
              .behind(length)
              .hidden(s % 3 == 0 ? hidden : -1)
              .standing(position, position + 3, 2 * position)
              .drawing(s, new Sampling(s % 2 == 0 ? 0 : 0.9f, s % 5, 0.95f, 1L << 40 | s)));
      row += rows + random.nextInt(3);
      hidden += capacity[s] + 1;
    }
    int at = 1;
    for (int s = count - 1; s >= 0; s--) { // the last stands first in the pool
      Segment x = segments.get(s);
      segments.set(
          s,
          new Segment(
              x.row(),
              x.rows(),
              at,
              x.capacity(),
              x.length(),
              x.hidden(),
              x.position(),
              x.second(),
              x.third(),
              x.step(),
              x.sampling()));
      at += capacity[s] + s % 3;
    }
    return new Case(segments, row + 2, at + 2, hidden);
  }

  private static Tensor table(Device device, TensorArena arena, DType type, StoredTensor values) {
    return device.table(arena, type, values);
  }

  /** Gaussian rows where {@code used}, NaN elsewhere. */
  private static StoredTensor rows(String name, long seed, int rows, int width, boolean[] used) {
    var random = new Random(seed);
    float[] values = new float[rows * width];
    for (int i = 0; i < values.length; i++) {
      float value = (float) random.nextGaussian();
      values[i] = used[i / width] ? value : Float.NaN;
    }
    return StoredTensor.of(name, List.of(rows, width), values);
  }

  private static boolean[] callRows(Case c) {
    boolean[] used = new boolean[c.callRows];
    c.segments.forEach(s -> Arrays.fill(used, s.row(), s.row() + s.rows(), true));
    return used;
  }

  private static boolean[] keyRows(Case c, Segment only) {
    boolean[] used = new boolean[c.poolRows];
    for (Segment s : only == null ? c.segments : List.of(only)) {
      if (s.rows() > 0) {
        Arrays.fill(used, s.at(), s.at() + s.length() + s.rows(), true);
      }
    }
    return used;
  }

  /** The inputs on a device; keys of all segments, or of {@code only} one. */
  private static AttentionInputs inputs(
      Device device, TensorArena arena, DType type, Case c, boolean causal, Segment only) {
    Tensor q = table(device, arena, type, rows("q", 1, c.callRows, HEADS * D, callRows(c)));
    boolean[] keys = keyRows(c, only);
    Tensor k = table(device, arena, type, rows("k", 2, c.poolRows, KEY_HEADS * D, keys));
    Tensor v = table(device, arena, type, rows("v", 3, c.poolRows, KEY_HEADS * D, keys));
    Tensor hidden = arena.alloc("hidden", DType.U8, c.hiddenBytes);
    byte[] marks = new byte[c.hiddenBytes];
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

  private static Tensor left(Device device, TensorArena arena, DType type, int rows, int width) {
    float[] values = new float[rows * width];
    Arrays.fill(values, LEFT);
    Tensor t = arena.alloc("out", type, rows, width);
    StoredTensor stored = StoredTensor.of("left", List.of(rows, width), values);
    int[] all = IntStream.range(0, rows).toArray();
    Tensor index = arena.alloc("all", DType.I32, rows);
    device.upload(index, MemorySegment.ofArray(all));
    device.gatherRows(List.of(t), List.of(device.table(arena, type, stored)), index);
    return t;
  }

  private static int[] ints(Device device, Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  private record Attended(float[] out, float[] lse) {}

  private static Attended attend(Device device, TensorArena arena, DType type, AttentionInputs in) {
    int rows = in.q().rows();
    Tensor out = left(device, arena, type, rows, HEADS * D);
    Tensor lse = left(device, arena, DType.F32, HEADS, rows);
    device.attention(out.split(HEADS, D), lse, in);
    return new Attended(Floats.of(device, out), Floats.of(device, lse));
  }

  private static void assertNear(float[] expected, float[] actual, double bound, String what) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      boolean same = Float.compare(expected[i], actual[i]) == 0;
      assertTrue(
          same || Math.abs(expected[i] - actual[i]) <= bound,
          what + " [" + i + "] is " + actual[i] + ", not " + expected[i]);
    }
  }

  private static final int[] COUNTS = {1, 3, 16};

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
              Segment segment = c.segments.get(s);
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
    for (int row = 0; row < c.callRows; row++) {
      boolean mine = row >= segment.row() && row < segment.row() + segment.rows();
      for (int i = row * HEADS * D; i < (row + 1) * HEADS * D; i++) {
        float expected = mine ? all.out[i] : LEFT;
        assertEquals(0, Float.compare(expected, alone.out[i]), "row " + row);
      }
      for (int h = 0; h < HEADS; h++) {
        int i = h * c.callRows + row;
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
          Segment segment = c.segments.get(s);
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
        Tensor lse = arena.alloc("lse", DType.F32, HEADS, c.callRows);
        Tensor out = arena.alloc("out", DType.F32, c.callRows, HEADS, D);
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

  // ---- rope ----

  private static Rope angles(Device device, TensorArena arena, int... sections) {
    float[] cos = new float[1000 * 16];
    float[] sin = new float[1000 * 16];
    for (int i = 0; i < cos.length; i++) {
      int position = i / 16;
      double angle = position * Math.pow(10_000, -(i % 16) / 16.0);
      cos[i] = (float) Math.cos(angle);
      sin[i] = (float) Math.sin(angle);
    }
    var shape = List.of(1000, 16);
    return new Rope(
        device.table(arena, DType.F32, StoredTensor.of("cos", shape, cos)),
        device.table(arena, DType.F32, StoredTensor.of("sin", shape, sin)),
        sections.length == 0 ? null : sections);
  }

  private record Roped(float[] q, float[] k, float[] v) {}

  private static Roped rope(
      Device device,
      TensorArena arena,
      DType type,
      Case c,
      Segments segments,
      Rope angles,
      int axes) {
    Tensor qkv =
        table(
            device,
            arena,
            type,
            rows("qkv", 9, c.callRows, (HEADS + 2 * KEY_HEADS) * D, callRows(c)));
    Tensor q = left(device, arena, type, c.callRows, HEADS * D);
    Tensor k = left(device, arena, type, c.poolRows, KEY_HEADS * D);
    Tensor v = left(device, arena, type, c.poolRows, KEY_HEADS * D);
    Tensor positions = null;
    if (axes > 0) {
      int[] values = new Random(4).ints((long) axes * c.callRows, 0, 1000).toArray();
      positions =
          axes == 1
              ? arena.alloc("positions", DType.I32, c.callRows)
              : arena.alloc("positions", DType.I32, axes, c.callRows);
      device.upload(positions, MemorySegment.ofArray(values));
    }
    var kv = new Kv(k.split(KEY_HEADS, D), v.split(KEY_HEADS, D), segments);
    device.rope(q.split(HEADS, D), kv, qkv, positions, angles);
    return new Roped(Floats.of(device, q), Floats.of(device, k), Floats.of(device, v));
  }

  /** Behind its own keys, at positions of the table or of the caller, on one axis or three. */
  @Test
  void ropePutsEverySegmentsRowsBehindItsOwnKeys() {
    for (int count : COUNTS) {
      for (int most : new int[] {1, 40}) {
        Case c = ragged(count, most);
        for (int axes : new int[] {0, 1, 3}) {
          for (int[] sections : new int[][] {{}, {4, 6, 6}}) {
            if (axes == 3 && sections.length == 0) {
              continue;
            }
            Roped expected;
            var reference = new ReferenceDevice();
            try (TensorArena arena = reference.arena("reference")) {
              expected =
                  rope(
                      reference,
                      arena,
                      DType.F32,
                      c,
                      c.on(reference, arena),
                      angles(reference, arena, sections),
                      axes);
            }
            for (Device device : devices) {
              try (TensorArena arena = device.arena("test")) {
                String what =
                    device.type().label() + ", " + count + " of " + most + ", axes " + axes;
                Rope angles = angles(device, arena, sections);
                Roped actual = rope(device, arena, DType.F32, c, c.on(device, arena), angles, axes);
                assertNear(expected.q, actual.q, 0x1p-24 * 16, "q: " + what);
                assertNear(expected.k, actual.k, 0x1p-24 * 16, "k: " + what);
                assertArrayEquals(expected.v, actual.v, "v: " + what);
              }
            }
          }
        }
      }
    }
  }

  /** The axes of a position turn different channels: equal ones are one axis. */
  @Test
  void threeEqualAxesAreOne() {
    Case c = ragged(3, 10);
    for (Device device : devices) {
      try (TensorArena arena = device.arena("test")) {
        Segments segments = c.on(device, arena);
        Roped one = rope(device, arena, DType.F32, c, segments, angles(device, arena), 1);
        Roped three =
            rope(device, arena, DType.F32, c, segments, angles(device, arena, 4, 6, 6), 1);
        Roped other =
            rope(device, arena, DType.F32, c, segments, angles(device, arena, 4, 6, 6), 3);
        assertArrayEquals(one.q, three.q);
        assertTrue(!Arrays.equals(one.q, other.q), "other positions on the other axes");
      }
    }
  }

  // ---- the end of a step ----

  @Test
  void everySegmentDrawsByItsOwnNumbersAndIdleOnesDoNot() {
    for (int count : COUNTS) {
      Case c = ragged(count, 2);
      int[] first = null;
      for (Device device : devices) {
        try (TensorArena arena = device.arena("test")) {
          boolean[] all = new boolean[count];
          Arrays.fill(all, true);
          Tensor logits = table(device, arena, DType.F32, rows("logits", 6, count, 300, all));
          int[] faults = new int[count];
          faults[count / 2] = 1;
          Tensor nonFinite = arena.alloc("nonFinite", DType.I32, count);
          device.upload(nonFinite, MemorySegment.ofArray(faults));
          Segments segments = c.on(device, arena);
          int[] together = draw(device, arena, logits, segments, nonFinite);
          for (int s = 0; s < count; s++) {
            Tensor row = logits.rows(s, s + 1);
            int[] alone = draw(device, arena, row, segments.only(s), nonFinite.rows(s, s + 1));
            assertEquals(together[s], alone[0], device.type().label());
            boolean idle = c.segments.get(s).rows() == 0;
            assertTrue(idle ? alone[0] == -9 : s == count / 2 ? alone[0] == -1 : alone[0] >= 0);
          }
          first = first == null ? together : first;
          assertArrayEquals(first, together, device.type().label());
        }
      }
    }
  }

  private static int[] draw(
      Device device, TensorArena arena, Tensor logits, Segments segments, Tensor nonFinite) {
    int[] ids = new int[segments.count()];
    Arrays.fill(ids, -9);
    Tensor id = arena.alloc("ids", DType.I32, ids.length);
    device.upload(id, MemorySegment.ofArray(ids));
    device.sample(id, logits, segments, nonFinite);
    return ints(device, id);
  }

  @Test
  void aStepMovesOnWhoeverIsNotIdle() {
    for (int count : new int[] {1, 3, 16, 300}) {
      Case c = ragged(count, 1);
      for (Device device : devices) {
        try (TensorArena arena = device.arena("test")) {
          Segments segments = c.on(device, arena);
          int[] expected = Segments.table(c.segments);
          device.advance(segments);
          device.advance(segments);
          for (int s = 0; s < count; s++) {
            int rows = c.segments.get(s).rows();
            int row = s * Segments.WIDTH;
            expected[row + Segments.LENGTH] += 2 * rows;
            for (int axis = 0; axis < Segments.AXES; axis++) {
              expected[row + Segments.POSITION + axis] += 2 * rows;
            }
            expected[row + Segments.STEP] += rows > 0 ? 2 : 0;
          }
          assertArrayEquals(expected, ints(device, segments.table()), device.type().label());
        }
      }
    }
  }
}
