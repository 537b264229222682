package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Tensor;

/** Rows of a pool: handed out, given back, copied and grown. */
class SlotTest {
  private CpuDevice device;
  private KvPool pool;

  @BeforeEach
  void open() {
    device = CpuDevice.open(1);
    pool = new KvPool(device, device.slab("copies"), DType.F32, 2, 4);
  }

  @AfterEach
  void close() {
    pool.close();
    device.close();
  }

  private void fill(Slot slot, int from) {
    for (int l = 0; l < slot.rows().capacity().length; l++) {
      Kv kv = slot.own(l, null);
      for (Tensor t : new Tensor[] {kv.k(), kv.v()}) {
        float[] values = new float[t.rows() * 8];
        for (int i = 0; i < values.length; i++) {
          values[i] = from + 1000 * l + i + (t == kv.v() ? 0.5f : 0);
        }
        device.upload(t, MemorySegment.ofArray(values));
      }
    }
  }

  private float[] read(Tensor t, int rows) {
    float[] values = new float[rows * 8];
    device.download(MemorySegment.ofArray(values), t.rows(0, rows));
    return values;
  }

  private float[] keys(Slot slot, int layer, int rows) {
    return read(slot.own(layer, null).k(), rows);
  }

  private float[] values(Slot slot, int layer, int rows) {
    return read(slot.own(layer, null).v(), rows);
  }

  @Test
  void layersStandOneBehindTheOtherAndSlotsDoNotTouch() {
    Slot a = pool.take(new int[] {3, 1, 2});
    pool.take(new int[] {100}).close();
    Slot b = pool.take(new int[] {3, 5});
    Slot c = pool.take(new int[] {4});
    assertEquals(0, a.at(0));
    assertEquals(3, a.at(1));
    assertEquals(4, a.at(2));
    assertEquals(2 * 6 * 8 * 4, a.bytes());
    assertEquals(0, b.at(0));
    assertEquals(3, b.at(1));
    assertEquals(8, c.at(0), "behind the other in one allocation");
    assertTrue(b.shared(null).k() == c.shared(null).k());
    fill(a, 10_000);
    fill(b, 20_000);
    fill(c, 30_000);
    assertEquals(10_000, keys(a, 0, 3)[0]);
    assertEquals(21_000 + 5 * 8 - 1, keys(b, 1, 5)[5 * 8 - 1]);
    assertEquals(30_000.5f, values(c, 0, 4)[0]);
    Tensor shared = b.shared(null).k();
    assertArrayEquals(keys(b, 1, 5), read(shared.rows(b.at(1), b.at(1) + 5), 5));
  }

  @Test
  void rowsThatAreGivenBackAreHandedOutAgain() {
    pool.take(new int[] {30}).close();
    long bytes = pool.bytes();
    assertEquals(2 * 30 * 8 * 4, bytes);
    Slot a = pool.take(new int[] {10});
    Slot b = pool.take(new int[] {10});
    Slot c = pool.take(new int[] {10});
    b.close();
    b.close();
    assertEquals(10, pool.take(new int[] {4, 2}).at(0));
    assertEquals(16, pool.take(new int[] {4}).at(0));
    assertEquals(bytes, pool.bytes());
    a.close();
    c.close();
    assertEquals(0, pool.take(new int[] {10}).at(0));
    assertEquals(20, pool.take(new int[] {10}).at(0));
    assertEquals(bytes, pool.bytes());
  }

  @Test
  void whatDoesNotFitStandsBesideAndWhatNobodyUsesGoes() {
    Slot small = pool.take(new int[] {10});
    long bytes = pool.bytes();
    Slot large = pool.take(new int[] {20});
    assertEquals(3 * bytes, pool.bytes());
    small.close();
    large.close();
    pool.take(new int[] {40});
    assertEquals(4 * bytes, pool.bytes());
  }

  @Test
  void aCopyHasTheSameBitsAndThenALifeOfItsOwn() {
    Slot a = pool.take(new int[] {5, 3});
    fill(a, 100);
    Slot b = a.copy();
    assertArrayEquals(keys(a, 0, 5), keys(b, 0, 5));
    assertArrayEquals(values(a, 1, 3), values(b, 1, 3));
    float[] before = keys(a, 1, 3);
    fill(b, 7000);
    assertArrayEquals(before, keys(a, 1, 3));
    a.close();
    assertEquals(7000, keys(b, 0, 5)[0]);
  }

