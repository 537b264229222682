package starling.model.next;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.LlavaNextConfig;
import starling.checkpoint.LlavaNextWeights;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.TensorArena;
import starling.image.AnyResolution;
import starling.image.Image;
import starling.image.Tiles;
import starling.model.ClipEncoder;
import starling.model.ImageEncoder;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.VisionLanguageModel;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * LLaVA-NeXT (LLaVA-1.6): an image is the whole of it and some tiles, each through the CLIP tower
 * of LLaVA-1.5. The tiles' patches stand in one grid without the border around the image, a newline
 * row behind each row. Positions simply count.
 *
 * @param config the configuration of the checkpoint
 */
public record LlavaNext(LlavaNextConfig config) implements VisionLanguageModel {
  /** Reads {@code config.json}. */
  public static LlavaNext read(Path dir) {
    return new LlavaNext(LlavaNextConfig.read(dir));
  }

  @Override
  public TextConfig text() {
    return config.llava().text();
  }

  @Override
  public String dtype() {
    return config.llava().dtype();
  }

  @Override
  public List<Integer> endTokens() {
    return config.llava().eosTokenIds();
  }

  @Override
  public List<String> unknownKeys() {
    return config.llava().unknownKeys();
  }

  @Override
  public Weights weights(Safetensors files) {
    LlavaNextWeights weights = LlavaNextWeights.read(config, files);
    return new Weights() {
      @Override
      public DecoderWeights decoder() {
        return weights.llava().decoder();
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        return new ClipEncoder(
            device,
            arena,
            dtype,
            vision(),
            weights.llava().vision(),
            weights.llava().projector(),
            weights.newline());
      }
    };
  }

  private ClipConfig vision() {
    return config.llava().vision();
  }

  @Override
  public int visionBlocks() {
    return config.llava().visionBlocks();
  }

  @Override
  public String tower() {
    ClipConfig v = vision();
    return String.format(
        Locale.ROOT,
        "%d of %d blocks run, width %d, %d heads, the image and its tiles of %dx%d pixels, patch"
            + " %d: %d patches each",
        visionBlocks(),
        v.numHiddenLayers(),
        v.hiddenSize(),
        v.numAttentionHeads(),
        v.imageSize(),
        v.imageSize(),
        v.patchSize(),
        config.llava().patches());
  }

  // ---- images ----

  @Override
  public ImageProcessor images(Path dir) {
    int side = vision().imageSize();
    var tiles = new Tiles(PreprocessorConfig.tiles(dir, side, config.imageGridPinpoints()), side);
    return new ImageProcessor() {
      @Override
      public ImageInput prepare(Image image, ImageOptions options, String name) {
        checkOptions(options);
        AnyResolution size = size(image.height(), image.width(), options, name);
        ImageTokens tokens = LlavaNext.this.tokens(image.height(), image.width(), size, options);
        return new ImageInput(tokens, tiles.of(image, size));
      }

      @Override
      public ImageTokens tokens(int height, int width, ImageOptions options) {
        return LlavaNext.this.tokens(height, width, options);
      }
    };
  }

  private static void checkOptions(ImageOptions options) {
    options.only("LLaVA-NeXT", "anyres", "newline", "unpad", "pinpoints");
  }

  /** The visual tokens of an image of so many pixels. */
  ImageTokens tokens(int height, int width, ImageOptions options) {
    checkOptions(options);
    return tokens(height, width, size(height, width, options, "the image"), options);
  }

  private AnyResolution size(int h, int w, ImageOptions options, String name) {
    int two = 2 * vision().imageSize();
    List<List<Integer>> sizes =
        options.anyres() == ImageOptions.Anyres.TWO_BY_TWO
            ? List.of(List.of(two, two))
            : config.imageGridPinpoints();
    if (options.pinpoints() == ImageOptions.Pinpoints.WH) {
      sizes = sizes.stream().map(List::reversed).toList();
    }
    return AnyResolution.of(h, w, sizes, name);
  }

  private ImageTokens tokens(int h, int w, AnyResolution size, ImageOptions options) {
    int side = config.llava().grid();
    int down = size.height() / vision().imageSize();
    int across = size.width() / vision().imageSize();
    boolean all = Boolean.FALSE.equals(options.unpad());
    var part =
        all
            ? new AnyResolution.Part(0, 0, down * side, across * side)
            : AnyResolution.unpadded(down * side, across * side, h, w);
    var newline = options.newline() == null ? ImageOptions.Newline.KEEP : options.newline();
    return new TiledImage(side, down, across, part, newline).tokens();
  }

  /** A square image of the tower's size, which has the list's first shape of two tiles or so. */
  @Override
  public ImageTokens typicalImage() {
    int side = vision().imageSize();
    return tokens(side, side, ImageOptions.DEFAULT);
  }

  @Override
  public double towerFlops(ImageTokens image) {
    double blocks =
        image.crops().stream()
            .mapToDouble(c -> ClipEncoder.blockFlops(vision(), c.cls() + c.patches()))
            .sum();
    return visionBlocks() * blocks;
  }

  @Override
  public double projectorFlops(int rows) {
    double d = text().hiddenSize();
    return 2.0 * rows * (vision().hiddenSize() * d + d * d);
  }

  @Override
  public long towerElements(ImageTokens image) {
    ClipConfig c = vision();
    long pixels = 3L * c.imageSize() * c.imageSize() * image.crops().size();
    long row = 6L * c.hiddenSize() + c.intermediateSize() + 2L * text().hiddenSize();
    return 2 * pixels + row * image.towerRows();
  }

  // ---- prompt ----

  @Override
  public int imageToken() {
    return config.llava().imageTokenIndex();
  }

  @Override
  public Template template() {
    return config.mistral() ? Template.MISTRAL : Template.NEXT_VICUNA;
  }
}
