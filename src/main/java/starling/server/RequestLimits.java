package starling.server;

import java.time.Duration;

/**
 * What one request may cost.
 *
 * @param bodyBytes bytes of its body
 * @param imageBytes bytes of an image file, unpacked from base64 or fetched
 * @param imagePixels pixels of an image
 * @param images images of all its messages
 * @param messages messages
 * @param answers answers to one question, {@code n}
 * @param tokens tokens of an answer; also what a request gets that names no number
 * @param time waiting and answering together
 */
public record RequestLimits(
    long bodyBytes,
    long imageBytes,
    long imagePixels,
    int images,
    int messages,
    int answers,
    int tokens,
    Duration time) {
  /** What a server allows unless told. */
  public static final RequestLimits USUAL =
      new RequestLimits(32L << 20, 16L << 20, 40_000_000, 8, 256, 8, 1024, Duration.ofMinutes(5));
}
