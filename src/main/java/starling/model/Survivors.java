package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.PositionRule;
import starling.device.Tensor;
import starling.prune.ImageTokens;
import starling.prune.VlmShape;

/**
 * What the cuts so far have left of one image: which candidates, and where these stand. All lists
 * are i32, ascending, in device memory.
 */
final class Survivors {
  private final Workspace at;
  private final ImageTokens tokens;
  private final List<VlmShape.Group> groups;
  private final boolean masks;
  private final TokenTables tables;
  private int left;
  private int rows;
  private Tensor kept; // [left] of the image's candidates; null while all are there
  private Tensor row; // [left] among the image's rows; null: behind the fixed ones
  private final Tensor[] members; // of each group, among those that are left; null for one group

  /**
   * @param groups of this image
   * @param masks dropped rows stay where they are
   */
  Survivors(
      Workspace at,
      ImageTokens tokens,
      List<VlmShape.Group> groups,
      boolean masks,
      TokenTables tables) {
    this.at = at;
    this.tokens = tokens;
    this.groups = groups;
    this.masks = masks;
    this.tables = tables;
    this.left = tokens.candidates();
    this.rows = tokens.rows();
    this.row = tables.row();
    this.members =
        groups.size() == 1
            ? null
            : groups.stream().map(g -> tables.members(g.crop())).toArray(Tensor[]::new);
  }

  ImageTokens tokens() {
    return tokens;
  }

  TokenTables tables() {
    return tables;
  }

  List<VlmShape.Group> groups() {
    return groups;
  }

  /** Candidates that are left. */
  int left() {
    return left;
  }

  /** Those that are left, or null while all are there. */
  Tensor kept() {
    return kept;
  }

  /** Those that are left of a group. */
  Tensor kept(int group) {
    if (members == null) {
      return kept;
    }
    return kept == null ? members[group] : at.pick(kept, members[group]);
  }

  /** How many are left of a group. */
  int left(int group) {
    return members == null ? left : members[group].rows();
  }

  /** The rows of the decoder that are left, of an image at row {@code from}. */
  Candidates decoderRows(int from) {
    if (row != null) {
      return new Candidates(from, left, row);
    }
    return new Candidates(from + tokens.fixedRows(), left, masks ? kept : null);
  }

  /** Those of one group. */
  Candidates decoderRows(int from, int group) {
    Candidates all = decoderRows(from);
    if (members == null) {
      return all;
    }
    Tensor own = members[group];
    return new Candidates(
        all.at(), own.rows(), all.index() == null ? own : at.pick(all.index(), own));
  }

  /** What a cut that keeps {@code keep} of them takes out of the decoder's rows. */
  Cut decoderCut(int from, Tensor keep) {
    Candidates all = decoderRows(from);
    return new Cut(all.at(), all.index() == null ? left : rows, keep, all.index());
  }

  /** Whatever was dropped so far, among rows that never moved. */
  Cut hidden(int from) {
    return row == null
        ? new Cut(from + tokens.fixedRows(), tokens.candidates(), kept, null)
        : new Cut(from, tokens.rows(), kept, tables.row());
  }

  /** Where a group's candidates are among the rows of those that moved together; null: all. */
  Tensor among(int group) {
    if (masks) {
      return kept(group);
    }
    return members == null ? null : members[group];
  }

  /**
   * Drops all but what each group keeps.
   *
   * @param keeps of each group, among those of its candidates that are left
   */
  void cut(List<Tensor> keeps) {
    Tensor keep = keep(keeps);
    if (members != null) {
      Tensor rank = rank(left, cuts(keeps));
      for (int g = 0; g < members.length; g++) {
        members[g] = at.pick(rank, at.pick(members[g], keeps.get(g)));
      }
    }
    if (row != null && masks) {
      row = at.pick(row, keep);
    } else if (row != null) {
      Tensor rank = rank(rows, List.of(new Cut(0, rows, keep, row)));
      row = at.pick(rank, at.pick(row, keep));
    }
    kept = composed(keep);
    rows -= masks ? 0 : left - keep.rows();
    left = keep.rows();
  }

  /** What the groups keep, among all that are left. */
  Tensor keep(List<Tensor> keeps) {
    if (members == null) {
      return keeps.get(0);
    }
    int n = keeps.stream().mapToInt(Tensor::rows).sum();
    Tensor keep = at.indices("keep", n);
    at.device()
        .rowMap(
            keep,
            at.indices("positions", n),
            null,
            at.iota().rows(0, left),
            cuts(keeps),
            PositionRule.KEEP);
    return keep;
  }

  private List<Cut> cuts(List<Tensor> keeps) {
    var cuts = new ArrayList<Cut>();
    for (int g = 0; g < members.length; g++) {
      cuts.add(new Cut(0, left, keeps.get(g), members[g]));
    }
    return cuts;
  }

  /** i32 {@code [n]}: the place that each of n rows has behind {@code cuts} if it stays. */
  private Tensor rank(int n, List<Cut> cuts) {
    Tensor hidden = at.work().alloc("hidden", DType.U8, n);
    Tensor rank = at.indices("rank", n);
    at.device().hideRows(hidden, rank, at.iota().rows(0, n), cuts, PositionRule.CONTIGUOUS);
    return rank;
  }

  /** The candidates behind indices among those that are left: {@code kept[keep]}. */
  private Tensor composed(Tensor keep) {
    if (kept == null) {
      return keep;
    }
    Tensor rows = at.indices("rows", keep.rows());
    Tensor candidates = at.arena().alloc("survivors", DType.I32, keep.rows());
    at.device()
        .rowMap(
            rows, candidates, null, kept, List.of(new Cut(0, left, keep, null)), PositionRule.KEEP);
    return candidates;
  }
}
