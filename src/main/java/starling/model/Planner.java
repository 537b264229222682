package starling.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.PositionRule;
import starling.device.Span;
import starling.input.InputException;
import starling.input.Limits;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;
import starling.prune.VlmShape;

/**
 * Counts everything of an answer from the sizes of the model and the prompt, and from how many
 * tokens each cut keeps.
 *
 * @param options the method with every option written out
 * @param prompt where its rows stand with none dropped
 * @param positions theirs
 * @param cuts the method's cuts, in order of flow
 */
record Planner(
    VisionLanguageModel model,
    Request request,
    VlmShape shape,
    List<CutPoint> cuts,
    String options,
    Layout prompt,
    Positions positions) {

  /**
   * @throws InputException if the pruning does not fit the model or the prompt
   */
  static Planner of(VisionLanguageModel model, Request request) {
    List<ImageTokens> images = request.images().stream().map(ImageInput::tokens).toList();
    checkRows(request, images);
    var shape =
        new VlmShape(
            images,
            request.method().budget(),
            model.visionBlocks(),
            model.text().numHiddenLayers(),
            textRows(model, request));
    int[] rows = images.stream().mapToInt(ImageTokens::rows).toArray();
    Layout prompt = Layout.of(request.ids(), model.imageToken(), rows);
    Positions positions = model.positions(prompt, images);
    if (images.isEmpty()) {
      return new Planner(model, request, shape, List.of(), "none", prompt, positions);
    }
    List<CutPoint> cuts = CheckedCuts.of(request.method(), shape);
    String options = request.method().spec(shape);
    checkRules(model, cuts, options);
    return new Planner(model, request, shape, cuts, options, prompt, positions);
  }

  /** Rows behind the last image. */
  private static int textRows(VisionLanguageModel model, Request request) {
    int[] ids = request.ids();
    int after = ids.length;
    while (!request.images().isEmpty() && ids[after - 1] != model.imageToken()) {
      after--;
    }
    return ids.length - after;
  }

  private static void checkRules(VisionLanguageModel model, List<CutPoint> cuts, String options) {
    for (CutPoint cut : cuts) {
      if (cut.where() == CutSite.DECODER && !model.positionRules().contains(cut.positions())) {
        throw new InputException(
            options
                + ": the rows of this model cannot be renumbered; let them keep their positions"
                + " (positions=keep)");
      }
    }
  }

  /** How the rows are numbered behind the cuts before the decoder. */
  PositionRule ruleBefore() {
    return model.positionRules().get(0);
  }

  /** What each cut keeps of each group, {@code [cut][group]}: the most it can. */
  int[][] bounds() {
    int groups = shape.groups().size();
    return cuts.stream()
        .map(cut -> IntStream.range(0, groups).map(cut::kept).toArray())
        .toArray(int[][]::new);
  }

  /**
   * How many layers' rows are known if all cuts before {@code passed} have been counted: those as
   * far as the next that the device counts. A cut before the decoder is at 0, one inside it at its
   * layer.
   */
  int known(int passed) {
    int layers = shape.layers();
    for (CutPoint cut : cuts) {
      int at = cut.where() == CutSite.DECODER ? cut.layer() : 0;
      if (cut.counted() && at >= passed) {
        layers = Math.min(layers, at);
      }
    }
    return layers;
  }

  /**
   * The plan if each cut keeps {@code kept[cut][group]}.
   *
   * @throws InputException if the prompt is beyond the context
   */
  Plan plan(int[][] kept) {
    int[] left = shape.images().stream().mapToInt(ImageTokens::candidates).toArray();
    int projected = projected(left);
    for (int c = 0; c < cuts.size(); c++) {
      CutSite site = cuts.get(c).where();
      left = site == CutSite.DECODER ? left : ofImages(kept[c]);
      if (!masks() && (site == CutSite.VISION || site == CutSite.PROJECTOR_INPUT)) {
        projected = projected(left);
      }
    }
    Layout entering = Layout.of(request.ids(), model.imageToken(), rows(left));
    Layout layout = masks() ? prompt : entering;
    int limit = model.text().maxPositionEmbeddings();
    checkContext(layout.rows(), limit);
    LayerCounts layers = LayerCounts.of(this, entering, kept);
    int[] visual = {visual(prompt), visual(entering), visual(layers.behindFirstCut())};
    return new Plan(
        options,
        cuts,
        layout,
        layers.tokens(),
        layers.cached(),
        prompt.rows(),
        layers.next(),
        Math.min(request.maxTokens(), limit - entering.rows() + 1),
        projected,
        visual);
  }

  private static void checkContext(int rows, int limit) {
    if (rows > limit) {
      throw new InputException(
          "the prompt is "
              + rows
              + " tokens long, visual tokens included; the model's context"
              + " (max_position_embeddings) is "
              + limit);
    }
  }

  /** Whether dropped rows stay where they are and are hidden. */
  boolean masks() {
    return request.mode() == Mode.MASK;
  }

  /** The cuts at a place, in order. */
  List<CutPoint> cutsAt(CutSite site) {
    return cuts.stream().filter(cut -> cut.where() == site).toList();
  }

  /** The cut behind {@code layers} decoder layers, or null. */
  CutPoint cutBehind(int layers) {
    return cuts.stream()
        .filter(cut -> cut.where() == CutSite.DECODER && cut.layer() == layers)
        .findFirst()
        .orElse(null);
  }

  /** How many decoder layers see all rows that entered: as far as the first cut there. */
  int layersBeforeFirstCut() {
    return cutsAt(CutSite.DECODER).stream().mapToInt(CutPoint::layer).min().orElse(shape.layers());
  }

  /** 1 for a cut before the decoder, 2 for the first inside it, 3, 4 … for later ones. */
  int stageNumber(CutPoint cut) {
    long earlier =
        cuts.stream().filter(c -> c.where() == CutSite.DECODER && c.layer() < cut.layer()).count();
    return cut.where() == CutSite.DECODER ? 2 + (int) earlier : 1;
  }

  /** Position of the token that follows the rows which entered the decoder. */
  int firstPosition(Layout entering) {
    boolean renumbered = entering.rows() < prompt.rows() && ruleBefore() == PositionRule.CONTIGUOUS;
    return renumbered ? entering.rows() : positions.next();
  }

  private static void checkRows(Request request, List<ImageTokens> images) {
    long rows = request.ids().length;
    for (ImageTokens image : images) {
      rows += image.rows();
    }
    if (rows > Limits.ROWS) {
      throw new InputException(
          images.size()
              + " images are more than "
              + Limits.ROWS
              + " tokens, before any are dropped");
    }
  }

  /** Rows of each image of which so many candidates are left. */
  int[] rows(int[] left) {
    return IntStream.range(0, left.length)
        .map(i -> shape.images().get(i).fixedRows() + left[i])
        .toArray();
  }

  /** Candidates left of each image if its groups keep so many. */
  int[] ofImages(int[] kept) {
    int[] left = new int[shape.images().size()];
    List<VlmShape.Group> groups = shape.groups();
    for (int g = 0; g < kept.length; g++) {
      left[groups.get(g).image()] += kept[g];
    }
    return left;
  }

  private int projected(int[] left) {
    int rows = Arrays.stream(left).sum();
    for (ImageTokens image : shape.images()) {
      rows += image.towerMade() - image.candidates();
    }
    return rows;
  }

  private static int visual(Layout layout) {
    return layout.images().stream().mapToInt(Span::length).sum();
  }
}
