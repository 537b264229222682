package starling.image;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.IIOImage;
import javax.imageio.ImageWriter;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageWriterSpi;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/**
 * An image of kept visual tokens: kept patches as they are, with an outline; patches that stage 1
 * dropped nearly black and gray; patches that stage 2 dropped dimmed and blue.
 */
public final class Overlay {
  private static final int SIDE = 672;
  private static final Color OUTLINE = new Color(255, 214, 64);

  /** What became of a patch. */
  public enum Fate {
    /** The decoder read it to the end. */
    KEPT,
    /** It left before the decoder. */
    DROPPED_BY_STAGE_1,
    /** It left inside the decoder. */
    DROPPED_LATER,
    /** No visual token shows it: a border. */
    NO_TOKEN
  }

  private Overlay() {}

  /**
   * Draws what the tower saw of an image.
   *
   * @param region the part of the image that the tower saw, from {@link Preprocess.Prepared}
   * @param fates what became of each patch, in raster order
   * @param columns of the grid of patches
   */
  public static BufferedImage draw(Image image, Rectangle2D region, Fate[] fates, int columns) {
    int rows = fates.length / columns;
    int cell = Math.max(4, Math.round((float) SIDE / Math.max(rows, columns)));
    BufferedImage drawing = seen(image, region, cell * columns, cell * rows);
    for (int i = 0; i < fates.length; i++) {
      shade(drawing, i % columns * cell, i / columns * cell, cell, fates[i]);
    }
    outline(drawing, fates, columns, cell);
    return drawing;
  }

  /** The image's region at the size of the drawing. */
  public static BufferedImage seen(Image image, Rectangle2D region, int width, int height) {
    var source = new BufferedImage(image.width(), image.height(), BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < image.width() * image.height(); i++) {
      byte[] p = image.rgb();
      int rgb = (p[3 * i] & 0xff) << 16 | (p[3 * i + 1] & 0xff) << 8 | (p[3 * i + 2] & 0xff);
      source.setRGB(i % image.width(), i / image.width(), rgb);
    }
    var drawing = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = drawing.createGraphics();
    g.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
    g.setColor(new Color(122, 116, 104));
    g.fillRect(0, 0, width, height);
    double sx = width / region.getWidth();
    double sy = height / region.getHeight();
    g.drawImage(
        source,
        (int) Math.round(-region.getX() * sx),
        (int) Math.round(-region.getY() * sy),
        (int) Math.round(image.width() * sx),
        (int) Math.round(image.height() * sy),
        null);
    g.dispose();
    return drawing;
  }

  private static void shade(BufferedImage image, int x0, int y0, int cell, Fate fate) {
    if (fate == Fate.KEPT || fate == Fate.NO_TOKEN) {
      return;
    }
    for (int y = y0; y < y0 + cell; y++) {
      for (int x = x0; x < x0 + cell; x++) {
        int rgb = image.getRGB(x, y);
        int r = (rgb >> 16) & 0xff;
        int g = (rgb >> 8) & 0xff;
        int b = rgb & 0xff;
        int gray = (3 * r + 6 * g + b) / 10;
        image.setRGB(
            x,
            y,
            fate == Fate.DROPPED_BY_STAGE_1
                ? new Color(gray / 9, gray / 9, gray / 9).getRGB()
                : new Color(blend(r, gray, 6), blend(g, gray, 18), blend(b, gray, 52)).getRGB());
      }
    }
  }

  /** A third of the light, half of the colour, and a tint. */
  private static int blend(int channel, int gray, int tint) {
    return (channel + gray) / 6 + tint;
  }

  /** A line between kept patches and the others. */
  private static void outline(BufferedImage image, Fate[] fates, int columns, int cell) {
    Graphics2D g = image.createGraphics();
    g.setColor(OUTLINE);
    for (int i = 0; i < fates.length; i++) {
      if (fates[i] != Fate.KEPT) {
        continue;
      }
      int x = i % columns * cell;
      int y = i / columns * cell;
      boolean left = i % columns == 0 || fates[i - 1] != Fate.KEPT;
      boolean right = i % columns == columns - 1 || fates[i + 1] != Fate.KEPT;
      boolean above = i < columns || fates[i - columns] != Fate.KEPT;
      boolean below = i >= fates.length - columns || fates[i + columns] != Fate.KEPT;
      g.fillRect(x, y, left ? 2 : 0, cell);
      g.fillRect(x + cell - 2, y, right ? 2 : 0, cell);
      g.fillRect(x, y, cell, above ? 2 : 0);
      g.fillRect(x, y + cell - 2, cell, below ? 2 : 0);
    }
    g.dispose();
  }

  /** The drawing as a PNG file's bytes. */
  public static byte[] png(BufferedImage image) {
    var bytes = new ByteArrayOutputStream();
    Iterator<ImageWriterSpi> all =
        IIORegistry.getDefaultInstance().getServiceProviders(ImageWriterSpi.class, false);
    while (all.hasNext()) {
      ImageWriterSpi spi = all.next();
      if (spi.getClass().getName().equals("com.sun.imageio.plugins.png.PNGImageWriterSpi")) {
        try (var out = new MemoryCacheImageOutputStream(bytes)) {
          ImageWriter writer = spi.createWriterInstance();
          writer.setOutput(out);
          writer.write(new IIOImage(image, null, null));
          writer.dispose();
        } catch (IOException e) {
          throw new IllegalStateException("an image in memory could not be written", e);
        }
      }
    }
    return bytes.toByteArray();
  }
}
