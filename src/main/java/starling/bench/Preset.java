package starling.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import starling.bench.Operator.Sizes;
import starling.input.InputException;

/**
 * The sizes at which a model calls the operators: one image and a prompt of 60 text rows, a tenth
 * of the patches kept.
 */
@SuppressWarnings("ImmutableEnumChecker") // records of numbers
public enum Preset {
  /** The bundled model. */
  TINY("tiny", Tower.clip(96, 4, 96, 3, 384), new Text(128, 4, 4, 352, 8, 512), 576),

  /** LLaVA-1.5 on Vicuna 7B. */
  LLAVA_7B("llava-1.5-7b", Tower.CLIP, Text.SEVEN, 576),

  /** LLaVA-1.5 on Vicuna 13B. */
  LLAVA_13B("llava-1.5-13b", Tower.CLIP, new Text(5120, 40, 40, 13824, 40, 32064), 576),

  /** LLaVA-NeXT 7B with five crops of an image, none of it cut off, as papers count. */
  LLAVA_NEXT("llava-next", Tower.CLIP, Text.SEVEN, 2880),

  /** The same as the checkpoint counts, of a photo of 640 x 427: 32 rows of 48 with newlines. */
  LLAVA_NEXT_STOCK("llava-next-stock", Tower.CLIP, Text.SEVEN, 576 + 32 * (48 + 1)),

  /** The same photo on Mistral 7B, four query heads to a key head. */
  LLAVA_NEXT_MISTRAL(
      "llava-next-mistral",
      Tower.CLIP,
      new Text(4096, 32, 8, 14336, 32, 32064),
      576 + 32 * (48 + 1)),

  /** Qwen2.5-VL 3B and an image of 1008 x 1008: cells of four patches. */
  QWEN_3B("qwen2.5-vl-3b", Tower.QWEN, new Text(2048, 16, 2, 11008, 36, 151_936), 36 * 36),

  /** Qwen2.5-VL 7B and the same image. */
  QWEN_7B("qwen2.5-vl-7b", Tower.QWEN, new Text(3584, 28, 4, 18944, 28, 152_064), 36 * 36);

  private static final int PROMPT = 60; // rows of text

  /** Visual tokens of the largest image. */
  private static final int MOST = 16_384;

  /** An image whose windows are cut off at both borders: 64, 48, 16 and 12 rows. */
  private static final int[] RAGGED = {34, 46};

  /**
   * A vision tower; its attention is that of a block that sees the whole crop.
   *
   * @param image pixels of a side of a crop
   * @param classRows rows besides the patches
   * @param window patches of a side of a window that other blocks see; 0 if there are none
   */
  private record Tower(
      int image, int patch, int width, int heads, int inner, int classRows, int window) {
    static final Tower CLIP = clip(336, 14, 1024, 16, 4096);
    static final Tower QWEN = new Tower(1008, 14, 1280, 16, 3420, 0, 8);

    static Tower clip(int image, int patch, int width, int heads, int inner) {
      return new Tower(image, patch, width, heads, inner, 1, 0);
    }

    /** A call in which {@code down} lines of {@code across} patches attend inside their windows. */
    int[] windows(int down, int across) {
      int n = down * across;
      return new int[] {n, n, heads, heads, width / heads, 0, across, window};
    }

    boolean hasWindows() {
      return window > 0;
    }

    int patches() {
      return (image / patch) * (image / patch);
    }

    int rows() {
      return patches() + classRows;
    }
  }

  /** A decoder. */
  private record Text(int width, int heads, int keyHeads, int inner, int layers, int vocabulary) {
    static final Text SEVEN = new Text(4096, 32, 32, 11008, 32, 32064);
  }

  private final String label;
  private final Tower tower;
  private final Text text;
  private final int visual;

  Preset(String label, Tower tower, Text text, int visual) {
    this.label = label;
    this.tower = tower;
    this.text = text;
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
    int[][] more = tower.hasWindows() ? added(operator.name()) : new int[0][];
    return Stream.of(values(operator.name()), more)
        .flatMap(Arrays::stream)
        .map(values -> of(operator, values))
        .toList();
  }

  /** A row per call of the model, its values in the order of the operator's axes. */
  private int[][] values(String operator) {
    int rows = tower.rows();
    int patches = tower.patches();
    int cells = Math.min(patches, visual); // what a cut in a crop chooses among
    int width = text.width;
    int prompt = visual + PROMPT;
    int kept = visual / 10;
    int stay = kept + PROMPT;
    int heads = text.heads;
    int keys = text.keyHeads;
    int d = width / heads;
    int[] vision = {rows, rows, tower.heads, tower.heads, tower.width / tower.heads, 0};
    int[] last = {PROMPT, prompt, heads, keys, d, 1};
    return switch (operator) {
      case "patchify" -> new int[][] {{tower.image, tower.patch}};
      case "embed" -> new int[][] {{PROMPT, width, text.vocabulary}};
      case "layernorm" -> new int[][] {{rows, tower.width}};
      case "rmsnorm" -> new int[][] {{prompt, width}, {1, width}};
      case "row_statistics" -> new int[][] {{prompt, width}};
      case "step_attention" -> new int[][] {{prompt, heads, keys, d, width}};
      case "gemm" ->
          new int[][] {
            {rows, tower.width, tower.inner},
            {prompt, width, width},
            {prompt, width, text.inner},
            {stay, width, text.inner},
            {1, width, text.inner}
          };
      case "rope" ->
          new int[][] {
            tower.hasWindows()
                ? new int[] {prompt, heads, keys, d, 3}
                : new int[] {prompt, heads, keys, d}
          };
      case "attention" ->
          new int[][] {vision, {prompt, prompt, heads, keys, d, 1}, {1, prompt, heads, keys, d, 1}};
      case "attention_colsum" -> new int[][] {vision, last};
      case "token_select" -> new int[][] {{visual, kept, heads}};
      case "colsum_select" ->
          new int[][] {
            tower.hasWindows() ? joined(vision, visual, kept, 4) : joined(vision, patches, kept),
            joined(last, visual, kept)
          };
      case "cosines" -> new int[][] {{cells, tower.width * (patches / cells)}};
      case "drop_duplicates" -> new int[][] {{cells, cells / 10}};
      case "row_map", "hide_rows" -> new int[][] {{prompt, visual, kept}};
      case "gather_rows" -> new int[][] {{prompt, stay, width}};
      case "combine_rows" -> new int[][] {{visual, kept, 4, width}};
      case "compact_rows" -> new int[][] {{text.layers / 2, prompt, stay, keys, d}};
      case "sample" -> new int[][] {{text.vocabulary}};
      case "advance" -> new int[][] {{text.layers}};
      default -> throw new IllegalStateException("no sizes for " + operator);
    };
  }

  /**
   * What a tower with windows adds: windows, its own positions, tokens of four of its rows, and the
   * most tokens there can be.
   */
  private int[][] added(String operator) {
    int side = tower.image / tower.patch;
    int heads = tower.heads;
    int d = text.width / text.heads;
    return switch (operator) {
      case "rope" -> new int[][] {{tower.rows(), heads, heads, tower.width / heads, 3}};
      case "attention" ->
          new int[][] {tower.windows(side, side), tower.windows(RAGGED[0], RAGGED[1])};
      case "token_select" ->
          new int[][] {{visual, visual / 10, heads, 4}, {MOST, MOST / 10, heads, 4}};
      case "colsum_select" ->
          new int[][] {{PROMPT, MOST + PROMPT, text.heads, text.keyHeads, d, 1, MOST, MOST / 10}};
      default -> new int[0][];
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