  @Test
  void aGrownSlotKeepsWhatItHeldLayerByLayer() {
    Slot other = pool.take(new int[] {2});
    Slot a = pool.take(new int[] {5, 3});
    fill(a, 100);
    float[] k0 = keys(a, 0, 5);
    float[] v1 = values(a, 1, 3);
    Tensor before = a.own(0, null).k();
    a.grow(new int[] {9, 3});
    assertEquals(9, a.capacity(0));
    assertArrayEquals(k0, keys(a, 0, 5));
    assertArrayEquals(v1, values(a, 1, 3));
    assertEquals(9, a.own(0, null).k().rows());
    assertThrows(IllegalStateException.class, () -> read(before, 1), "it was given back");
    fill(a, 300);
    assertEquals(300, keys(a, 0, 9)[0]);
    assertEquals(2, other.capacity(0));
    String sentence =
        assertThrows(IllegalArgumentException.class, () -> a.grow(new int[] {9, 2})).getMessage();
    assertEquals("a slot of [9, 3] rows cannot grow to [9, 2]", sentence);
    assertThrows(IllegalArgumentException.class, () -> a.grow(new int[] {9}));
  }

  @Test
  void aClosedSlotAndItsTensorsAreRefused() {
    Slot a = pool.take(new int[] {5});
    Tensor k = a.own(0, null).k();
    a.close();
    a.close();
    for (Executable use :
        List.<Executable>of(
            () -> a.own(0, null),
            () -> a.shared(null),
            a::copy,
            () -> a.grow(new int[] {9}),
            () -> a.at(0),
            a::bytes)) {
      assertEquals(
          "a slot is used after it was closed",
          assertThrows(IllegalStateException.class, use).getMessage());
    }
    String sentence = assertThrows(IllegalStateException.class, () -> read(k, 1)).getMessage();
    assertTrue(sentence.contains("keys is used after its arena 'slot' was closed"), sentence);
    Slot b = pool.take(new int[] {5});
    pool.close();
    assertThrows(IllegalStateException.class, () -> b.own(0, null));
    pool.close();
  }

  @Test
  void rowsThatASlotHasLeftAreFree() {
    pool.take(new int[] {30}).close();
    long bytes = pool.bytes();
    Slot a = pool.take(new int[] {5});
    a.grow(new int[] {20}); // behind what it leaves
    assertEquals(0, pool.take(new int[] {5}).at(0));
    a.close();
    assertEquals(5, pool.take(new int[] {25}).at(0));
    assertEquals(bytes, pool.bytes());
  }

  /** A copy that fails on the way gives its rows back, and the slot is what it was. */
  @Test
  void aCopyThatFailsLeavesNothing() {
    try (var watched = new WatchedDevice();
        var own = watched.pool()) {
      own.take(new int[] {40}).close();
      Slot slot = own.take(new int[] {5, 3});
      for (boolean copies : new boolean[] {true, false}) {
        int failures = 0;
        for (boolean fails = true; fails; failures += fails ? 1 : 0) {
          watched.failAfter(failures);
          try (Slot other = copies ? slot.copy() : null) {
            if (other == null) {
              slot.grow(new int[] {9, 3});
            }
            fails = false;
          } catch (WatchedDevice.Planted e) {
            assertEquals(List.of("keys and values", "slot"), watched.open());
            assertEquals(5, slot.capacity(0));
          }
        }
        watched.failAfter(-1);
        assertTrue(failures >= 3, "calls that can fail: " + failures);
      }
      assertEquals(9, slot.capacity(0));
      assertEquals(List.of("keys and values", "slot"), watched.open());
    }
  }

  @Test
  void allocationsThatNobodyUsesAreFreed() {
    try (var watched = new WatchedDevice();
        var own = watched.pool()) {
      own.take(new int[] {10}).close();
      assertEquals(List.of("keys and values"), watched.open());
      own.take(new int[] {20}).close();
      assertEquals(List.of("keys and values"), watched.open());
      assertEquals(2 * 20 * 8 * 4, own.bytes());
    }
  }
}
