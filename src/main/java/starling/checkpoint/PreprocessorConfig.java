package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import starling.image.Preprocess;
import starling.input.InputException;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * How a checkpoint wants images prepared: {@code preprocessor_config.json}, or the {@code
 * image_processor} of {@code processor_config.json}. Absent fields have CLIPImageProcessor's
 * defaults; a field that would be ignored is refused.
 */
public final class PreprocessorConfig {
  private static final String OWN = "preprocessor_config.json";
  private static final String COMBINED = "processor_config.json";

  private static final Set<String> KNOWN =
      Set.of(
          "do_resize",
          "resample",
          "size",
          "do_center_crop",
          "crop_size",
          "do_rescale",
          "rescale_factor",
          "do_normalize",
          "image_mean",
          "image_std",
          "do_pad",
          "do_convert_rgb",
          "image_processor_type",
          "processor_class",
          "feature_extractor_type",
          "_valid_processor_keys",
          "return_tensors",
          "data_format",
          "input_data_format",
          "default_to_square",
          "device",
          "disable_grouping",
          "do_split_image",
          "_processor_class");

  private static final Set<String> PROCESSORS =
      Set.of(
          "CLIPImageProcessor",
          "CLIPImageProcessorFast",
          "CLIPFeatureExtractor",
          "LlavaImageProcessor",
          "LlavaImageProcessorFast");

  private PreprocessorConfig() {}

  /**
   * Reads how images are prepared for a tower.
   *
   * @param side pixels of a side of what the tower sees
   * @throws InputException if no image could come out as large as that
   */
  public static Preprocess read(Path dir, int side) {
    Preprocess preprocess = read(dir);
    String size = preprocess.otherSize(side);
    if (size != null) {
      throw new InputException(
          file(dir)
              + ": "
              + (preprocess.doCenterCrop() ? "crop_size" : "size")
              + " makes "
              + size
              + " pixels of every image, but config.json (vision_config image_size) asks for "
              + side
              + "x"
              + side);
    }
    return preprocess;
  }

  private static final Set<String> TILING =
      Set.of(
          "LlavaNextImageProcessor", "LlavaNextImageProcessorFast", "LlavaNextImageProcessorPil");

  /**
   * Reads how the tiles of LLaVA-NeXT are prepared.
   *
   * @param side pixels of a side of a tile
   * @param sizes {@code image_grid_pinpoints} of {@code config.json}
   * @throws InputException if tiles would come out in another size, or the file has other sizes
   */
  public static Preprocess tiles(Path dir, int side, List<List<Integer>> sizes) {
    Fields f = fields(dir);
    var own = new TreeSet<>(KNOWN);
    own.addAll(List.of("image_grid_pinpoints", "aspect_ratio_setting"));
    Preprocess p = of(f, own, TILING, "LlavaNextImageProcessor");
    boolean whole = p.shortestEdge() == side || (p.width() == side && p.height() == side);
    if (!whole || p.cropWidth() != side || p.cropHeight() != side) {
      throw f.wrong(
          "size",
          "and crop_size must both be "
              + side
              + ", the image_size of vision_config in config.json");
    }
    if (f.has("image_grid_pinpoints")
        && !f.node()
            .get("image_grid_pinpoints")
            .toString()
            .equals(sizes.toString().replace(" ", ""))) {
      throw f.wrong(
          "image_grid_pinpoints",
          "is "
              + InputJson.shown(f.node().get("image_grid_pinpoints"))
              + ", but config.json has "
              + sizes);
    }
    return p;
  }

  /**
   * Reads how images are prepared, without a look at any tower.
   *
   * @throws InputException if no file says it, or a field has a value that would give other pixels
   */
  public static Preprocess read(Path dir) {
    return of(fields(dir), KNOWN, PROCESSORS, "CLIPImageProcessor");
  }

  private static Fields fields(Path dir) {
    Path file = file(dir);
    if (!file.endsWith(COMBINED)) {
      return Fields.read(file);
    }
    Fields fields = Fields.read(file).object("image_processor");
    if (fields.node().isMissingNode()) {
      throw new InputException(
          dir.resolve(OWN)
              + ": there is no such file, and "
              + COMBINED
              + " has no image_processor");
    }
    return fields;
  }

  /** Whether a folder says how images are prepared; one that is only inspected need not. */
  public static boolean isIn(Path dir) {
    return Files.exists(file(dir));
  }

