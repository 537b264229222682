package starling.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.Answer;
import starling.image.Overlay.Fate;
import starling.prune.ImageTokens;

/** What is drawn of an image of several crops. */
class KeptTokensTest {
  /** A crop of one row of two tokens, and one of two rows of one, the last of which is a border. */
  private static final ImageTokens TOKENS =
      new ImageTokens(
          List.of(new ImageTokens.Crop(1, 2, 0, 0, 2), new ImageTokens.Crop(2, 1, 2, 0, 2)),
          4,
          new int[] {0, 1, 3},
          new int[] {0, 0, 1},
          new int[] {0, 1, 0},
          new int[] {0, 1, 2},
          new int[0]);

  private static Answer.Stage stage(int stage, int image, Integer crop, Integer... kept) {
    return new Answer.Stage(stage, image, crop, "x", 1, List.of(kept), List.of(), null);
  }

  @Test
  void everyCropHasThePlacesOfItsOwnTokens() {
    Fate[] fates = {Fate.KEPT, Fate.DROPPED_LATER, Fate.DROPPED_BY_STAGE_1};
    assertArrayEquals(
        new Fate[] {Fate.KEPT, Fate.DROPPED_LATER}, KeptTokens.ofCrop(TOKENS, 0, fates));
    assertArrayEquals(
        new Fate[] {Fate.DROPPED_BY_STAGE_1, Fate.NO_TOKEN}, KeptTokens.ofCrop(TOKENS, 1, fates));
  }

  private static BufferedImage filled(int rgb) {
    var image = new BufferedImage(6, 4, BufferedImage.TYPE_INT_RGB);
    image.setRGB(0, 0, 6, 4, IntStream.generate(() -> rgb).limit(24).toArray(), 0, 6);
    return image;
  }

  /** Two by two tiles of an image with a border above and below it, so none begins at 0. */
  @Test
  void tilesLieAsInTheImage() {
    int[] colours = {0xff0000, 0x00ff00, 0x0000ff, 0x808080};
    var tiles = IntStream.of(colours).mapToObj(KeptTokensTest::filled).toList();
    var regions = new ArrayList<Rectangle2D>();
    for (int i = 0; i < 4; i++) {
      int row = i / 2;
      regions.add(new Rectangle2D.Double(i % 2 * 318.7, -107.2 + row * 318.7, 318.7, 318.7));
    }
    BufferedImage all = KeptTokens.tiled(tiles, regions);
    assertEquals(List.of(14, 10), List.of(all.getWidth(), all.getHeight()));
    int[][] corners = {{0, 0}, {8, 0}, {0, 6}, {8, 6}};
    for (int i = 0; i < 4; i++) {
      int x = corners[i][0];
      int y = corners[i][1];
      assertEquals(colours[i], all.getRGB(x, y) & 0xffffff, "tile " + i);
      assertEquals(colours[i], all.getRGB(x + 5, y + 3) & 0xffffff, "tile " + i);
    }
    assertEquals(0xffffff, all.getRGB(7, 0) & 0xffffff, "a seam");
  }

  @Test
  void imagesStandBesideEachOther() {
    BufferedImage all = KeptTokens.beside(List.of(filled(0xff0000), filled(0x00ff00)));
    assertEquals(List.of(20, 4), List.of(all.getWidth(), all.getHeight()));
    assertEquals(0xff0000, all.getRGB(5, 3) & 0xffffff);
    assertEquals(0xffffff, all.getRGB(6, 0) & 0xffffff);
    assertEquals(0x00ff00, all.getRGB(14, 0) & 0xffffff);
  }

  /** A newline row that competes has no square, whatever becomes of it. */
  @Test
  void aCandidateWithoutAPlaceIsNotDrawn() {
    var tokens =
        new ImageTokens(
            List.of(new ImageTokens.Crop(1, 2, 0, 0, 2)),
            3,
            new int[] {0, 1, 2},
            new int[] {0, -1, 0},
            new int[] {0, -1, 1},
            new int[] {0, -1, 1},
            new int[0]);
    Fate[] fates = KeptTokens.fates(3, 0, List.of(stage(2, 0, null, 2)));
    assertArrayEquals(new Fate[] {Fate.DROPPED_LATER, Fate.DROPPED_LATER, Fate.KEPT}, fates);
    assertArrayEquals(
        new Fate[] {Fate.DROPPED_LATER, Fate.KEPT}, KeptTokens.ofCrop(tokens, 0, fates));
  }

  @Test
  void aStageOfSeveralCropsIsTakenTogether() {
    var stages =
        List.of(stage(1, 0, 0, 1), stage(1, 0, 1, 2), stage(2, 0, null, 2), stage(1, 1, 0, 0));
    assertArrayEquals(
        new Fate[] {Fate.DROPPED_BY_STAGE_1, Fate.DROPPED_LATER, Fate.KEPT},
        KeptTokens.fates(3, 0, stages));
  }
}
