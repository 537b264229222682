package starling.input;

/**
 * What a file from outside may cost, in one place. A limit is checked before the work begins that
 * it limits. The table of limits in the documentation has the same numbers; a test compares them.
 */
public final class Limits {
  // Checkpoints.

  /** Bytes of a JSON file that is read whole: a configuration, the tokenizer, an index, a trace. */
  public static final long JSON_BYTES = 64L << 20;

  /** Names, values and brackets of a JSON file. */
  public static final long JSON_TOKENS = 4_000_000;

  /** How deep lists and objects of a JSON file may stand inside each other. */
  public static final int JSON_DEPTH = 100;

  /** Characters of a text in a JSON file. */
  public static final int JSON_TEXT = 1 << 20;

  /** Characters of a name in a JSON file. */
  public static final int JSON_NAME = 1 << 15;

  /** Characters of a number in a JSON file. */
  public static final int JSON_NUMBER = 1000;

  /**
   * Bytes of the headers of all weight files of a checkpoint together; safetensors itself allows as
   * much for one.
   */
  public static final long HEADER_BYTES = 100_000_000;

  /** Tensors of a checkpoint, in all weight files together. */
  public static final int TENSORS = 100_000;

  /** Weight files of a checkpoint. */
  public static final int SHARDS = 1000;

  /** Dimensions of a tensor. */
  public static final int DIMENSIONS = 8;

  /** Largest whole number in a configuration: a width, a vocabulary, a context. */
  public static final int SIZE = 1 << 20;

  /** Layers of a decoder, and blocks of a tower. */
  public static final int LAYERS = 4096;

  /** Pixels along a side of the image that the tower sees. */
  public static final int IMAGE_SIDE = 2048;

  /** Patches of an image; the tower's work grows with their square. */
  public static final int PATCHES = 4096;

  /** Angles of rotary embeddings: positions of a prompt and its answer, times half a head. */
  public static final long ROTARY_ANGLES = 1L << 26;

  /** Tokens of a prompt before any are dropped. */
  public static final int ROWS = 1 << 24;

  /** Attention scores of an image in tower and decoder: patches squared, times heads and layers. */
  public static final long SCORES = 1L << 33;

  /** Visual tokens of an image that keeps its own size. */
  public static final int IMAGE_TOKENS = 16_384;

  /** {@link #SCORES} where an image keeps its own size and has {@link #IMAGE_TOKENS}. */
  public static final long IMAGE_SCORES = 1L << 41;

  /** Bytes that any question may take beside the weights: keys, values and activations. */
  public static final long QUESTION_BYTES = 512L << 20;

  /** A question may also take this many times the bytes of the decoder's weights. */
  public static final int QUESTION_WEIGHTS = 8;

  // Text.

  /** Bytes of standard input that is tokenised. */
  public static final long TEXT_BYTES = 4L << 20;

  /** Tokens of a vocabulary, and merges. */
  public static final int VOCABULARY = 1 << 20;

  /** Characters of a token, and of what a step of a normalizer or decoder looks for or puts in. */
  public static final int TOKEN = 4096;

  /** Characters of all added tokens together. */
  public static final int ADDED_TOKENS = 1 << 20;

  /** Steps of a normalizer or a decoder. */
  public static final int STEPS = 64;

  /** How many times as long a normalizer or a decoder may make a text, see {@link #FREE_GROWTH}. */
  public static final int GROWTH = 8;

  /** Characters that a normalizer or a decoder may add to any text, however short. */
  public static final int FREE_GROWTH = 1024;

  /** Combining marks in a row of a text that is composed, which costs their number squared. */
  public static final int MARKS = 256;

  /** Tokens that a post-processor puts around a text. */
  public static final int TEMPLATE = 256;

  // Images.

  /** Bytes of an image file. */
  public static final long IMAGE_BYTES = 256L << 20;

  /** Longest side that an image is resized to; thin images grow along the other side. */
  public static final int RESIZED_SIDE = 65_536;

  /** Pixels of an image, as many as Pillow allows; also of the square that it is padded to. */
  public static final long IMAGE_PIXELS = 178_956_970;

  /** Bytes that reading an image may take: the file, what is unpacked of it, the pixels. */
  public static final long IMAGE_MEMORY = 960L << 20;

  /** Scans of a JPEG; progressive ones have about ten. */
  public static final int JPEG_SCANS = 500;

  /** Parts of a JPEG with something between them that is not read: notes, junk. */
  public static final int JPEG_PARTS = 65_536;

  /** Blocks of 8×8 samples of a JPEG, counted again in each scan that has them. */
  public static final long JPEG_BLOCKS_IN_SCANS = 200_000_000;

  /** Bytes of one text chunk of an image, unpacked; it may say how the image is turned. */
  public static final int IMAGE_TEXT = 1 << 20;

  /** Bytes of all such chunks together, unpacked. */
  public static final int IMAGE_TEXTS = 64 << 20;

  // Kernels of a user, in the bench.

  /** Bytes of its source file. */
  public static final long KERNEL_SOURCE_BYTES = 4L << 20;

  /** Seconds that its compiler may take. */
  public static final int COMPILE_SECONDS = 120;

  /** Seconds that a process which runs it may take for a step; more where a step is much work. */
  public static final int KERNEL_SECONDS = 20;

  private Limits() {}
}
