package starling.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.device.Philox;
import starling.input.InputException;
import starling.prune.ImageTokens.Crop;

/** What an image's rows are, which of them belong together, and which of them a baseline draws. */
class VisualTokensTest {
  /** Two crops of 2 × 2 behind a CLS row each; a row of the image's own behind each line. */
  private static ImageTokens twoCrops() {
    return new ImageTokens(
        List.of(new Crop(2, 2, 0, 1, 4), new Crop(2, 2, 5, 1, 4)),
        12,
        new int[] {0, 1, 3, 4, 6, 7, 9, 10},
        new int[] {0, 0, 0, 0, 1, 1, 1, 1},
        new int[] {0, 1, 2, 3, 0, 1, 2, 3},
        new int[] {1, 2, 3, 4, 6, 7, 8, 9},
        new int[0]);
  }

  private static VlmShape shape(Budget budget, ImageTokens... images) {
    return new VlmShape(List.of(images), budget, 2, 8, 1);
  }

  @Test
  void aGridIsItsPatchesInOrderBehindTheClassRow() {
    ImageTokens plain = ImageTokens.grid(2, 3, 1, false);
    assertEquals(List.of(new Crop(2, 3, 0, 1, 6)), plain.crops());
    assertEquals(6, plain.rows());
    assertEquals(6, plain.candidates());
    assertEquals(0, plain.fixedRows());
    assertEquals(7, plain.towerRows());
    assertEquals(1, plain.inOrder());
    assertEquals(1, plain.width());
    assertTrue(plain.fixedInFront());
    assertArrayEquals(new int[] {1, 2, 3, 4, 5, 6}, plain.sources());
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, plain.place());
    assertArrayEquals(new int[6], plain.crop());
    assertEquals("6 rows, 6 candidates of 1 crop(s)", plain.toString());
  }

  @Test
  void aClassRowThatGoesAlongIsAFixedRowInFront() {
    ImageTokens full = ImageTokens.grid(2, 3, 1, true);
    assertEquals(7, full.rows());
    assertEquals(6, full.candidates());
    assertEquals(1, full.fixedRows());
    assertTrue(full.fixedInFront());
    assertArrayEquals(new int[] {0}, full.fixed());
    assertArrayEquals(new int[] {1, 2, 3, 4, 5, 6}, full.row());
    assertEquals(6, ImageTokens.grid(2, 3, 0, true).rows(), "a tower without one");
  }

  @Test
  void cropsAndTheRowsBetweenThemAreCounted() {
    ImageTokens tokens = twoCrops();
    assertEquals(8, tokens.candidates());
    assertEquals(4, tokens.candidates(0));
    assertEquals(4, tokens.candidates(1));
    assertEquals(0, tokens.candidates(2));
    assertEquals(4, tokens.fixedRows());
    assertFalse(tokens.fixedInFront());
    assertEquals(10, tokens.towerRows());
    assertEquals(-1, tokens.inOrder(), "a CLS row stands between");
    assertEquals(10, tokens.crops().get(1).end());
  }

  private static ImageTokens with(int[] row, int[] crop, int[] place, int[] sources) {
    return new ImageTokens(
        List.of(new Crop(1, 2, 0, 0, 4)), 3, row, crop, place, sources, new int[0]);
  }

  @Test
  void rowsInTheTowersOrderToItsEndNeedNoGather() {
    int[] two = {0, 0};
    ImageTokens wide = with(new int[] {0, 2}, two, two, new int[] {0, 1, 2, 3});
    assertEquals(2, wide.width());
    assertEquals(0, wide.inOrder());
    assertEquals(2, with(new int[] {0, 2}, two, two, new int[] {2, 3}).inOrder());
    assertEquals(-1, with(new int[] {0, 2}, two, two, new int[] {1, 2}).inOrder());
    assertEquals(-1, with(new int[] {0, 2}, two, two, new int[] {0, 2, 1, 3}).inOrder());
  }

  @Test
  void sizesThatContradictEachOtherAreRefused() {
    int[] one = {0};
    int[] two = {0, 1};
    String sentence = "2 candidates with %d crops, %d places and %d rows of the tower";
    for (int[][] c :
        new int[][][] {{two, one, two, two}, {two, two, one, two}, {two, two, two, {0, 1, 2}}}) {
      assertEquals(
          sentence.formatted(c[1].length, c[2].length, c[3].length),
          assertThrows(IllegalArgumentException.class, () -> with(c[0], c[1], c[2], c[3]))
              .getMessage());
    }
    int[] none = {};
    assertThrows(IllegalArgumentException.class, () -> with(none, none, none, none));
  }

  @Test
  void aCropWithoutCandidatesIsNoGroup() {
    ImageTokens tokens =
        new ImageTokens(
            List.of(new Crop(1, 2, 0, 0, 2), new Crop(1, 2, 2, 0, 2), new Crop(1, 2, 4, 0, 2)),
            2,
            new int[] {0, 1},
            new int[] {0, 2},
            new int[] {1, 0},
            new int[] {1, 4},
            new int[0]);
    assertEquals(
        List.of(0, 2),
        shape(Budget.CROP, tokens).groups().stream().map(VlmShape.Group::crop).toList());
  }

  /** A patch, a row of a table that may be dropped, a patch; and a row that always stays. */
  @Test
  void aCandidateMayBeARowThatNoCropShows() {
    ImageTokens tokens =
        new ImageTokens(
            List.of(new Crop(1, 2, 0, 0, 4)),
            4,
            new int[] {0, 1, 2},
            new int[] {0, -1, 0},
            new int[] {0, -1, 1},
            new int[] {0, 1, -1, -1, 2, 3},
            new int[0]);
    assertEquals(3, tokens.candidates());
    assertEquals(2, tokens.candidates(0));
    assertEquals(2, tokens.shown());
    assertEquals(2, tokens.towerMade());
    assertEquals(2, tokens.tableRows());
    assertEquals(1, tokens.fixedRows());
    assertEquals(-1, tokens.inOrder());
    assertFalse(tokens.standsAsMade());
    ImageTokens grid = ImageTokens.grid(2, 3, 1, true);
    assertTrue(grid.standsAsMade());
    assertEquals(List.of(6, 7, 0), List.of(grid.shown(), grid.towerMade(), grid.tableRows()));
  }

  @Test
  void aCandidateHasCropPlaceAndRowsOrNone() {
    int[] two = {0, 1};
    int[] none = {0, -1};
    for (int[][] c : new int[][][] {{none, two, two}, {two, none, two}, {two, two, none}}) {
      assertEquals(
          "candidate 1 has a crop, a place or rows of the tower, and not all of them",
          assertThrows(IllegalArgumentException.class, () -> with(two, c[0], c[1], c[2]))
              .getMessage());
    }
    assertEquals(1, with(two, none, none, none).shown());
  }

  @Test
  void rowsAscendFromZeroToTheLast() {
    int[] two = {0, 1};
    with(new int[] {0, 2}, two, two, two);
    with(two, two, two, two);
    for (int[] row : new int[][] {{-1, 1}, {0, 3}, {1, 1}, {2, 1}}) {
      int at = row[0] < 0 ? 0 : 1;
      assertEquals(
          "candidate " + at + " stands at row " + row[at] + " of 3, out of order",
          assertThrows(IllegalArgumentException.class, () -> with(row, two, two, two))
              .getMessage());
    }
  }

  /** Each of the seven parts makes a difference. */
  @Test
  void imagesAreEqualIfEveryPartIs() {
    ImageTokens t = twoCrops();
    assertEquals(t, twoCrops());
    assertEquals(t.hashCode(), twoCrops().hashCode());
    assertNotEquals(t.hashCode(), ImageTokens.grid(2, 3, 1, true).hashCode());
    int[] other = new int[8];
    int[] later = {0, 1, 3, 4, 6, 7, 9, 11};
    Crop crop = new Crop(2, 2, 5, 1, 5);
    List<ImageTokens> others =
        List.of(
            new ImageTokens(
                List.of(t.crops().get(0), crop),
                12,
                t.row(),
                t.crop(),
                t.place(),
                t.sources(),
                t.fixed()),
            new ImageTokens(t.crops(), 13, t.row(), t.crop(), t.place(), t.sources(), t.fixed()),
            new ImageTokens(t.crops(), 12, later, t.crop(), t.place(), t.sources(), t.fixed()),
            new ImageTokens(t.crops(), 12, t.row(), other, t.place(), t.sources(), t.fixed()),
            new ImageTokens(t.crops(), 12, t.row(), t.crop(), other, t.sources(), t.fixed()),
            new ImageTokens(t.crops(), 12, t.row(), t.crop(), t.place(), other, t.fixed()),
            new ImageTokens(t.crops(), 12, t.row(), t.crop(), t.place(), t.sources(), new int[1]));
    for (ImageTokens o : others) {
      assertNotEquals(t, o);
    }
    assertFalse(t.equals(new Object()));
  }

  @Test
  void aGroupIsAnImageOrEachOfItsCrops() {
    ImageTokens grid = ImageTokens.grid(2, 3, 1, false);
    ImageTokens crops = twoCrops();
    assertEquals(
        List.of(new VlmShape.Group(0, -1, 6, grid), new VlmShape.Group(1, -1, 8, crops)),
        shape(Budget.IMAGE, grid, crops).groups());
    VlmShape perCrop = shape(Budget.CROP, grid, crops);
    assertEquals(
        List.of(
            new VlmShape.Group(0, -1, 6, grid),
            new VlmShape.Group(1, 0, 4, crops),
            new VlmShape.Group(1, 1, 4, crops)),
        perCrop.groups());
    assertEquals(List.of(6, 4, 4), perCrop.counts(VlmShape.Group::size));
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, perCrop.groups().get(0).members());
    assertArrayEquals(new int[] {0, 1, 2, 3}, perCrop.groups().get(1).members());
    assertArrayEquals(new int[] {4, 5, 6, 7}, perCrop.groups().get(2).members());
  }

  @Test
  void aCountThatDoesNotFitNamesTheGroup() {
    var keep = new Spec.Keep("m", 5, 0);
    assertEquals(List.of(5), keep.counts(shape(Budget.IMAGE, twoCrops())));
    assertEquals(
        "m: keep=5 is 5 of the 4 visual tokens a crop has",
        assertThrows(InputException.class, () -> keep.counts(shape(Budget.CROP, twoCrops())))
            .getMessage());
    assertEquals(
        "m: keep=5 is 5 of the 4 visual tokens an image has",
        assertThrows(
                InputException.class,
                () -> keep.counts(shape(Budget.IMAGE, ImageTokens.grid(2, 2, 0, false))))
            .getMessage());
  }

  /** Draw i of group m is the first word of the block (i, m), over the places not yet drawn. */
  @Test
  void randomDrawsWithoutReplacementByItsFormula() {
    VlmShape shape = shape(Budget.CROP, twoCrops());
    long seed = 0x1_0000_0007L;
    List<CutPoint> cuts = Methods.parse("random:keep=3,seed=" + seed).cuts(shape);
    List<int[]> sets = ((FixedCut) cuts.getFirst()).keep();
    assertEquals(2, sets.size());
    for (int group = 0; group < 2; group++) {
      var left = new java.util.ArrayList<>(IntStream.range(0, 4).boxed().toList());
      var drawn = new java.util.TreeSet<Integer>();
      int[] words = new int[4];
      for (int i = 0; i < 3; i++) {
        Philox.block(seed, i, group, words);
        int j = (int) ((words[0] & 0xffffffffL) * (4 - i) / 0x1p32);
        drawn.add(left.get(j));
        left.set(j, left.getFirst()); // as a swap with place i does
        left.removeFirst();
      }
      assertArrayEquals(
          drawn.stream().mapToInt(Integer::intValue).toArray(),
          sets.get(group),
          Arrays.toString(sets.get(group)));
    }
  }
}
