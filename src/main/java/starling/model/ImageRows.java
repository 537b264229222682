package starling.model;

import java.util.List;
import starling.device.Cut;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;
import starling.prune.ImageTokens;

/** Gathers the rows of one image into the order that the next step of its way needs. */
record ImageRows(Workspace workspace, Survivors left, boolean masks) {

  /**
   * The numbers in the tower of its fixed rows and of those of the candidates that are left, in
   * their order.
   */
  Tensor inOrder() {
    return left.kept() == null || masks ? left.tables().tower() : towerRows();
  }

  /** The same behind a cut. */
  private Tensor towerRows() {
    ImageTokens tokens = left.tokens();
    int front = tokens.fixed().length;
    int w = tokens.width();
    Tensor all = left.tables().tower();
    Tensor rows = workspace.indices("tower rows", front + left.left() * w);
    if (front > 0) {
      copy(
          rows.rows(0, front).fold(1), all.rows(0, front).fold(1), workspace.iota().rows(0, front));
    }
    Tensor sources = all.rows(front, all.rows()).fold(w);
    copy(rows.rows(front, rows.rows()).fold(w), sources, left.kept());
    return rows;
  }

  private void copy(Tensor to, Tensor from, Tensor index) {
    workspace.device().gatherRows(List.of(to), List.of(from), index);
  }

  /**
   * Puts rows into their places in the decoder.
   *
   * @param to the image's rows of the decoder
   * @param from the fixed rows and those of a table, then one for each candidate of the tower that
   *     goes on
   */
  void place(Tensor to, Tensor from) {
    copy(to, from, inPlace(from.rows()));
  }

  /** For each of the image's rows in the decoder, where it is among those that were made. */
  private Tensor inPlace(int n) {
    ImageTokens tokens = left.tokens();
    if (tokens.standsAsMade()) {
      return workspace.iota().rows(0, n);
    }
    if (left.kept() == null || masks) {
      return left.tables().inPlace();
    }
    Tensor sources = workspace.indices("sources", n);
    workspace
        .device()
        .rowMap(
            new RowMapping(
                workspace.indices("rows", n),
                workspace.indices("positions", n),
                sources,
                workspace.iota().rows(0, tokens.rows()),
                List.of(new Cut(0, tokens.rows(), left.kept(), left.tables().row())),
                PositionRule.KEEP));
    return sources;
  }
}
