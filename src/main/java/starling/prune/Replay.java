package starling.prune;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.IntStream;
import starling.device.PositionRule;
import starling.input.InputException;
import starling.input.InputJson;

/**
 * The kept sets of a trace. Of the file only {@code stages[].stage, image, crop, layer, kept} is
 * read, so any program can write one; {@code crop} is needed only where a method chose in several
 * groups of an image, whose entries are taken together: stage 1 is a cut before the decoder, later
 * stages are cuts after {@code layer} decoder layers whose survivors keep their positions.
 */
record Replay(Path file) implements Method {
  @Override
  public String spec(VlmShape shape) {
    return "replay:" + file;
  }

  private record Stage(int stage, int image, int crop, int layer, int[] kept) {}

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    var byStage = new TreeMap<Integer, List<Stage>>();
    for (Stage stage : read(shape)) {
      byStage.computeIfAbsent(stage.stage(), s -> new ArrayList<>()).add(stage);
    }
    var cuts = new ArrayList<CutPoint>();
    var survivors = new ArrayList<int[]>();
    for (ImageTokens image : shape.images()) {
      survivors.add(IntStream.range(0, image.candidates()).toArray());
    }
    int layerBefore = 0;
    for (var entry : byStage.entrySet()) {
      int stage = entry.getKey();
      int layer = entry.getValue().get(0).layer();
      if (stage > 1 && (layer <= layerBefore || layer >= shape.layers())) {
        throw wrong(
            "stage "
                + stage
                + ": layer "
                + layer
                + " must lie between "
                + layerBefore
                + " and the model's "
                + shape.layers()
                + " decoder layers");
      }
      var keep = keepSets(entry.getValue(), stage, layer, survivors);
      cuts.add(
          stage == 1
              ? FixedCut.beforeProjector(shape, keep)
              : new FixedCut(CutSite.DECODER, layer, keep, PositionRule.KEEP));
      layerBefore = stage == 1 ? 0 : layer;
    }
    return cuts;
  }

  /**
   * Turns raster indices into indices among the survivors of the stage before, which it then
   * replaces.
   */
  private List<int[]> keepSets(List<Stage> stages, int stage, int layer, List<int[]> survivors) {
    var keep = new ArrayList<int[]>();
    for (int i = 0; i < survivors.size(); i++) {
      int image = i;
      var own = stages.stream().filter(s -> s.image() == image).toList();
      if (own.isEmpty()
          || own.stream().map(Stage::crop).distinct().count() < own.size()
          || own.stream().anyMatch(s -> s.layer() != layer)) {
        throw wrong("stage " + stage + " must have one entry per image, all with the same layer");
      }
      int[] before = survivors.get(image);
      int[] kept =
          own.stream().flatMapToInt(s -> Arrays.stream(s.kept())).distinct().sorted().toArray();
      int[] index = Arrays.stream(kept).map(patch -> Arrays.binarySearch(before, patch)).toArray();
      int at = 0;
      while (at < index.length && index[at] >= 0) {
        at++;
      }
      if (at < index.length) {
        throw wrong(
            "stage " + stage + " keeps patch " + kept[at] + ", which is not there any more");
      }
      keep.add(index);
      survivors.set(image, kept);
    }
    return keep;
  }

  private List<Stage> read(VlmShape shape) {
    JsonNode stages = InputJson.read(file).path("stages");
    if (!stages.isArray()) {
      throw wrong("has no list 'stages'");
    }
    var list = new ArrayList<Stage>();
    for (JsonNode node : stages) {
      int stage = whole(node, "stage");
      int image = whole(node, "image");
      if (stage < 1 || image < 0 || image >= shape.images().size()) {
        throw wrong(
            "stage "
                + stage
                + " of image "
                + image
                + ", but the prompt has "
                + shape.images().size()
                + " image(s)");
      }
      int crop = node.has("crop") ? whole(node, "crop") : 0;
      int[] kept = kept(node, shape.images().get(image).candidates());
      list.add(new Stage(stage, image, crop, whole(node, "layer"), kept));
    }
    return list;
  }

  private int whole(JsonNode node, String field) {
    if (!node.path(field).isInt()) {
      throw wrong("stages[]." + field + " must be a whole number");
    }
    return node.path(field).intValue();
  }

  private int[] kept(JsonNode node, int candidates) {
    JsonNode array = node.path("kept");
    if (!array.isArray() || array.isEmpty()) {
      throw wrong("stages[].kept must be a list of patches with at least one");
    }
    int[] kept = new int[array.size()];
    for (int i = 0; i < kept.length; i++) {
      if (!array.get(i).isInt()) {
        throw wrong(
            "stages[].kept holds "
                + InputJson.shown(array.get(i))
                + ", which is not a whole number");
      }
      kept[i] = array.get(i).intValue();
      if (kept[i] < 0 || kept[i] >= candidates || (i > 0 && kept[i] <= kept[i - 1])) {
        throw wrong(
            "stages[].kept must ascend from 0 to " + (candidates - 1) + "; it holds " + kept[i]);
      }
    }
    return kept;
  }

  private InputException wrong(String reason) {
    return new InputException(file + ": " + reason);
  }
}
