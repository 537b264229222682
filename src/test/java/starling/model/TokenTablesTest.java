package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import starling.cpu.CpuDevice;
import starling.device.Candidates;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.ImageTokens;

/** The lists of an image as the device gets them. */
class TokenTablesTest {
  private final CpuDevice device = CpuDevice.open(1);
  private final TensorArena arena = device.arena("tables");

  @AfterEach
  void close() {
    arena.close();
    device.close();
  }

  private int[] ints(Tensor t) {
    int[] values = new int[t.rank() == 1 ? t.rows() : t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  /**
   * Two crops of two tokens each, whose cells of two patches do not follow each other; a CLS row
   * goes along, and a newline stands behind every two tokens, which lie across the crops:
   *
   * <pre>
   * tower   0: CLS  1 2 3 4 | 5: CLS  6 7 8 9
   * decoder 0: CLS  1: a  2: b  3: newline  4: c  5: d  6: newline, a and c of the first crop
   * </pre>
   */
  private static ImageTokens crossed() {
    return new ImageTokens(
        List.of(new ImageTokens.Crop(1, 2, 0, 1, 4), new ImageTokens.Crop(1, 2, 5, 1, 4)),
        7,
        new int[] {1, 2, 4, 5},
        new int[] {0, 1, 0, 1},
        new int[] {0, 0, 1, 1},
        new int[] {1, 3, 6, 8, 2, 4, 7, 9},
        new int[] {0});
  }

  private TokenTables of(ImageTokens tokens, int before) {
    var tables = new Tables();
    tables.add(IntStream.range(1000, 1000 + before).toArray());
    var own = new TokenTables(tokens, tables);
    tables.upload(device, arena);
    return own;
  }

  @Test
  void anImageOfCropsHasListsOfAllThatIsOutOfOrder() {
    for (int before : new int[] {0, 3, 100}) {
      TokenTables own = of(crossed(), before);
      assertFalse(own.plain());
      assertArrayEquals(new int[] {1, 2, 4, 5}, ints(own.row()));
      // Fixed rows are CLS and two newlines; the candidates stand behind these three.
      assertArrayEquals(new int[] {0, 3, 4, 1, 5, 6, 2}, ints(own.inPlace()));
      assertArrayEquals(new int[] {0, 1, 3, 6, 8, 2, 4, 7, 9}, ints(own.tower()));
      assertArrayEquals(new int[] {0, 2}, ints(own.members(0)));
      assertArrayEquals(new int[] {1, 3}, ints(own.members(1)));
      assertArrayEquals(new int[] {0, 2, 1, 3}, ints(own.byCrop()));
      assertArrayEquals(new int[] {0, 0, 1, 1}, ints(own.inCrop()));
      int[][] keys = {{1, 3, 2, 4}, {1, 3, 2, 4}};
      for (int crop = 0; crop < 2; crop++) {
        Candidates in = own.keys(crop);
        assertEquals(0, in.at());
        assertEquals(4, in.count());
        assertArrayEquals(keys[crop], ints(in.index()), "keys of crop " + crop);
      }
    }
  }

  /** The same decoder rows; the newlines are candidates, too. */
  @Test
  void rowsThatNoCropShowsComeFromTheTable() {
    var tokens =
        new ImageTokens(
            List.of(new ImageTokens.Crop(1, 2, 0, 1, 4), new ImageTokens.Crop(1, 2, 5, 1, 4)),
            7,
            new int[] {1, 2, 3, 4, 5, 6},
            new int[] {0, 1, -1, 0, 1, -1},
            new int[] {0, 0, -1, 1, 1, -1},
            new int[] {1, 3, 6, 8, -1, -1, 2, 4, 7, 9, -1, -1},
            new int[] {0});
    TokenTables own = of(tokens, 3);
    assertFalse(own.plain());
    assertNull(own.row(), "all candidates stand behind CLS");
    // As they are made: CLS and two newlines, then the four cells.
    assertArrayEquals(new int[] {0, 3, 4, 1, 5, 6, 2}, ints(own.inPlace()));
    assertArrayEquals(new int[] {0, 1, 3, 6, 8, 2, 4, 7, 9}, ints(own.tower()));
    assertArrayEquals(new int[] {0, 3}, ints(own.members(0)));
    assertArrayEquals(new int[] {1, 3, 2, 4}, ints(own.keys(1).index()));
  }

  @Test
  void cropsAreSegmentsOfTheTower() {
    Segments segments = of(crossed(), 2).segments();
    assertEquals(5, segments.rows());
    assertEquals(5, segments.keys());
    int[] table = ints(segments.table());
    assertEquals(2 * Segments.WIDTH, table.length);
    for (int crop = 0; crop < 2; crop++) {
      int at = crop * Segments.WIDTH;
      assertEquals(5 * crop, table[at + Segments.ROW]);
      assertEquals(5, table[at + Segments.ROWS]);
      assertEquals(5 * crop, table[at + Segments.AT]);
      assertEquals(5, table[at + Segments.CAPACITY]);
    }
  }

  @Test
  void anImageInOrderNeedsNone() {
    var tables = new Tables();
    TokenTables plain = new TokenTables(ImageTokens.grid(2, 3, 1, true), tables);
    assertTrue(plain.plain());
    assertNull(plain.row());
    assertNull(plain.segments());
    assertEquals(0, tables.add(new int[] {7}), "nothing was added");
  }

  /** One crop, one row for each candidate, but fixed rows at the end. */
  @Test
  void aNewlineBehindAPlainCropIsPlacedAlone() {
    var tokens =
        new ImageTokens(
            List.of(new ImageTokens.Crop(1, 2, 0, 0, 2)),
            3,
            new int[] {0, 1},
            new int[2],
            new int[] {0, 1},
            new int[] {0, 1},
            new int[0]);
    TokenTables own = of(tokens, 1);
    assertTrue(own.plain());
    assertArrayEquals(new int[] {0, 1}, ints(own.row()));
    assertArrayEquals(new int[] {1, 2, 0}, ints(own.inPlace()));
  }

  @Test
  void cellsOrRowsOutOfOrderAreNotPlain() {
    var crop = List.of(new ImageTokens.Crop(1, 2, 0, 0, 4));
    var cells =
        new ImageTokens(
            crop,
            2,
            new int[] {0, 1},
            new int[2],
            new int[] {0, 1},
            new int[] {0, 1, 2, 3},
            new int[0]);
    TokenTables own = of(cells, 0);
    assertFalse(own.plain());
    assertNull(own.row());
    assertNull(own.segments(), "one crop is the whole tower");
    assertArrayEquals(new int[] {0, 1, 2, 3}, ints(own.tower()));
    var turned =
        new ImageTokens(
            List.of(new ImageTokens.Crop(1, 2, 0, 0, 2)),
            2,
            new int[] {0, 1},
            new int[2],
            new int[] {0, 1},
            new int[] {1, 0},
            new int[0]);
    assertFalse(of(turned, 0).plain());
  }

  @Test
  void listsAreKeptWhateverIsAddedBehindThem() {
    var tables = new Tables();
    int[][] lists = {
      {}, {5}, IntStream.range(0, 63).toArray(), {9, 8}, IntStream.range(0, 500).toArray(), {3}
    };
    int[] from = new int[lists.length];
    for (int i = 0; i < lists.length; i++) {
      from[i] = tables.add(lists[i]);
    }
    tables.upload(device, arena);
    for (int i = 0; i < lists.length; i++) {
      assertArrayEquals(lists[i], ints(tables.at(from[i], lists[i].length)), "list " + i);
    }
  }

  @Test
  void positionsAreOneRowForEachAxis() {
    var tables = new Tables();
    int[] values = {1, 2, 3, 4, 5, 6};
    tables.add(new int[] {99});
    int from = tables.add(values);
    tables.upload(device, arena);
    assertNull(Positions.counted(4).on(tables, from));
    assertEquals(4, Positions.counted(4).next());
    Tensor one = new Positions(1, values, 7).on(tables, from);
    assertEquals(1, one.rank());
    assertArrayEquals(values, ints(one));
    Tensor three = new Positions(3, values, 7).on(tables, from);
    assertEquals(3, three.rows());
    assertEquals(2, three.width());
    assertArrayEquals(values, ints(three));
  }
}
