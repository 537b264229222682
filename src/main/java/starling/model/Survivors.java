package starling.model;

import java.util.List;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.Tensor;
import starling.prune.ImageTokens;
import starling.prune.VlmShape;

/**
 * What the cuts so far have left of one image: which candidates, and where their rows stand. All
 * lists are i32, ascending, in device memory.
 */
final class Survivors {
  private final Workspace workspace;
  private final ImageTokens tokens;
  private final List<VlmShape.Group> groups;
  private final boolean masks;
  private final TokenTables tables;
  private final GroupMembers members; // null for one group
  private int left;
  private int rows;
  private Tensor kept; // [left] of the image's candidates; null while all are there
  private Tensor row; // [left] among the image's rows; null: behind the fixed ones

  /**
   * @param groups of this image
   * @param masks whether dropped rows stay where they are
   */
  Survivors(
      Workspace workspace,
      ImageTokens tokens,
      List<VlmShape.Group> groups,
      boolean masks,
      TokenTables tables) {
    this.workspace = workspace;
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
            : new GroupMembers(
                workspace,
                groups.stream().map(g -> tables.members(g.crop())).toArray(Tensor[]::new));
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

  /** Candidates of a group that are left. */
  int left(int group) {
    return members == null ? left : members.of(group).rows();
  }

  /** Those that are left among the image's candidates; null while all are there. */
  Tensor kept() {
    return kept;
  }

  /** Those of a group that are left, among the image's candidates; null for all of the image's. */
  Tensor kept(int group) {
    if (members == null) {
      return kept;
    }
    return kept == null ? members.of(group) : workspace.pick(kept, members.of(group));
  }

  /** Where a group's candidates are among the rows of those that moved together; null: all. */
  Tensor among(int group) {
    if (masks) {
      return kept(group);
    }
    return members == null ? null : members.of(group);
  }

  /**
   * The group's candidates that are left, as rows of the decoder.
   *
   * @param from the image's first row
   */
  Candidates decoderRows(int from, int group) {
    Candidates all = decoderRows(from);
    if (members == null) {
      return all;
    }
    Tensor own = members.of(group);
    return new Candidates(
        all.at(), own.rows(), all.index() == null ? own : workspace.pick(all.index(), own));
  }

  private Candidates decoderRows(int from) {
    if (row != null) {
      return new Candidates(from, left, row);
    }
    return new Candidates(from + tokens.fixedRows(), left, masks ? kept : null);
  }

  /** What a cut that keeps {@code keep} of them takes out of the decoder's rows. */
  Cut decoderCut(int from, Tensor keep) {
    Candidates all = decoderRows(from);
    return new Cut(all.at(), all.index() == null ? left : rows, keep, all.index());
  }

  /** All that was dropped so far, among rows that never moved. */
  Cut hidden(int from) {
    return row == null
        ? new Cut(from + tokens.fixedRows(), tokens.candidates(), kept, null)
        : new Cut(from, tokens.rows(), kept, tables.row());
  }

  /**
   * What the groups keep together, among all that are left.
   *
   * @param keeps of each group, among those of its own candidates that are left
   */
  Tensor keep(List<Tensor> keeps) {
    return members == null ? keeps.get(0) : members.keep(left, keeps);
  }

  /** Drops all but what each group keeps. */
  void cut(List<Tensor> keeps) {
    Tensor keep = keep(keeps);
    if (members != null) {
      members.cut(left, keeps);
    }
    if (row != null && masks) {
      row = workspace.pick(row, keep);
    } else if (row != null) {
      Tensor rank = workspace.rank(rows, List.of(new Cut(0, rows, keep, row)));
      row = workspace.pick(rank, workspace.pick(row, keep));
    }
    kept = kept == null ? keep : workspace.pick(kept, keep);
    rows -= masks ? 0 : left - keep.rows();
    left = keep.rows();
  }
}
