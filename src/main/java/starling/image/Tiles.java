package starling.image;

import java.awt.geom.Rectangle2D;
import java.util.ArrayList;
import java.util.List;

/**
 * Cuts an image into what the tower of LLaVA-NeXT sees: first the whole image at the size of a
 * tile, its sides as they come, then the tiles of {@link AnyResolution}, row by row. The border is
 * black before the colours are normalised.
 *
 * @param preprocess filter and normalisation
 * @param side pixels of a side of a tile
 */
public record Tiles(Preprocess preprocess, int side) {

  /** The whole image, then the tiles. */
  public List<Preprocess.Prepared> of(Image image, AnyResolution size) {
    var crops = new ArrayList<Preprocess.Prepared>();
    Image whole = Resample.resize(image, side, side, preprocess.resample());
    crops.add(prepared(whole, 0, 0, image.width(), image.height()));
    Image fitted =
        Resample.resize(image, size.fittedWidth(), size.fittedHeight(), preprocess.resample());
    double scaleX = (double) image.width() / size.fittedWidth();
    double scaleY = (double) image.height() / size.fittedHeight();
    for (int y = -size.padTop(); y < size.height() - size.padTop(); y += side) {
      for (int x = -size.padLeft(); x < size.width() - size.padLeft(); x += side) {
        crops.add(
            prepared(tile(fitted, x, y), x * scaleX, y * scaleY, side * scaleX, side * scaleY));
      }
    }
    return crops;
  }

  private Preprocess.Prepared prepared(Image tile, double x, double y, double w, double h) {
    var region = new Rectangle2D.Double(x, y, w, h);
    return new Preprocess.Prepared(preprocess.pixels(tile), side, side, region);
  }

  /** The part of an image from a place on, black where the image is not. */
  private Image tile(Image image, int left, int top) {
    byte[] rgb = new byte[3 * side * side];
    int from = Math.max(0, -left);
    int to = Math.min(side, image.width() - left);
    for (int y = Math.max(0, -top); y < Math.min(side, image.height() - top) && from < to; y++) {
      int source = 3 * ((top + y) * image.width() + left + from);
      System.arraycopy(image.rgb(), source, rgb, 3 * (y * side + from), 3 * (to - from));
    }
    return new Image(side, side, rgb);
  }
}
