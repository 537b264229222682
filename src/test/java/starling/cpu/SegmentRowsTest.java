package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.TensorArena;

/** Segments of a call as the operators read them. */
class SegmentRowsTest {
  private final CpuDevice device = new CpuDevice(1, new ScalarLanes());
  private final TensorArena arena = device.arena("segments");
  private final SegmentRows rows = new SegmentRows();

  @AfterEach
  void close() {
    arena.close();
    device.close();
  }

  private Segments three() {
    return SegmentTable.of(
        device,
        arena,
        Segment.of(0, 2, 10, 20).behind(3),
        Segment.idle(),
        Segment.of(2, 5, 40, 60).behind(7),
        Segment.of(7, 1, 90, 91));
  }

  @Test
  void idleSegmentsAreLeftOut() {
    rows.read(three(), 8);
    assertEquals(3, rows.count());
    int[][] expected = {{0, 2, 10, 3}, {2, 5, 40, 7}, {7, 1, 90, 0}};
    for (int s = 0; s < 3; s++) {
      assertEquals(expected[s][0], rows.row(s), "first row of " + s);
      assertEquals(expected[s][1], rows.rows(s), "rows of " + s);
      assertEquals(expected[s][2], rows.at(s), "start in the cache of " + s);
      assertEquals(expected[s][3], rows.length(s), "keys of " + s);
    }
    assertEquals(60, rows.get(1, Segments.CAPACITY));
  }

  @Test
  void everyItemBelongsToItsSegment() {
    rows.read(three(), 8);
    int[] items = {2, 3, 1};
    for (int s = 0; s < 3; s++) {
      rows.items(s, items[s]);
    }
    assertEquals(6, rows.items());
    int[] segments = {0, 0, 1, 1, 1, 2};
    int[] within = {0, 1, 0, 1, 2, 0};
    for (int i = 0; i < 6; i++) {
      assertEquals(segments[i], rows.of(i), "segment of item " + i);
      assertEquals(within[i], rows.within(i, segments[i]), "item " + i + " within it");
    }
  }

  @Test
  void aSegmentWithoutWorkHasNoItem() {
    rows.read(three(), 8);
    rows.items(0, 0);
    rows.items(1, 4);
    rows.items(2, 1);
    for (int i = 0; i < 4; i++) {
      assertEquals(1, rows.of(i));
    }
    assertEquals(2, rows.of(4));
  }

  @Test
  void withoutATableAllRowsAreOneSegmentWhateverWasReadBefore() {
    rows.read(three(), 8);
    rows.read(null, 6);
    assertEquals(1, rows.count());
    assertEquals(6, rows.rows(0));
    for (int c = 0; c < Segments.WIDTH; c++) {
      assertEquals(c == Segments.ROWS ? 6 : 0, rows.get(0, c), "column " + c);
    }
    rows.read(null, 0);
    assertEquals(0, rows.count());
  }

  @Test
  void aLongerTableThanBeforeIsRead() {
    rows.read(null, 1);
    rows.read(SegmentTable.of(device, arena, Segment.of(0, 1, 4, 8)), 1);
    assertEquals(4, rows.at(0));
    rows.read(three(), 8);
    assertEquals(90, rows.at(2));
  }

  @Test
  void aSegmentAloneHasAllItems() {
    rows.read(SegmentTable.of(device, arena, Segment.of(0, 3, 4, 8)), 3);
    rows.items(0, 3);
    assertEquals(0, rows.of(2));
    assertEquals(2, rows.within(2, 0));
  }
}
