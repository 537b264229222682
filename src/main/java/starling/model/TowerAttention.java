package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Kv;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.prune.Attention;
import starling.prune.ImageTokens;

/**
 * The attention of the tower's block that gives the feature. Methods rank by it at every place
 * before the decoder, and it always covers all rows of the tower.
 *
 * @param crops the sequences of it, one for each crop, with no candidates named
 */
record TowerAttention(Workspace workspace, Survivors left, List<Attention.Part> crops) {

  /**
   * @param in with all crops as segments of one call, or null for one crop
   * @param lse f32 {@code [H, T]}
   */
  static TowerAttention of(Workspace workspace, Survivors left, AttentionInputs in, Tensor lse) {
    var crops = new ArrayList<Attention.Part>();
    List<ImageTokens.Crop> all = left.tokens().crops();
    for (int c = 0; c < all.size(); c++) {
      Segments segments = in.kv().segments();
      Kv own = segments == null ? in.kv() : new Kv(in.kv().k(), in.kv().v(), segments.only(c));
      var alone = new AttentionInputs(in.q(), own, in.mask(), in.scale());
      int rows = all.get(c).end() - all.get(c).first();
      crops.add(new Attention.Part(alone, lse, rows, null, new Span(0, all.get(c).cls()), null));
    }
    return new TowerAttention(workspace, left, List.copyOf(crops));
  }

  /** The attention with a group's remaining candidates as keys. */
  Attention of(int group) {
    ImageTokens tokens = left.tokens();
    TokenTables tables = left.tables();
    if (tables.plain()) {
      var keys = new Candidates(tokens.inOrder(), left.left(), left.kept());
      return new Attention(List.of(crops.get(0).of(keys)), 1, null);
    }
    int crop = left.groups().get(group).crop();
    boolean whole = crop < 0;
    var parts = new ArrayList<Attention.Part>();
    for (int c = 0; c < crops.size(); c++) {
      Candidates keys = tables.keys(c);
      if ((whole || crop == c) && keys.count() > 0) { // a tile may hold nothing of a thin image
        parts.add(crops.get(c).of(keys));
      }
    }
    Tensor order = whole ? tables.byCrop() : tables.inCrop();
    if (left.kept() != null) {
      order = workspace.pick(order, left.kept(group));
    } else if (parts.size() == 1) {
      order = null; // the only part's keys are in the candidates' order
    }
    return new Attention(parts, tokens.width(), order);
  }
}
