package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import starling.image.SmartResize;
import starling.input.InputException;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * How a Qwen2.5-VL checkpoint wants images prepared: {@code preprocessor_config.json}, or the
 * {@code image_processor} of {@code processor_config.json}. A field that would be ignored is
 * refused.
 */
public final class QwenPreprocessorConfig {
  private static final Set<String> PROCESSORS =
      Set.of(
          "Qwen2VLImageProcessor",
          "Qwen2VLImageProcessorFast",
          "Qwen2VLImageProcessorPil",
          "Qwen2_5_VLImageProcessor");

  private static final Set<String> KNOWN =
      Set.of(
          "min_pixels",
          "max_pixels",
          "size",
          "patch_size",
          "temporal_patch_size",
          "merge_size",
          "image_mean",
          "image_std",
          "image_processor_type",
          "processor_class",
          "resample",
          "do_resize",
          "do_rescale",
          "rescale_factor",
          "do_normalize",
          "do_convert_rgb",
          "data_format",
          "input_data_format",
          "return_tensors",
          "device",
          "disable_grouping",
          "default_to_square",
          "_valid_processor_keys");

  private QwenPreprocessorConfig() {}

  /**
   * Reads how images are prepared for a tower.
   *
   * @throws InputException if no file says it, or a field has a value that would give other pixels
   */
  public static SmartResize read(Path dir, QwenVisionConfig vision) {
    Path own = dir.resolve("preprocessor_config.json");
    Path combined = dir.resolve("processor_config.json");
    boolean inside = !Files.exists(own) && Files.exists(combined);
    Fields f = Fields.read(inside ? combined : own);
    if (inside) {
      f = f.object("image_processor");
      if (f.node().isMissingNode()) {
        throw new InputException(
            own + ": there is no such file, and processor_config.json has no image_processor");
      }
    }
    check(f, vision);
    long least = pixels(f, "min_pixels", "shortest_edge", 56 * 56);
    long most = pixels(f, "max_pixels", "longest_edge", 28 * 28 * 1280);
    int cell = vision.cellSize();
    long tokens = most / ((long) cell * cell);
    if (least > most || tokens < 1 || tokens > Limits.IMAGE_TOKENS) {
      throw f.wrong(
          f.has("max_pixels") ? "max_pixels" : "size.longest_edge",
          "is %d, for %d visual tokens; at least min_pixels, %d, and 1 to %d tokens are supported"
              .formatted(most, tokens, least, Limits.IMAGE_TOKENS));
    }
    return new SmartResize(
        cell,
        least,
        most,
        f.integer("resample", 3, 0),
        PreprocessorConfig.three(f, "image_mean", List.of(0.48145466, 0.4578275, 0.40821073)),
        PreprocessorConfig.divisors(f, "image_std", List.of(0.26862954, 0.26130258, 0.27577711)));
  }

  private static void check(Fields f, QwenVisionConfig vision) {
    for (var field : f.node().properties()) {
      if (!KNOWN.contains(field.getKey()) && !field.getValue().isNull()) {
        throw f.wrong(field.getKey(), "is not known, and may change the pixels");
      }
    }
    String type = f.text("image_processor_type", "Qwen2VLImageProcessor");
    if (!PROCESSORS.contains(type)) {
      throw f.wrong(
          "image_processor_type", "is '" + type + "', which prepares images in another way");
    }
    for (String field : List.of("do_resize", "do_rescale", "do_normalize")) {
      if (!f.flag(field, true)) {
        throw f.wrong(field, "is false, which is not supported");
      }
    }
    same(f, "patch_size", 14, vision.patchSize());
    same(f, "merge_size", 2, vision.spatialMergeSize());
    same(f, "temporal_patch_size", 2, vision.temporalPatchSize());
    if (f.integer("resample", 3, 0) > 5) {
      throw f.wrong(
          "resample", "is " + f.integer("resample", 3, 0) + "; Pillow's filters are 0 to 5");
    }
    double factor = f.number("rescale_factor", 1 / 255.0);
    if (Math.abs(factor - 1 / 255.0) > 1e-12) {
      throw f.wrong("rescale_factor", "is " + factor + "; 1/255 is supported");
    }
  }

  private static void same(Fields f, String field, int otherwise, int tower) {
    int here = f.integer(field, otherwise, 1);
    if (here != tower) {
      throw f.wrong(field, "is " + here + ", but config.json (vision_config) says " + tower);
    }
  }

  /** A count of pixels: under its own name, or inside {@code size} under that of an edge. */
  private static long pixels(Fields f, String field, String edge, long otherwise) {
    Fields size = f.object("size");
    for (var key : size.node().properties()) {
      if (!List.of("shortest_edge", "longest_edge").contains(key.getKey())) {
        throw size.wrong(
            key.getKey(), "is " + InputJson.shown(key.getValue()) + ", which is not supported");
      }
    }
    Fields from = f.has(field) ? f : size;
    String name = f.has(field) ? field : edge;
    if (!from.has(name)) {
      return otherwise;
    }
    JsonNode value = from.node().get(name);
    if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 1) {
      throw from.wrong(name, "is " + InputJson.shown(value) + "; a number of pixels is needed");
    }
    return value.longValue();
  }
}
