package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.ReferenceDevice;
import starling.device.Rope;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** Positions, draws and steps of segments on every device: by each one's own numbers. */
class SegmentStepsTest extends RaggedSegments {
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
            rows("qkv", 9, c.callRows(), (HEADS + 2 * KEY_HEADS) * D, callRows(c)));
    Tensor q = left(device, arena, type, c.callRows(), HEADS * D);
    Tensor k = left(device, arena, type, c.poolRows(), KEY_HEADS * D);
    Tensor v = left(device, arena, type, c.poolRows(), KEY_HEADS * D);
    Tensor positions = null;
    if (axes > 0) {
      int[] values = new Random(4).ints((long) axes * c.callRows(), 0, 1000).toArray();
      positions =
          axes == 1
              ? arena.alloc("positions", DType.I32, c.callRows())
              : arena.alloc("positions", DType.I32, axes, c.callRows());
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
            boolean idle = c.segments().get(s).rows() == 0;
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
    device.sample(id, null, logits, segments, nonFinite);
    return ints(device, id);
  }

  @Test
  void aStepMovesOnWhoeverIsNotIdle() {
    for (int count : new int[] {1, 3, 16, 300}) {
      Case c = ragged(count, 1);
      for (Device device : devices) {
        try (TensorArena arena = device.arena("test")) {
          Segments segments = c.on(device, arena);
          int[] expected = Segments.table(c.segments());
          device.advance(segments);
          device.advance(segments);
          for (int s = 0; s < count; s++) {
            int rows = c.segments().get(s).rows();
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
