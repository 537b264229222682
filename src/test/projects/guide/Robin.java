package starling.model.robin;

import java.nio.file.Path;
import java.util.List;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.RobinConfig;
import starling.checkpoint.RobinWeights;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.TensorArena;
import starling.image.Image;
import starling.image.Preprocess;
import starling.model.ClipEncoder;
import starling.model.ImageEncoder;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.VisionLanguageModel;
import starling.prune.ImageTokens;
import starling.text.Template;

/** A family of CLIP's tower and Llama's decoder, with names of its own. */
public record Robin(RobinConfig config) implements VisionLanguageModel {
  /** Reads {@code config.json}. */
  public static Robin read(Path dir) {
    return new Robin(RobinConfig.read(dir));
  }

  @Override
  public TextConfig text() {
    return config.decoder();
  }

  @Override
  public String dtype() {
    return config.dtype();
  }

  @Override
  public List<Integer> endTokens() {
    return List.of(config.endId());
  }

  @Override
  public List<String> unknownKeys() {
    return List.of();
  }

  @Override
  public Weights weights(Safetensors files) {
    RobinWeights weights = RobinWeights.read(config, files);
    return new Weights() {
      @Override
      public DecoderWeights decoder() {
        return weights.decoder();
      }

      @Override
      public ImageEncoder encoder(Device device, TensorArena arena, DType dtype) {
        return new ClipEncoder(
            device, arena, dtype, config.tower(), weights.tower(), weights.projector());
      }
    };
  }

  @Override
  public int visionBlocks() {
    return config.visionBlocks();
  }

  @Override
  public String tower() {
    return visionBlocks() + " blocks of CLIP";
  }

  @Override
  public ImageProcessor images(Path dir) {
    Preprocess preprocess = PreprocessorConfig.read(dir, config.tower().imageSize());
    return new ImageProcessor() {
      @Override
      public ImageInput prepare(Image image, ImageOptions options, String name) {
        options.only("Robin", "image-mode");
        var prepared = preprocess.apply(image, options.mode(), name);
        return new ImageInput(typicalImage(), List.of(prepared));
      }

      @Override
      public ImageTokens tokens(int height, int width, ImageOptions options) {
        options.only("Robin", "image-mode");
        return typicalImage();
      }
    };
  }

  @Override
  public ImageTokens typicalImage() {
    return ImageTokens.grid(config.grid(), config.grid(), 1, false);
  }

  @Override
  public double towerFlops(ImageTokens image) {
    return visionBlocks() * ClipEncoder.blockFlops(config.tower(), image.towerRows());
  }

  @Override
  public double projectorFlops(int rows) {
    double d = text().hiddenSize();
    return 2.0 * rows * (config.tower().hiddenSize() * d + d * d);
  }

  @Override
  public long towerElements(ImageTokens image) {
    ClipConfig c = config.tower();
    long row = 5L * c.hiddenSize() + c.intermediateSize() + text().hiddenSize();
    return 6L * c.imageSize() * c.imageSize() + row * image.towerRows();
  }

  @Override
  public int imageToken() {
    return config.imageId();
  }

  @Override
  public Template template() {
    return Template.LLAVA_HF;
  }
}
