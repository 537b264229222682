package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.DType;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;

/**
 * The positions of the decoder's rows behind cuts, and in mask mode which rows nobody attends.
 *
 * @param images what is left of each
 */
record DecoderPositions(Workspace workspace, Planner planner, List<Survivors> images) {

  /**
   * Where rows stand.
   *
   * @param hidden u8: 1 for a row that nobody attends; null if there is none
   * @param positions i32 {@code [T]} or {@code [axes, T]}
   */
  record Standing(Tensor hidden, Tensor positions) {}

  /**
   * Where the rows that enter the decoder stand.
   *
   * @param positions of the prompt with nothing dropped, i32 {@code [T]} or {@code [axes, T]}; null
   *     if they simply count
   */
  Standing entering(Plan plan, Tensor positions) {
    Layout prompt = planner.prompt();
    PositionRule rule = planner.ruleBefore();
    int rows = plan.layout().rows();
    boolean dropped = rows < prompt.rows();
    if (dropped && rule == PositionRule.CONTIGUOUS) {
      return new Standing(null, workspace.iota().rows(0, rows));
    }
    Tensor dense = positions == null ? workspace.iota().rows(0, prompt.rows()) : positions;
    if (planner.masks()) {
      return hiding(prompt, dense, plan.capacity(0), rule);
    }
    if (!dropped) {
      return new Standing(null, dense);
    }
    Tensor after = workspace.positions(dense, rows);
    Tensor unused = workspace.indices("rows", rows);
    List<Cut> cuts = dropped(prompt);
    workspace.device().rowMap(new RowMapping(unused, after, null, dense, cuts, PositionRule.KEEP));
    return new Standing(null, after);
  }

  /**
   * Hides whatever the cuts so far have dropped.
   *
   * @param capacity rows of a cache, which the hidden ones are marked among
   */
  Standing hiding(Layout layout, Tensor positions, int capacity, PositionRule rule) {
    Tensor hidden = workspace.arena().alloc("hidden", DType.U8, capacity);
    Tensor after = workspace.positions(positions, layout.rows());
    workspace.device().hideRows(hidden, after, positions, dropped(layout), rule);
    return new Standing(hidden, after);
  }

  /** What the cuts so far have dropped of rows that never moved. */
  private List<Cut> dropped(Layout layout) {
    var dropped = new ArrayList<Cut>();
    for (int image = 0; image < images.size(); image++) {
      if (images.get(image).kept() != null) {
        dropped.add(images.get(image).hidden(layout.images().get(image).from()));
      }
    }
    return dropped;
  }
}
