package starling.prune;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The visual tokens of one image: where they stand in the decoder, and what they are made of. The
 * image's rows in the decoder are candidates, which a method may drop, and fixed rows, which always
 * stay: a CLS row, the newlines of a grid. A candidate may also be a row that no crop shows, from a
 * table of the family; only a cut inside the decoder can drop it. Arrays are not to be changed.
 *
 * @param crops what the tower sees of the image; their rows follow each other in the tower
 * @param rows rows in the decoder with nothing dropped: candidates and fixed ones
 * @param row {@code [n]}: the row of each candidate among the image's, ascending
 * @param crop {@code [n]}: the crop that a candidate shows; −1 for none
 * @param place {@code [n]}: where in that crop's grid, in raster order; −1 without a crop
 * @param sources {@code [n·w]}: the rows of the tower that a candidate is made of, w for each; −1
 *     without a crop
 * @param fixed the rows of the tower that become fixed rows, in order; other fixed rows come from a
 *     table of the family
 */
public record ImageTokens(
    List<Crop> crops, int rows, int[] row, int[] crop, int[] place, int[] sources, int[] fixed) {

  /**
   * An image as the tower sees it: the whole image, or a part of it.
   *
   * @param rows of its grid of tokens
   * @param columns of its grid of tokens
   * @param first its first row in the tower
   * @param cls rows of the tower in front of its patches: 1 for a CLS row, else 0
   * @param patches its patches in the tower
   */
  public record Crop(int rows, int columns, int first, int cls, int patches) {
    /** The row of the tower behind its last. */
    public int end() {
      return first + cls + patches;
    }
  }

  /**
   * @throws IllegalArgumentException if the arrays' lengths do not go together
   */
  public ImageTokens {
    crops = List.copyOf(crops);
    int n = row.length;
    if (crop.length != n
        || place.length != n
        || n == 0
        || sources.length % n != 0
        || sources.length == 0) {
      throw new IllegalArgumentException(
          n
              + " candidates with "
              + crop.length
              + " crops, "
              + place.length
              + " places and "
              + sources.length
              + " rows of the tower");
    }
    for (int j = 0; j < n; j++) {
      if (row[j] >= rows || row[j] < (j == 0 ? 0 : row[j - 1] + 1)) {
        throw new IllegalArgumentException(
            "candidate " + j + " stands at row " + row[j] + " of " + rows + ", out of order");
      }
      if (crop[j] < 0 != place[j] < 0 || crop[j] < 0 != sources[j * (sources.length / n)] < 0) {
        throw new IllegalArgumentException(
            "candidate " + j + " has a crop, a place or rows of the tower, and not all of them");
      }
    }
  }

  /**
   * An image that is one grid of patches.
   *
   * @param cls rows of the tower in front of the patches: 1 for a CLS row, else 0
   * @param keepsCls whether that row goes along into the decoder, in front of the image
   */
  public static ImageTokens grid(int rows, int columns, int cls, boolean keepsCls) {
    int n = rows * columns;
    int front = keepsCls ? cls : 0;
    return new ImageTokens(
        List.of(new Crop(rows, columns, 0, cls, n)),
        front + n,
        IntStream.range(front, front + n).toArray(),
        new int[n],
        IntStream.range(0, n).toArray(),
        IntStream.range(cls, cls + n).toArray(),
        IntStream.range(0, front).toArray());
  }

  /** n, the rows that a method may choose from. */
  public int candidates() {
    return row.length;
  }

  /** Those of them that a crop shows. */
  public int candidates(int ofCrop) {
    return (int) IntStream.of(crop).filter(c -> c == ofCrop).count();
  }

  /** Those of them that some crop shows. */
  public int shown() {
    return (int) IntStream.of(crop).filter(c -> c >= 0).count();
  }

  /** Rows of the decoder that come from a table of the family and not from the tower. */
  public int tableRows() {
    return rows - towerMade();
  }

  /** Rows of the decoder that the tower makes, with nothing dropped. */
  public int towerMade() {
    return fixed.length + shown();
  }

  /** Rows of the decoder that always stay. */
  public int fixedRows() {
    return rows - row.length;
  }

  /** w, the rows of the tower that a candidate is made of. */
  public int width() {
    return sources.length / row.length;
  }

  /** Rows of the tower, all crops together. */
  public int towerRows() {
    return crops.getLast().end();
  }

  /** Whether all fixed rows stand in front of the candidates. */
  public boolean fixedInFront() {
    return row[0] == fixedRows();
  }

  /**
   * Whether the rows stand in the decoder as they are made: those of a table, the fixed ones of the
   * tower, the candidates.
   */
  public boolean standsAsMade() {
    return fixedInFront() && shown() == candidates();
  }

  /**
   * Rows of the tower in front of the candidates' if those stand there as they do in the decoder,
   * to the last row; −1 if not.
   */
  public int inOrder() {
    int from = sources[0];
    boolean inOrder = from + sources.length == towerRows();
    for (int i = 0; i < sources.length && inOrder; i++) {
      inOrder = sources[i] == from + i;
    }
    return inOrder ? from : -1;
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof ImageTokens t
        && crops.equals(t.crops)
        && rows == t.rows
        && Arrays.equals(row, t.row)
        && Arrays.equals(crop, t.crop)
        && Arrays.equals(place, t.place)
        && Arrays.equals(sources, t.sources)
        && Arrays.equals(fixed, t.fixed);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(row) * 31 + crops.hashCode();
  }

  @Override
  public String toString() {
    return rows + " rows, " + candidates() + " candidates of " + crops.size() + " crop(s)";
  }
}
