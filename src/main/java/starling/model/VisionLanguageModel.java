package starling.model;

import java.nio.file.Path;
import java.util.List;
import starling.checkpoint.DecoderWeights;
import starling.checkpoint.Safetensors;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.Device;
import starling.device.PositionRule;
import starling.device.TensorArena;
import starling.image.Image;
import starling.input.InputException;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * What a family of models must say of a checkpoint: its sizes, the names of its tensors, how an
 * image becomes rows of the decoder, where these stand, and how a question is put. Everything else
 * is shared. A family is one class; {@code starling.Families} lists them.
 */
public interface VisionLanguageModel {
  // ---- configuration ----

  /** Sizes of the decoder. */
  TextConfig text();

  /** The whole configuration as the checkpoint names it, for reports. */
  Object config();

  /** The checkpoint's own type: {@code float16}, {@code bfloat16} or {@code float32}. */
  String dtype();

  /** Ids that end an answer; empty if no file names one. */
  List<Integer> endTokens();

  /** Keys of the configuration that nobody knows, to be warned about. */
  List<String> unknownKeys();

  // ---- weights ----

  /**
   * Finds the tensors by their names and checks their shapes.
   *
   * @throws InputException naming what is missing or has another shape
   */
  Weights weights(Safetensors files);

  /** The tensors of a checkpoint. */
  interface Weights {
    /** The decoder's, as the files hold them. */
    DecoderWeights decoder();

    /** Puts tower and projector on a device. */
    ImageEncoder encoder(Device device, TensorArena arena, DType dtype);
  }

  // ---- images ----

  /** Blocks of the tower that run. */
  int visionBlocks();

  /** The tower in words, for people. */
  String tower();

  /**
   * How images are prepared, as the checkpoint's files say.
   *
   * @throws InputException if they do not fit the tower
   */
  ImageProcessor images(Path dir);

  /** Makes the tower's input of images. */
  interface ImageProcessor {
    /**
     * @param options what the question says; a family refuses what it does not have
     * @param name what messages call the image
     */
    ImageInput prepare(Image image, ImageOptions options, String name);

    /**
     * The visual tokens of an image of so many pixels, for counting without it.
     *
     * @param options as for {@link #prepare}
     */
    ImageTokens tokens(int height, int width, ImageOptions options);
  }

  /** The visual tokens of an image of the tower's own size, for counting without an image. */
  ImageTokens typicalImage();

  /** Operations that the tower takes for an image, by {@link Flops#FORMULA}. */
  double towerFlops(ImageTokens image);

  /** Operations that the projector takes for so many rows. */
  double projectorFlops(int rows);

  /** Numbers that the tower's work on an image holds at a time, pixels included. */
  long towerElements(ImageTokens image);

  // ---- positions ----

  /** Where the rows of a prompt stand with none dropped. */
  default Positions positions(Layout prompt, List<ImageTokens> images) {
    return Positions.counted(prompt.rows());
  }

  /**
   * How many frequencies of a head follow the position on each of three axes, in order; null if all
   * follow one.
   */
  default int[] ropeSections() {
    return null;
  }

  /** How rows behind a cut may be numbered; the first holds for cuts before the decoder. */
  default List<PositionRule> positionRules() {
    return List.of(PositionRule.CONTIGUOUS, PositionRule.KEEP);
  }

  // ---- prompt ----

  /** The id that stands for an image in a prompt, once for each. */
  int imageToken();

  /** What wraps a question unless another template is named. */
  Template template();
}
