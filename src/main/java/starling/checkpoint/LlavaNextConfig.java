package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * {@code config.json} of a LLaVA-NeXT checkpoint in the Hugging Face layout: a LLaVA's, with a
 * Llama or Mistral decoder, and the sizes that an image in tiles may have.
 *
 * @param llava what both families say
 * @param mistral whether the decoder is a Mistral, which is asked in another form than a Llama
 * @param imageGridPinpoints {@code [height, width]} in pixels, whole tiles; the order decides ties
 */
public record LlavaNextConfig(
    LlavaConfig llava, boolean mistral, List<List<Integer>> imageGridPinpoints) {
  /** Most sizes in the list. */
  private static final int MOST = 64;

  /** Reads {@code config.json} and, for the end tokens, {@code generation_config.json}. */
  public static LlavaNextConfig read(Path dir) {
    CheckpointFolder.check(dir);
    Fields top = Fields.read(dir.resolve("config.json"));
    top.oneOf("model_type", "", List.of("llava_next"));
    for (String part : List.of("text_config", "vision_config")) {
      if (!top.has(part)) {
        throw top.wrong(part, "is missing");
      }
    }
    top.oneOf("vision_feature_select_strategy", "default", List.of("default"));
    LlavaConfig llava = LlavaConfig.of(dir, top, KnownKeys.NEXT_TOP, List.of("llama", "mistral"));
    boolean mistral = top.object("text_config").text("model_type", "llama").equals("mistral");
    return new LlavaNextConfig(llava, mistral, pinpoints(top, llava.vision().imageSize()));
  }

  /** Tiles along a side, at most those of {@link Limits#PATCHES} of all tiles together. */
  private static List<List<Integer>> pinpoints(Fields top, int tile) {
    var list = new ArrayList<List<Integer>>();
    if (!top.has("image_grid_pinpoints")) {
      for (int[] tiles : new int[][] {{1, 2}, {2, 1}, {2, 2}, {3, 1}, {1, 3}}) {
        list.add(List.of(336 * tiles[0], 336 * tiles[1]));
      }
    }
    JsonNode given = top.node().path("image_grid_pinpoints");
    for (JsonNode pair : given) {
      if (!pair.isArray() || pair.size() != 2 || !pair.get(0).isInt() || !pair.get(1).isInt()) {
        throw top.wrong(
            "image_grid_pinpoints",
            "holds " + InputJson.shown(pair) + "; a height and a width are needed");
      }
      list.add(List.of(pair.get(0).intValue(), pair.get(1).intValue()));
    }
    if (list.isEmpty() || list.size() > MOST || (!given.isArray() && !given.isMissingNode())) {
      throw top.wrong(
          "image_grid_pinpoints",
          "is " + InputJson.shown(given) + "; a list of 1 to " + MOST + " sizes is needed");
    }
    for (List<Integer> size : list) {
      for (int side : size) {
        if (side < tile || side % tile != 0 || side > Limits.RESIZED_SIDE) {
          throw top.wrong(
              "image_grid_pinpoints",
              "holds "
                  + side
                  + ", which is no multiple of vision_config image_size "
                  + tile
                  + " up to "
                  + Limits.RESIZED_SIDE);
        }
      }
      if ((long) size.get(0) * size.get(1) / tile / tile > MOST) {
        throw top.wrong("image_grid_pinpoints", "holds " + size + ", more than " + MOST + " tiles");
      }
    }
    return List.copyOf(list);
  }
}
