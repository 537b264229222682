package starling.device;

/**
 * What an untrusted file may cost, in one place. Everything here is checked before the work it
 * bounds is begun; the documentation's table of limits is held against this class by a test.
 */
public final class Limits {
  // Checkpoints.

  /** Of a JSON file that is read whole: configurations, the tokenizer, indices, traces. */
  public static final long JSON_BYTES = 64L << 20;

  // Text.

  // Images.

  /** Of an image file. */
  public static final long IMAGE_BYTES = 256L << 20;

  /** Of a picture, as Pillow has it; also of the square that it is padded to. */
  public static final long PICTURE_PIXELS = 178_956_970;

  /** Bytes that reading a picture may take: the file, what is unpacked of it, the pixels. */
  public static final long PICTURE_MEMORY = 960L << 20;

  /** Scans of a JPEG; progressive ones have about ten. */
  public static final int JPEG_SCANS = 500;

  /** Parts of a JPEG with something between them that is not read: notes, junk. */
  public static final int JPEG_PARTS = 65_536;

  /** Blocks of 8×8 samples, summed over the scans that go through them. */
  public static final long JPEG_BLOCKS_IN_SCANS = 200_000_000;

  /** Of one text beside the picture that may say how it lies, unpacked. */
  public static final int PICTURE_TEXT = 1 << 20;

  /** Of all of them. */
  public static final int PICTURE_TEXTS = 64 << 20;

  private Limits() {}
}
