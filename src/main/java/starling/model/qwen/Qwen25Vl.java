package starling.model.qwen;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.QwenConfig;
import starling.checkpoint.QwenPreprocessorConfig;
import starling.checkpoint.QwenVisionConfig;
import starling.checkpoint.QwenWeights;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.PositionRule;
import starling.device.Span;
import starling.device.TensorArena;
import starling.image.Image;
import starling.image.Preprocess;
import starling.image.SmartResize;
import starling.model.ImageEncoder;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Layout;
import starling.model.Positions;
import starling.model.VisionLanguageModel;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * Qwen2.5-VL: an image keeps its own size, and four patches of the tower become one visual token.
 * Positions have three axes, time, height and width; text stands at the same number on all three.
 *
 * @param config the configuration of the checkpoint
 */
public record Qwen25Vl(QwenConfig config) implements VisionLanguageModel {
  /** Visual tokens along a side of the image that counts are shown for: 448 pixels. */
  private static final int TYPICAL = 16;

  /** Reads {@code config.json}. */
  public static Qwen25Vl read(Path dir) {
    return new Qwen25Vl(QwenConfig.read(dir));
  }

  @Override
  public TextConfig text() {
    return config.text();
  }

  @Override
  public String dtype() {
    return config.dtype();
  }

  @Override
  public List<Integer> endTokens() {
    return config.eosTokenIds();
  }

  @Override
  public List<String> unknownKeys() {
    return config.unknownKeys();
  }

  @Override
  public Weights weights(Safetensors files) {
    QwenWeights weights = QwenWeights.read(config, files);
    return new Weights() {
      @Override
      public DecoderWeights decoder() {
        return weights.decoder();
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        return new QwenEncoder(device, arena, dtype, config.vision(), weights.vision());
      }
    };
  }

  @Override
  public int visionBlocks() {
    return config.vision().depth();
  }

  @Override
  public String tower() {
    QwenVisionConfig v = config.vision();
    return String.format(
        Locale.ROOT,
        "%d blocks, width %d, %d heads, patch %d, windows of %d pixels but in blocks %s;"
            + " a visual token is %dx%d pixels of an image of any size",
        v.depth(),
        v.hiddenSize(),
        v.numHeads(),
        v.patchSize(),
        v.windowSize(),
        v.fullattBlockIndexes(),
        v.cellSize(),
        v.cellSize());
  }

  @Override
  public ImageProcessor images(Path dir) {
    SmartResize own = QwenPreprocessorConfig.read(dir, config.vision());
    return new ImageProcessor() {
      @Override
      public ImageInput prepare(Image image, ImageOptions options, String name) {
        Preprocess.Prepared prepared = resize(own, options).apply(image, name);
        ImageTokens tokens = tokensOf(prepared.height(), prepared.width());
        return new ImageInput(tokens, List.of(prepared));
      }

      @Override
      public ImageTokens tokens(int height, int width, ImageOptions options) {
        SmartResize.Size size = resize(own, options).of(height, width, "the image");
        return tokensOf(size.height(), size.width());
      }
    };
  }

  private static SmartResize resize(SmartResize own, ImageOptions options) {
    options.only("Qwen2.5-VL", "min-image-tokens", "max-image-tokens");
    return own.tokens(options.minImageTokens(), options.maxImageTokens());
  }

  /** The visual tokens of an image of so many pixels, which are whole tokens. */
  private ImageTokens tokensOf(int height, int width) {
    int cell = config.vision().cellSize();
    return tokens(height / cell, width / cell);
  }

  /** The visual tokens of an image of so many rows and columns of them. */
  ImageTokens tokens(int rows, int columns) {
    return Windows.of(rows, columns, config.vision().windowCells()).tokens();
  }

  @Override
  public ImageTokens typicalImage() {
    return tokens(TYPICAL, TYPICAL);
  }

  /**
   * Blocks of n rows {@code 8nd² + 6ndm}, attention {@code 4d} for each pair of rows that meet, and
   * the patches as transformers multiplies them, frame by frame.
   */
  @Override
  public double towerFlops(ImageTokens image) {
    QwenVisionConfig v = config.vision();
    ImageTokens.Crop grid = image.crops().get(0);
    double n = grid.patches();
    double d = v.hiddenSize();
    double full = v.fullBlocks();
    double windows = Windows.of(grid.rows(), grid.columns(), v.windowCells()).squares();
    double patch = 3.0 * v.temporalPatchSize() * v.patchSize() * v.patchSize();
    return v.depth() * (8 * n * d * d + 6 * n * d * v.intermediateSize())
        + 4 * d * (full * n * n + (v.depth() - full) * windows)
        + 2 * n * patch * d;
  }

  @Override
  public double projectorFlops(int rows) {
    double wide = (double) config.vision().cellRows() * config.vision().hiddenSize();
    return 2.0 * rows * (wide * wide + wide * config.vision().outHiddenSize());
  }

  @Override
  public long towerElements(ImageTokens image) {
    QwenVisionConfig v = config.vision();
    long patch = 3L * v.patchSize() * v.patchSize();
    // In two orders: patches. Beside a row: q, k and v twice, attention, and half a merged row.
    long row = 2 * patch + 10L * v.hiddenSize() + v.intermediateSize() + 2L * v.numHeads();
    return image.towerRows() * (2 * patch + row);
  }

  /**
   * Text counts on all axes. An image in raster order stands at (p, p + row, p + column), and what
   * follows it at p plus the longer side of its grid.
   */
  @Override
  public Positions positions(Layout prompt, List<ImageTokens> images) {
    int rows = prompt.rows();
    int[] values = new int[3 * rows];
    int next = 0;
    int image = 0;
    for (int t = 0; t < rows; image++) {
      Span span = image < images.size() ? prompt.images().get(image) : new Span(rows, rows);
      for (; t < span.from(); t++, next++) {
        values[t] = values[rows + t] = values[2 * rows + t] = next;
      }
      if (span.length() > 0) {
        ImageTokens.Crop grid = images.get(image).crops().get(0);
        for (; t < span.to(); t++) {
          int place = t - span.from();
          values[t] = next;
          values[rows + t] = next + place / grid.columns();
          values[2 * rows + t] = next + place % grid.columns();
        }
        next += Math.max(grid.rows(), grid.columns());
      }
    }
    return new Positions(3, values, next);
  }

  @Override
  public int[] ropeSections() {
    return config.mropeSection().stream().mapToInt(Integer::intValue).toArray();
  }

  @Override
  public List<PositionRule> positionRules() {
    return List.of(PositionRule.KEEP);
  }

  @Override
  public int imageToken() {
    return config.imageTokenId();
  }

  @Override
  public Template template() {
    return Template.CHATML;
  }
}
