package starling.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import starling.bench.Operator.Sizes;
import starling.input.InputException;

/**
 * The sizes at which a model calls the operators: one image and a prompt of 60 text rows, a tenth
 * of the patches kept.
 */
public enum Preset {
  /** The bundled model. */
  TINY("tiny", 96, 4, 96, 3, 384, 128, 4, 352, 8, 512, 576),

  /** LLaVA-1.5 on Vicuna 7B. */
  LLAVA_7B("llava-1.5-7b", 336, 14, 1024, 16, 4096, 4096, 32, 11008, 32, 32064, 576),

  /** LLaVA-1.5 on Vicuna 13B. */
  LLAVA_13B("llava-1.5-13b", 336, 14, 1024, 16, 4096, 5120, 40, 13824, 40, 32064, 576),

  /** LLaVA-NeXT 7B with five crops of an image. */
  LLAVA_NEXT("llava-next", 336, 14, 1024, 16, 4096, 4096, 32, 11008, 32, 32064, 2880);

  private static final int TEXT = 60;

  private final String label;
  private final int image;
  private final int patch;
  private final int visionWidth;
  private final int visionHeads;
  private final int visionInner;
  private final int width;
  private final int heads;
  private final int inner;
  private final int layers;
  private final int vocabulary;
  private final int visual;

  Preset(
      String label,
      int image,
      int patch,
      int visionWidth,
      int visionHeads,
      int visionInner,
      int width,
      int heads,
      int inner,
      int layers,
      int vocabulary,
      int visual) {
    this.label = label;
    this.image = image;
    this.patch = patch;
    this.visionWidth = visionWidth;
    this.visionHeads = visionHeads;
    this.visionInner = visionInner;
    this.width = width;
    this.heads = heads;
    this.inner = inner;
    this.layers = layers;
    this.vocabulary = vocabulary;
    this.visual = visual;
  }

  /** As the command line writes it. */
  public String label() {
    return label;
  }

  /** The labels of all of them. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(Preset::label).toList();
  }

  /**
   * The preset of a label, for the command line.
   *
   * @throws InputException if there is no such preset; names those there are
   */
  public static Preset of(String label) {
    for (Preset preset : values()) {
      if (preset.label.equals(label)) {
        return preset;
      }
    }
    throw new InputException("preset '" + label + "' is not one of " + String.join(", ", labels()));
  }

  /** The rows of one operator. */
  List<Sizes> sizes(Operator operator) {
    return Arrays.stream(values(operator.name())).map(values -> of(operator, values)).toList();
  }

  /** A row per call of the model, its values in the order of the operator's axes. */
  private int[][] values(String operator) {
    int patches = (image / patch) * (image / patch);
    int tower = patches + 1;
    int prompt = visual + TEXT;
    int kept = visual / 10;
    int stay = kept + TEXT;
    int d = width / heads;
    int[] vision = {tower, tower, visionHeads, visionHeads, visionWidth / visionHeads, 0};
    int[] text = {TEXT, prompt, heads, heads, d, 1};
    return switch (operator) {
      case "patchify" -> new int[][] {{image, patch}};
      case "embed" -> new int[][] {{TEXT, width, vocabulary}};
      case "layernorm" -> new int[][] {{tower, visionWidth}};
      case "rmsnorm" -> new int[][] {{prompt, width}, {1, width}};
      case "gemm" ->
          new int[][] {
            {tower, visionWidth, visionInner},
            {prompt, width, width},
            {prompt, width, inner},
            {stay, width, inner},
            {1, width, inner}
          };
      case "rope" -> new int[][] {{prompt, heads, heads, d}};
      case "attention" ->
          new int[][] {
            vision, {prompt, prompt, heads, heads, d, 1}, {1, prompt, heads, heads, d, 1}
          };
      case "attention_colsum" -> new int[][] {vision, text};
      case "token_select" -> new int[][] {{visual, kept, heads}};
      case "colsum_select" ->
          new int[][] {joined(vision, patches, kept), joined(text, visual, kept)};
      case "cosines" -> new int[][] {{patches, visionWidth}};
      case "drop_duplicates" -> new int[][] {{patches, patches / 10}};
      case "row_map", "hide_rows" -> new int[][] {{prompt, visual, kept}};
      case "gather_rows" -> new int[][] {{prompt, stay, width}};
      case "combine_rows" -> new int[][] {{visual, kept, 4, width}};
      case "compact_rows" -> new int[][] {{layers / 2, prompt, stay, heads, d}};
      case "sample" -> new int[][] {{vocabulary}};
      case "advance" -> new int[][] {{layers}};
      default -> throw new IllegalStateException("no sizes for " + operator);
    };
  }

  private static int[] joined(int[] first, int... second) {
    return IntStream.concat(IntStream.of(first), IntStream.of(second)).toArray();
  }

  private static Sizes of(Operator operator, int... values) {
    Map<String, Integer> sizes = new LinkedHashMap<>();
    for (int i = 0; i < values.length; i++) {
      sizes.put(operator.axes().get(i), values[i]);
    }
    return new Sizes(sizes);
  }
}
