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

  // Kernels of a user, in the bench.

  /** Of the file of one. */
  public static final long KERNEL_SOURCE_BYTES = 4L << 20;

  /** That its compiler may take, in seconds. */
  public static final int COMPILE_SECONDS = 120;

  /** Without a step forward of a process that runs one, in seconds; more for much work. */
  public static final int KERNEL_SECONDS = 20;

  private Limits() {}
}
