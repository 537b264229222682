package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Tensor;

/** Which angle turns which channel, and which row of the cache a key and a value go to. */
class RopeOperatorTest extends CpuOperators {
  private static final int HEADS = 4;
  private static final int KEY_HEADS = 2;
  private static final int D = 8;
  private static final int WIDTH = (HEADS + 2 * KEY_HEADS) * D;

  /** Two segments: rows 0 and 1 behind 2 keys from row 4 on, row 2 at the start of row 10. */
  private static final int[] KEY_ROWS = {6, 7, 10};

  private static final int[][] STANDING = {{3, 5, 8}, {4, 6, 9}, {1, 7, 2}};
  private static final int[] SECTIONS = {1, 2, 1};

  private static float[] turned(float[] qkv, float[] cos, float[] sin, int t, int[][] at) {
    float[] row = Arrays.copyOfRange(qkv, t * WIDTH, (t + 1) * WIDTH);
    for (int h = 0; h < HEADS + KEY_HEADS; h++) {
      for (int i = 0; i < D / 2; i++) {
        int axis = i < SECTIONS[0] ? 0 : i < SECTIONS[0] + SECTIONS[1] ? 1 : 2;
        float c = cos[at[t][axis] * D / 2 + i];
        float s = sin[at[t][axis] * D / 2 + i];
        float a = qkv[t * WIDTH + h * D + i];
        float b = qkv[t * WIDTH + h * D + D / 2 + i];
        row[h * D + i] = a * c - b * s;
        row[h * D + D / 2 + i] = b * c + a * s;
      }
    }
    return row;
  }

  private void turns(Tensor positions, int[] sections, int[][] at) {
    Tensor qkv = gaussian("qkv", 3, WIDTH);
    Tensor cos = gaussian("cos", 12, D / 2);
    Tensor sin = gaussian("sin", 12, D / 2);
    for (CpuDevice device : devices()) {
      var segments =
          SegmentTable.of(
              vector,
              arena,
              Segment.of(0, 2, 4, 5).behind(2).standing(3, 5, 8),
              Segment.of(2, 1, 10, 2).standing(1, 7, 2));
      Tensor q = arena.alloc("q", DType.F32, 3, HEADS, D);
      Tensor k = gaussian("k", 12, KEY_HEADS, D);
      Tensor v = gaussian("v", 12, KEY_HEADS, D);
      float[] before = floats(k);
      device.rope(q, new Kv(k, v, segments), qkv, positions, new Rope(cos, sin, sections));
      float[] qs = floats(q);
      float[] ks = floats(k);
      float[] vs = floats(v);
      for (int t = 0; t < 3; t++) {
        float[] row = turned(floats(qkv), floats(cos), floats(sin), t, at);
        for (int i = 0; i < HEADS * D; i++) {
          assertEquals(row[i], qs[t * HEADS * D + i], 1e-5, "query " + t);
        }
        for (int i = 0; i < KEY_HEADS * D; i++) {
          int cached = KEY_ROWS[t] * KEY_HEADS * D + i;
          assertEquals(row[HEADS * D + i], ks[cached], 1e-5, "key " + t);
          assertEquals(row[(HEADS + KEY_HEADS) * D + i], vs[cached], "value " + t);
          assertNotEquals(before[cached], ks[cached]);
        }
      }
      assertEquals(before[5 * KEY_HEADS * D], ks[5 * KEY_HEADS * D], "a key before them stays");
    }
  }

  @Test
  void rowsStandBehindEachOtherWhereTheirSegmentStands() {
    turns(null, SECTIONS, STANDING);
  }

  @Test
  void rowsStandWhereTheCallSaysOnThreeAxes() {
    int[][] at = {{2, 0, 11}, {9, 1, 1}, {4, 4, 3}};
    int[] byAxis = new int[9];
    for (int i = 0; i < 9; i++) {
      byAxis[i] = at[i % 3][i / 3];
    }
    Tensor positions = arena.alloc("positions", DType.I32, 3, 3);
    vector.upload(positions, MemorySegment.ofArray(byAxis));
    turns(positions, SECTIONS, at);
  }

  @Test
  void onOneAxisAllChannelsTurnAlike() {
    turns(ints("positions", 5, 0, 11), null, new int[][] {{5, 5, 5}, {0, 0, 0}, {11, 11, 11}});
  }
}
