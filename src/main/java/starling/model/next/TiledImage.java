package starling.model.next;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.image.AnyResolution;
import starling.prune.ImageTokens;

/**
 * The visual tokens of an image in tiles: the patches of the whole image, then row by row those of
 * the tiles' common grid, of which a border may be left out, with a newline row behind each row.
 *
 * @param side patches along a side of a tile
 * @param down tiles below each other
 * @param across tiles beside each other
 * @param part of the grid that becomes tokens
 * @param newlines whether a newline stands behind each row of it
 */
record TiledImage(int side, int down, int across, AnyResolution.Part part, boolean newlines) {

  /** All candidates in the order of the decoder; newlines are fixed rows of the family's table. */
  ImageTokens tokens() {
    int patches = side * side;
    int n = patches + part.rows() * part.columns();
    int[] row = new int[n];
    int[] crop = new int[n];
    int[] place = new int[n];
    int[] sources = new int[n];
    Arrays.setAll(row, j -> j);
    Arrays.setAll(place, j -> j);
    Arrays.setAll(sources, j -> 1 + j);
    int j = patches;
    for (int y = part.top(); y < part.top() + part.rows(); y++) {
      for (int x = part.left(); x < part.left() + part.columns(); x++, j++) {
        crop[j] = 1 + y / side * across + x / side;
        place[j] = y % side * side + x % side;
        row[j] = j + (newlines ? y - part.top() : 0);
        sources[j] = crop[j] * (patches + 1) + 1 + place[j];
      }
    }
    int rows = n + (newlines ? part.rows() : 0);
    return new ImageTokens(crops(), rows, row, crop, place, sources, new int[0]);
  }

  private List<ImageTokens.Crop> crops() {
    var crops = new ArrayList<ImageTokens.Crop>();
    for (int c = 0; c <= down * across; c++) {
      crops.add(new ImageTokens.Crop(side, side, c * (side * side + 1), 1, side * side));
    }
    return crops;
  }
}
