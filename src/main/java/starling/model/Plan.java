package starling.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.checkpoint.LlavaConfig;
import starling.device.InputException;
import starling.device.Limits;
import starling.device.PositionRule;
import starling.prune.CutPoint;
import starling.prune.VlmShape;
import starling.prune.Where;

/**
 * Every count of an answer, known from shapes before anything runs.
 *
 * @param options the method with every option written out; {@code none} without a picture
 * @param cuts the method's cuts, in order of flow
 * @param layout the decoder's rows when prefill enters it; in mask mode the dropped rows are among
 *     them
 * @param tokensPerLayer rows entering each decoder layer at prefill
 * @param denseTokens the same in every layer with nothing pruned
 * @param nextPosition position of the first generated token in each decoder layer; behind a cut
 *     that renumbers, it follows the new numbers
 * @param room tokens that may be generated: what was asked for, as far as the context reaches
 * @param projectedRows rows that go through the projector, all pictures together
 * @param visualTokens visual tokens (CLS rows included) of the prompt, after stage 1, after stage 2
 */
public record Plan(
    String options,
    List<CutPoint> cuts,
    Layout layout,
    int[] tokensPerLayer,
    int denseTokens,
    int[] nextPosition,
    int room,
    int projectedRows,
    int[] visualTokens) {

  /**
   * Counts everything.
   *
   * @throws InputException if the pruning does not fit the model or the prompt, or the prompt is
   *     beyond the context
   */
  public static Plan of(LlavaConfig config, Request request) {
    VlmShape shape = shape(config, request);
    List<CutPoint> cuts = checkedCuts(shape, request);
    String options = shape.images() == 0 ? "none" : request.method().spec(shape);
    int images = request.pixels().size();
    int cls = config.keepsCls() ? 1 : 0;
    boolean mask = request.mode() == Mode.MASK;
    int[] patches = IntStream.range(0, images).map(i -> config.patches()).toArray();
    if ((long) images * (config.patches() + cls) + request.ids().length > Limits.ROWS) {
      throw new InputException(
          images + " pictures are more than " + Limits.ROWS + " tokens, before any are dropped");
    }
    Layout dense = Layout.of(request.ids(), config.imageTokenIndex(), cls, patches);

    int projected = sum(dense, cls);
    for (CutPoint cut : cuts) {
      if (cut.where() != Where.DECODER) {
        patches = kept(cut, images);
      }
      if (!mask && (cut.where() == Where.VISION || cut.where() == Where.PROJECTOR_INPUT)) {
        projected = IntStream.of(patches).sum() + images * cls;
      }
    }
    Layout compact = Layout.of(request.ids(), config.imageTokenIndex(), cls, patches);
    Layout layout = mask ? dense : compact;

    int[] visual = {sum(dense, cls), sum(compact, cls), sum(compact, cls)};
    int[] tokens = new int[config.text().numHiddenLayers()];
    int[] positions = new int[tokens.length];
    int position = compact.rows();
    Layout now = compact;
    boolean first = true;
    for (int l = 0; l < tokens.length; l++) {
      tokens[l] = mask ? dense.rows() : now.rows();
      positions[l] = position;
      for (CutPoint cut : cuts) {
        if (cut.where() == Where.DECODER && cut.layer() == l + 1) {
          now = now.cut(kept(cut, images));
          position = cut.positions() == PositionRule.CONTIGUOUS ? now.rows() : position;
          visual[2] = first ? sum(now, cls) : visual[2];
          first = false;
        }
      }
    }
    int limit = config.text().maxPositionEmbeddings();
    if (layout.rows() > limit) {
      throw new InputException(
          "the prompt is "
              + layout.rows()
              + " tokens long, visual tokens included; the model's context"
              + " (max_position_embeddings) is "
              + limit);
    }
    int room = Math.min(request.maxTokens(), limit - compact.rows() + 1);
    return new Plan(
        options, cuts, layout, tokens, dense.rows(), positions, room, projected, visual);
  }

  private static VlmShape shape(LlavaConfig config, Request request) {
    int[] ids = request.ids();
    int images = request.pixels().size();
    int after = ids.length;
    while (images > 0 && ids[after - 1] != config.imageTokenIndex()) {
      after--;
    }
    return new VlmShape(
        config.patches(),
        config.visionBlocks(),
        config.text().numHiddenLayers(),
        images,
        ids.length - after);
  }

  private static List<CutPoint> checkedCuts(VlmShape shape, Request request) {
    if (shape.images() == 0) {
      return List.of();
    }
    List<CutPoint> cuts = request.method().cuts(shape);
    boolean needsTower = cuts.stream().anyMatch(c -> c.where() != Where.DECODER && c.scored());
    if (shape.visionBlocks() == 0 && needsTower) {
      throw new InputException(
          request.method().spec(shape)
              + ": vision_feature_layer selects the embeddings, which have no attention");
    }
    List<Integer> layers =
        cuts.stream().filter(c -> c.where() == Where.DECODER).map(CutPoint::layer).toList();
    if (layers.stream().distinct().count() < layers.size()) {
      throw new IllegalArgumentException("a method cuts twice behind one decoder layer: " + layers);
    }
    return cuts;
  }

  /**
   * Rows that layer {@code l}'s cache has room for: the prompt's and one for every generated token
   * fed back.
   */
  int capacity(int l) {
    return tokensPerLayer[l] + room - 1;
  }

  /** Rows that each layer's cache holds when prefill ends. */
  int[] cachedRows(Mode mode) {
    int[] cached = tokensPerLayer.clone();
    Layout now = layout;
    for (CutPoint cut : cuts) {
      if (mode == Mode.COMPACT && cut.where() == Where.DECODER) {
        now = now.cut(kept(cut, now.pictures().size()));
        if (cut.compactsCache()) {
          Arrays.fill(cached, 0, cut.layer(), now.rows());
        }
      }
    }
    return cached;
  }

  /** Positions that prompt and answer may have; those of rows that are dropped count. */
  int positions() {
    return Math.max(layout.rows(), IntStream.of(nextPosition).max().orElse(0) + room - 1);
  }

  /** Mean number of visual tokens entering a decoder layer. */
  public double visualTokensPerLayer() {
    int text = denseTokens - visualTokens[0];
    return IntStream.of(tokensPerLayer).average().orElse(0) - text;
  }

  static int[] kept(CutPoint cut, int images) {
    return IntStream.range(0, images).map(cut::kept).toArray();
  }

  private static int sum(Layout layout, int cls) {
    return layout.pictures().stream().mapToInt(p -> p.length() + cls).sum();
  }
}