  private static Path file(Path dir) {
    boolean combined = !Files.exists(dir.resolve(OWN)) && Files.exists(dir.resolve(COMBINED));
    return dir.resolve(combined ? COMBINED : OWN);
  }

  private static Preprocess of(
      Fields f, Set<String> known, Set<String> processors, String otherwise) {
    for (var field : f.node().properties()) {
      if (!known.contains(field.getKey()) && !field.getValue().isNull()) {
        throw f.wrong(field.getKey(), "is not known, and may change the pixels");
      }
    }
    String type = f.text("image_processor_type", f.text("feature_extractor_type", otherwise));
    if (!processors.contains(type)) {
      throw f.wrong(
          "image_processor_type", "is '" + type + "', which prepares images in another way");
    }
    for (String field : List.of("do_split_image", "default_to_square")) {
      if (f.flag(field, false)
          && !(field.equals("default_to_square") && f.node().path("size").isObject())) {
        throw f.wrong(field, "is true, which is not supported");
      }
    }
    int resample = f.integer("resample", 3, 0);
    if (resample > 5) {
      throw f.wrong("resample", "is " + resample + "; Pillow's filters are 0 to 5");
    }
    Size size = size(f, "size", 224, true);
    Size crop = size(f, "crop_size", 224, false);
    return new Preprocess(
        f.flag("do_resize", true),
        resample,
        size.shortest,
        size.height,
        size.width,
        f.flag("do_center_crop", true),
        crop.height,
        crop.width,
        f.flag("do_rescale", true),
        f.positive("rescale_factor", 1 / 255.0),
        f.flag("do_normalize", true),
        three(f, "image_mean", List.of(0.48145466, 0.4578275, 0.40821073)),
        divisors(f, "image_std", List.of(0.26862954, 0.26130258, 0.27577711)),
        f.flag("do_pad", false));
  }

  private record Size(int shortest, int height, int width) {}

  /**
   * A number, {@code {"shortest_edge"}} or {@code {"height", "width"}}. A bare number is an edge
   * for resizing.
   */
  private static Size size(Fields f, String field, int otherwise, boolean edge) {
    if (!f.has(field) || f.node().get(field).isIntegralNumber()) {
      int side = side(f, field, otherwise);
      return edge ? new Size(side, 0, 0) : new Size(0, side, side);
    }
    JsonNode node = f.node().get(field);
    Fields size = f.object(field);
    if (edge && node.size() == 1 && size.has("shortest_edge")) {
      return new Size(side(size, "shortest_edge", 0), 0, 0);
    }
    if (node.size() == 2 && size.has("height") && size.has("width")) {
      return new Size(0, side(size, "height", 0), side(size, "width", 0));
    }
    throw f.wrong(
        field,
        "is "
            + InputJson.shown(node)
            + "; a number, shortest_edge, or height and width are supported");
  }

  private static int side(Fields f, String field, int otherwise) {
    int side = f.integer(field, otherwise, 1);
    if (side > Limits.IMAGE_SIDE) {
      throw f.wrong(field, "is " + side + "; at most " + Limits.IMAGE_SIDE + " is supported");
    }
    return side;
  }

  private static List<Double> three(Fields f, String field, List<Double> otherwise) {
    if (!f.has(field)) {
      return otherwise;
    }
    JsonNode list = f.node().get(field);
    var values = new ArrayList<Double>();
    for (JsonNode value : list) {
      if (list.isArray() && value.isNumber()) {
        values.add(value.doubleValue());
      }
    }
    if (values.size() != 3 || list.size() != 3) {
      throw f.wrong(
          field, "is " + InputJson.shown(list) + "; three numbers are needed, one for each colour");
    }
    for (double value : values) {
      if (!(Math.abs(value) < 1e6)) {
        throw f.wrong(field, "holds " + value + "; numbers between -1e6 and 1e6 are supported");
      }
    }
    return List.copyOf(values);
  }

  private static List<Double> divisors(Fields f, String field, List<Double> otherwise) {
    List<Double> values = three(f, field, otherwise);
    for (double value : values) {
      if (value < 1e-9) {
        throw f.wrong(
            field, "holds " + value + "; pixels are divided by it, so it must be 1e-9 or more");
      }
    }
    return values;
  }
}
