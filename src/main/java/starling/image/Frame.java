package starling.image;

import starling.input.InputException;
import starling.input.Limits;

/** A JPEG's frame header: size, components and how their samples are packed. */
final class Frame {
  private final String name;
  private final int width;
  private final int height;
  private final boolean progressive;
  private final int[] id;
  private final int[] across; // sampling factors
  private final int[] down;
  private int scans;
  private long visits;

  /**
   * @param at of the content of the segment
   */
  Frame(byte[] bytes, int at, int length, boolean progressive, String name) {
    this.name = name;
    this.progressive = progressive;
    int count = length < 6 ? 0 : bytes[at + 5] & 0xff;
    if (length < 6 || length != 6 + 3 * count) {
      throw broken("a frame header of " + length + " bytes");
    }
    if (bytes[at] != 8) {
      throw new InputException(name + ": a JPEG of " + bytes[at] + " bits per sample is not read");
    }
    if (count == 0 || count == 2 || count > 4) {
      throw new InputException(name + ": a JPEG of " + count + " components is not read");
    }
    height = (bytes[at + 1] & 0xff) << 8 | (bytes[at + 2] & 0xff);
    width = (bytes[at + 3] & 0xff) << 8 | (bytes[at + 4] & 0xff);
    Decoder.checkSize(name, width, height);
    id = new int[count];
    across = new int[count];
    down = new int[count];
    for (int c = 0; c < count; c++) {
      id[c] = bytes[at + 6 + 3 * c] & 0xff;
      across[c] = (bytes[at + 7 + 3 * c] & 0xff) >> 4;
      down[c] = bytes[at + 7 + 3 * c] & 15;
      if (across[c] < 1 || across[c] > 4 || down[c] < 1 || down[c] > 4) {
        throw broken("a component sampled " + across[c] + "x" + down[c]);
      }
    }
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the image is broken (" + reason + ")");
  }

  int components() {
    return id.length;
  }

  /** Three components may be named by letters. */
  boolean namedRgb() {
    return id.length == 3 && id[0] == 'R' && id[1] == 'G' && id[2] == 'B';
  }

  /** Whether rows of a component, and they alone, are stored at half the image's number. */
  boolean halfTheRows(int component) {
    return across[component] == most(across) && 2 * down[component] == most(down);
  }

  private static int most(int[] factors) {
    int most = 0;
    for (int factor : factors) {
      most = Math.max(most, factor);
    }
    return most;
  }

  /** Blocks of 8×8 samples of a component. */
  private long blocks(int component) {
    long x = Math.ceilDiv(width, 8 * most(across));
    long y = Math.ceilDiv(height, 8 * most(down));
    return x * across[component] * y * down[component];
  }

  /**
   * Counts a scan, before any is decoded: each goes through all blocks of its components, even
   * where it holds next to nothing of them, and an image of several scans is kept as coefficients
   * until the last.
   *
   * @param at of the content of the segment
   */
  void scan(byte[] bytes, int at, int length) {
    int count = length < 1 ? 0 : bytes[at] & 0xff;
    if (count < 1 || count > 4 || length != 4 + 2 * count) {
      throw broken("a scan header of " + length + " bytes");
    }
    scans++;
    for (int i = 0; i < count; i++) {
      for (int c = 0; c < id.length; c++) {
        visits += (bytes[at + 1 + 2 * i] & 0xff) == id[c] ? blocks(c) : 0;
      }
    }
    if (scans > Limits.JPEG_SCANS || visits > Limits.JPEG_BLOCKS_IN_SCANS) {
      throw new InputException(
          name
              + ": the image is stored in too many scans ("
              + scans
              + " and more); save it with fewer, or as baseline JPEG");
    }
    if (scans == 1) {
      checkMemory(bytes.length, progressive || count < id.length);
    }
  }

  private void checkMemory(long file, boolean keptWhole) {
    long samples = (long) id.length * width * height;
    long decoding = samples;
    for (int c = 0; keptWhole && c < id.length; c++) {
      decoding += 2 * 64 * blocks(c);
    }
    long converting = id.length == 3 ? samples : samples + 3L * width * height;
    long bytes = file + Math.max(decoding, converting);
    Decoder.checkMemory(name, width, height, bytes);
  }
}
