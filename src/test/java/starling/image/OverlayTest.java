package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import starling.image.Overlay.Fate;

/** Each patch of an overlay is drawn where it lies, as what became of it. */
class OverlayTest {
  private static final int OUTLINE = 0xffd640;

  private static Image white(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    Arrays.fill(rgb, (byte) 255);
    return new Image(width, height, rgb);
  }

  private static int rgb(BufferedImage image, int x, int y) {
    return image.getRGB(x, y) & 0xffffff;
  }

  @Test
  void everyFateHasItsColourInItsOwnPatch() {
    var fates = new Fate[16];
    Arrays.fill(fates, Fate.DROPPED_BY_STAGE_1);
    fates[1] = Fate.KEPT; // row 0, column 1
    fates[2] = Fate.KEPT;
    fates[11] = Fate.DROPPED_LATER; // row 2, column 3
    BufferedImage image =
        Overlay.draw(white(40, 40), new Rectangle2D.Double(0, 0, 40, 40), fates, 4);
    assertEquals(672, image.getWidth());
    assertEquals(672, image.getHeight());
    int cell = 168;
    for (int i = 0; i < 16; i++) {
      int colour = rgb(image, i % 4 * cell + cell / 2, i / 4 * cell + cell / 2);
      switch (fates[i]) {
        case KEPT -> assertEquals(0xffffff, colour, "patch " + i);
        case DROPPED_BY_STAGE_1 -> assertEquals(0x1c1c1c, colour, "a ninth of white: " + i);
        // A third of the light, and a tint towards blue.
        case NO_TOKEN -> throw new AssertionError("there is none");
        case DROPPED_LATER -> assertEquals(0x5b6789, colour, "patch " + i);
      }
    }
    // The outline goes round both kept patches, two pixels wide, and not between them.
    for (int y : new int[] {0, 1, cell - 2, cell - 1}) {
      assertEquals(OUTLINE, rgb(image, cell + 50, y), "row " + y);
      assertEquals(OUTLINE, rgb(image, 2 * cell + 50, y), "row " + y);
    }
    for (int x : new int[] {cell, cell + 1, 3 * cell - 2, 3 * cell - 1}) {
      assertEquals(OUTLINE, rgb(image, x, 50), "column " + x);
    }
    for (int x = 2 * cell - 2; x < 2 * cell + 2; x++) {
      assertEquals(0xffffff, rgb(image, x, 50), "column " + x);
    }
    assertEquals(0x1c1c1c, rgb(image, cell - 1, 50));
    assertEquals(0x1c1c1c, rgb(image, 3 * cell, 50));
    assertEquals(0x1c1c1c, rgb(image, cell + 50, cell));
  }

  /** What lies beside a padded image has the padding's colour; what is cut off is not drawn. */
  @Test
  void theDrawingShowsWhatTheTowerSees() {
    BufferedImage padded =
        Overlay.seen(white(40, 20), new Rectangle2D.Double(0, -10, 40, 40), 400, 400);
    assertEquals(0x7a7468, rgb(padded, 200, 50));
    assertEquals(0xffffff, rgb(padded, 200, 200));
    assertEquals(0x7a7468, rgb(padded, 200, 350));

    byte[] halves = new byte[3 * 40 * 20];
    for (int i = 0; i < 40 * 20; i++) {
      halves[3 * i + (i % 40 < 20 ? 0 : 2)] = (byte) 255;
    }
    var image = new Image(40, 20, halves);
    BufferedImage middle = Overlay.seen(image, new Rectangle2D.Double(10, 0, 20, 20), 400, 400);
    assertEquals(0xff0000, rgb(middle, 20, 200));
    assertEquals(0xff0000, rgb(middle, 180, 200));
    assertEquals(0x0000ff, rgb(middle, 220, 200));
    assertEquals(0x0000ff, rgb(middle, 380, 200));
  }

  @Test
  void itIsWrittenAsAPngThatReadsTheSame() {
    var fates = new Fate[4];
    Arrays.fill(fates, Fate.KEPT);
    fates[3] = Fate.DROPPED_LATER;
    BufferedImage image = Overlay.draw(white(8, 8), new Rectangle2D.Double(0, 0, 8, 8), fates, 2);
    Image read = Image.read(Overlay.png(image), "overlay");
    assertEquals(672, read.width());
    for (int at : new int[] {0, 336 * 672 + 500, 500 * 672 + 500}) {
      int rgb =
          (read.rgb()[3 * at] & 0xff) << 16
              | (read.rgb()[3 * at + 1] & 0xff) << 8
              | (read.rgb()[3 * at + 2] & 0xff);
      assertEquals(rgb(image, at % 672, at / 672), rgb);
    }
    assertTrue(rgb(image, 500, 500) != rgb(image, 100, 500));
  }

  /** Every side of every kept patch, in grids that are not square, with patches of every fate. */
  @Test
  void anOutlineStandsWhereAKeptPatchEnds() {
    int columns = 5;
    int rows = 3;
    int cell = 134;
    var random = new Random(7);
    for (int round = 0; round < 10; round++) {
      var fates = new Fate[rows * columns];
      Arrays.setAll(fates, i -> random.nextInt(3) > 0 ? Fate.KEPT : Fate.DROPPED_LATER);
      BufferedImage image =
          Overlay.draw(white(50, 30), new Rectangle2D.Double(0, 0, 50, 30), fates, columns);
      for (int i = 0; i < fates.length; i++) {
        int x = i % columns * cell;
        int y = i / columns * cell;
        int half = cell / 2;
        boolean kept = fates[i] == Fate.KEPT;
        int[][] sides = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
        for (int[] side : sides) {
          int column = i % columns + side[0];
          int row = i / columns + side[1];
          boolean inside = column >= 0 && column < columns && row >= 0 && row < rows;
          boolean ends = kept && !(inside && fates[row * columns + column] == Fate.KEPT);
          int atX = side[0] == 0 ? x + half : side[0] < 0 ? x : x + cell - 1;
          int atY = side[1] == 0 ? y + half : side[1] < 0 ? y : y + cell - 1;
          String what = "round " + round + ", patch " + i + ", " + Arrays.toString(side);
          assertEquals(ends, rgb(image, atX, atY) == OUTLINE, what);
        }
      }
    }
  }
}
