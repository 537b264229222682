package starling.model.llava;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.LlavaConfig;
import starling.checkpoint.LlavaWeights;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.TensorArena;
import starling.image.Image;
import starling.image.Preprocess;
import starling.input.InputException;
import starling.model.ClipEncoder;
import starling.model.ImageEncoder;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.VisionLanguageModel;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * LLaVA-1.5: an image is one square grid of patches through a CLIP tower and two products, in the
 * place of one token of the prompt, with positions that simply count.
 *
 * @param config the configuration of the checkpoint
 */
public record Llava(LlavaConfig config) implements VisionLanguageModel {
  /** Reads {@code config.json}. */
  public static Llava read(Path dir) {
    return new Llava(LlavaConfig.read(dir));
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
    LlavaWeights weights = LlavaWeights.read(config, files);
    return new Weights() {
      @Override
      public DecoderWeights decoder() {
        return weights.decoder();
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        return new ClipEncoder(
            device, arena, dtype, config.vision(), weights.vision(), weights.projector());
      }
    };
  }

  @Override
  public int visionBlocks() {
    return config.visionBlocks();
  }

  @Override
  public String tower() {
    ClipConfig v = config.vision();
    return String.format(
        Locale.ROOT,
        "%d of %d blocks run, width %d, %d heads, %dx%d pixels, patch %d: %d visual tokens%s",
        visionBlocks(),
        v.numHiddenLayers(),
        v.hiddenSize(),
        v.numAttentionHeads(),
        v.imageSize(),
        v.imageSize(),
        v.patchSize(),
        config.patches(),
        config.keepsCls() ? " and CLS" : "");
  }

  @Override
  public ImageProcessor images(Path dir) {
    int side = config.vision().imageSize();
    Preprocess preprocess = PreprocessorConfig.read(dir, side);
    return new ImageProcessor() {
      @Override
      public ImageInput prepare(Image image, ImageOptions options, String name) {
        checkOptions(options);
        Preprocess.Prepared prepared = preprocess.apply(image, options.mode(), name);
        if (prepared.width() != side || prepared.height() != side) {
          throw new InputException(
              dir
                  + ": preprocessor_config.json (size, crop_size) makes "
                  + prepared.width()
                  + "x"
                  + prepared.height()
                  + " pixels of "
                  + name
                  + ", but config.json (vision_config image_size) asks for "
                  + side
                  + "x"
                  + side);
        }
        return new ImageInput(typicalImage(), List.of(prepared));
      }

      @Override
      public ImageTokens tokens(int height, int width, ImageOptions options) {
        checkOptions(options);
        return typicalImage();
      }
    };
  }

  private static void checkOptions(ImageOptions options) {
    options.only("LLaVA-1.5", "image-mode");
  }

  @Override
  public ImageTokens typicalImage() {
    return ImageTokens.grid(config.grid(), config.grid(), 1, config.keepsCls());
  }

  @Override
  public double towerFlops(ImageTokens image) {
    return visionBlocks() * ClipEncoder.blockFlops(config.vision(), image.towerRows());
  }

  @Override
  public double projectorFlops(int rows) {
    double d = config.text().hiddenSize();
    return 2.0 * rows * (config.vision().hiddenSize() * d + d * d);
  }

  @Override
  public long towerElements(ImageTokens image) {
    ClipConfig c = config.vision();
    long pixels = 3L * c.imageSize() * c.imageSize();
    long row = 5L * c.hiddenSize() + c.intermediateSize() + config.text().hiddenSize();
    return 2 * pixels + row * image.towerRows();
  }

  @Override
  public int imageToken() {
    return config.imageTokenIndex();
  }

  @Override
  public Template template() {
    return Template.LLAVA_HF;
  }
}
