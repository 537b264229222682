package starling.image;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Baseline JPEGs of flat 8×8 blocks with any components and markers, so that what a reader makes of
 * the stored values is known exactly.
 */
final class FlatJpeg {
  static final byte[] JFIF = app(0xE0, "JFIF\0\1\1\0\0\1\0\1\0\0");

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private long bits;
  private int count;
  private boolean restarting; // a restart marker behind every block but the last

  private FlatJpeg() {}

  /** An application segment. */
  static byte[] app(int marker, String text) {
    return app(marker, text.getBytes(StandardCharsets.ISO_8859_1));
  }

  static byte[] app(int marker, byte[] body) {
    var segment = new FlatJpeg();
    segment.segment(marker, body);
    return segment.out.toByteArray();
  }

  static byte[] adobe(int transform) {
    return app(0xEE, "Adobe\0d\0\0\0\0" + (char) transform);
  }

  /**
   * @param blocks {@code [y][x][component]}, values as they are stored
   * @param ids of the components
   */
  static byte[] of(int[][][] blocks, int[] ids, byte[]... segments) {
    return new FlatJpeg().file(blocks, ids, segments);
  }

  /** The same image, with a restart marker behind every block. */
  static byte[] restarting(int[][][] blocks, int[] ids, byte[]... segments) {
    var jpeg = new FlatJpeg();
    jpeg.restarting = true;
    return jpeg.file(blocks, ids, segments);
  }

  private byte[] file(int[][][] blocks, int[] ids, byte[]... segments) {
    write(0xFF, 0xD8);
    for (byte[] segment : segments) {
      out.writeBytes(segment);
    }
    byte[] ones = new byte[65];
    java.util.Arrays.fill(ones, 1, 65, (byte) 1);
    segment(0xDB, ones);
    if (restarting) {
      segment(0xDD, new byte[] {0, 1});
    }
    header(blocks, ids);
    scan(blocks, ids);
    write(0xFF, 0xD9);
    return out.toByteArray();
  }

  private void header(int[][][] blocks, int[] ids) {
    var frame = new FlatJpeg();
    int height = 8 * blocks.length;
    int width = 8 * blocks[0].length;
    frame.write(8, height >> 8, height, width >> 8, width, ids.length);
    var scan = new FlatJpeg();
    scan.write(ids.length);
    for (int id : ids) {
      frame.write(id, 0x11, 0);
      scan.write(id, 0);
    }
    scan.write(0, 63, 0);
    segment(0xC0, frame.out.toByteArray());
    // DC: twelve sizes, codes of 2 to 9 bits as in the standard's table K.3; AC: only "end of
    // block".
    var dc = new FlatJpeg();
    dc.write(0, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0);
    for (int size = 0; size < 12; size++) {
      dc.write(size);
    }
    segment(0xC4, dc.out.toByteArray());
    var ac = new FlatJpeg();
    ac.write(0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    segment(0xC4, ac.out.toByteArray());
    segment(0xDA, scan.out.toByteArray());
  }

  private void scan(int[][][] blocks, int[] ids) {
    int[] before = new int[ids.length];
    int restarts = 0;
    for (int[][] row : blocks) {
      for (int[] block : row) {
        if (restarting && count > 0) {
          fill();
          write(0xFF, 0xD0 + restarts++ % 8);
          before = new int[ids.length];
        }
        for (int c = 0; c < ids.length; c++) {
          int level = 8 * (block[c] - 128);
          difference(level - before[c]);
          before[c] = level;
          bits(0, 1);
        }
      }
    }
    fill();
  }

  /** Ones to the end of the byte. */
  private void fill() {
    while (count % 8 != 0) {
      bits(1, 1);
    }
  }

  private void difference(int value) {
    int size = 32 - Integer.numberOfLeadingZeros(Math.abs(value));
    int[] codes = {0b00, 0b010, 0b011, 0b100, 0b101, 0b110, 0b1110, 0x1e, 0x3e, 0x7e, 0xfe, 0x1fe};
    int[] lengths = {2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9};
    bits(codes[size], lengths[size]);
    bits(value < 0 ? value + (1 << size) - 1 : value, size);
  }

  private void bits(int value, int length) {
    for (int i = length - 1; i >= 0; i--) {
      bits = (bits << 1) | ((value >> i) & 1);
      if (++count % 8 == 0) {
        int b = (int) bits & 0xFF;
        write(b);
        if (b == 0xFF) {
          write(0);
        }
      }
    }
  }

  private void segment(int marker, byte[] body) {
    write(0xFF, marker, (body.length + 2) >> 8, body.length + 2);
    out.writeBytes(body);
  }

  private void write(int... values) {
    for (int value : values) {
      out.write(value);
    }
  }
}
