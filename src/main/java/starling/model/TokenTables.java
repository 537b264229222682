package starling.model;

import java.util.stream.IntStream;
import starling.device.Candidates;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;
import starling.prune.ImageTokens;

/**
 * The lists of an {@link ImageTokens} on the device, i32. An image whose tower rows stand as its
 * decoder rows do, one for each, needs none: {@link #plain}.
 */
final class TokenTables {
  private final ImageTokens tokens;
  private final Tables tables;
  private final boolean plain;
  private int row;
  private int placed;
  private int tower;
  private int byCrop;
  private int inCrop;
  private final int[] member;
  private final int[] size; // candidates of each crop
  private final int[] keys;
  private int segments;

  /** Adds what it needs to {@code tables}, which are uploaded before anything is read here. */
  TokenTables(ImageTokens tokens, Tables tables) {
    this.tokens = tokens;
    this.tables = tables;
    this.plain = tokens.crops().size() == 1 && tokens.width() == 1 && tokens.inOrder() >= 0;
    int crops = tokens.crops().size();
    this.member = new int[crops];
    this.size = new int[crops];
    this.keys = new int[crops];
    if (!tokens.fixedInFront()) {
      row = tables.add(tokens.row());
    }
    if (!tokens.standsAsMade()) {
      placed = tables.add(placed());
    }
    if (!plain) {
      addCrops();
      tower =
          tables.add(
              IntStream.concat(
                      IntStream.of(tokens.fixed()),
                      IntStream.of(tokens.sources()).filter(s -> s >= 0))
                  .toArray());
    }
  }

  /** For each row of the image: where it is among all others and, behind them, the shown ones. */
  private int[] placed() {
    int[] placed = new int[tokens.rows()];
    int others = placed.length - tokens.shown();
    int candidate = 0;
    int before = 0; // shown candidates in front of this row
    for (int r = 0; r < placed.length; r++) {
      boolean chosen = candidate < tokens.candidates() && tokens.row()[candidate] == r;
      boolean shown = chosen && tokens.crop()[candidate] >= 0;
      placed[r] = shown ? others + before : r - before;
      candidate += chosen ? 1 : 0;
      before += shown ? 1 : 0;
    }
    return placed;
  }

  private void addCrops() {
    int n = tokens.candidates();
    int w = tokens.width();
    int[] order = new int[n];
    int[] within = new int[n];
    int before = 0;
    for (int c = 0; c < tokens.crops().size(); c++) {
      int crop = c;
      int first = tokens.crops().get(c).first();
      int[] own = IntStream.range(0, n).filter(j -> tokens.crop()[j] == crop).toArray();
      for (int i = 0; i < own.length; i++) {
        within[own[i]] = i;
        order[own[i]] = before + i;
      }
      size[c] = own.length;
      member[c] = tables.add(own);
      keys[c] =
          tables.add(
              IntStream.of(own)
                  .flatMap(j -> IntStream.range(j * w, (j + 1) * w))
                  .map(s -> tokens.sources()[s] - first)
                  .toArray());
      before += own.length;
    }
    segments =
        tables.add(
            Segments.table(
                tokens.crops().stream()
                    .map(
                        c ->
                            Segment.of(
                                c.first(), c.end() - c.first(), c.first(), c.end() - c.first()))
                    .toList()));
    byCrop = tables.add(order);
    inCrop = tables.add(within);
  }

  /** One crop whose rows stand in the tower as in the decoder, one for each candidate. */
  boolean plain() {
    return plain;
  }

  /** {@code [n]}: the candidates' rows in the decoder, or null: behind the fixed ones. */
  Tensor row() {
    return tokens.fixedInFront() ? null : tables.at(row, tokens.candidates());
  }

  /** {@code [rows]}: where each row of the image is among {@code [others | shown candidates]}. */
  Tensor inPlace() {
    return tables.at(placed, tokens.rows());
  }

  /** {@code [fixed + shown·w]}: the rows of the tower that go on, fixed ones first. */
  Tensor tower() {
    return tables.at(tower, tokens.fixed().length + tokens.shown() * tokens.width());
  }

  /** The candidates of a crop. */
  Tensor members(int crop) {
    return tables.at(member[crop], size[crop]);
  }

  /** The keys of a crop's candidates among its rows in the tower. */
  Candidates keys(int crop) {
    int n = size[crop] * tokens.width();
    return new Candidates(0, n, tables.at(keys[crop], n));
  }

  /** The crops in the tower; null if there is one. */
  Segments segments() {
    int crops = tokens.crops().size();
    if (crops == 1) {
      return null;
    }
    int rows = tokens.crops().stream().mapToInt(c -> c.end() - c.first()).max().orElseThrow();
    Tensor table = tables.at(segments, crops * Segments.WIDTH).fold(Segments.WIDTH);
    return new Segments(table, rows, rows);
  }

  /** {@code [n]}: where each candidate is when those of all crops stand one behind the other. */
  Tensor byCrop() {
    return tables.at(byCrop, tokens.candidates());
  }

  /** {@code [n]}: where each candidate is among those of its crop. */
  Tensor inCrop() {
    return tables.at(inCrop, tokens.candidates());
  }
}
