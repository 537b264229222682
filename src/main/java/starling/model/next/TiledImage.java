package starling.model.next;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.image.AnyResolution;
import starling.model.ImageOptions.Newline;
import starling.prune.ImageTokens;

/**
 * The visual tokens of an image in tiles: the patches of the whole image, then row by row those of
 * the tiles' common grid, of which a border may be left out, with a newline row behind each row.
 *
 * @param side patches along a side of a tile
 * @param down tiles below each other
 * @param across tiles beside each other
 * @param part of the grid that becomes tokens
 * @param newline what stands behind each row of it: a fixed row of the family's table, a candidate
 *     that no crop shows, or nothing
 */
record TiledImage(int side, int down, int across, AnyResolution.Part part, Newline newline) {

  /** All candidates in the order of the decoder. */
  ImageTokens tokens() {
    boolean fixed = newline == Newline.KEEP;
    boolean competes = newline == Newline.COMPETE;
    int patches = side * side;
    int n = patches + part.rows() * (part.columns() + (competes ? 1 : 0));
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
        row[j] = j + (fixed ? y - part.top() : 0);
        sources[j] = crop[j] * (patches + 1) + 1 + place[j];
      }
      if (competes) {
        crop[j] = -1;
        place[j] = -1;
        sources[j] = -1;
        j++;
      }
    }
    int rows = n + (fixed ? part.rows() : 0);
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
