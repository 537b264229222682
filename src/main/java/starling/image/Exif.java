package starling.image;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The orientation in an EXIF block. */
final class Exif {
  private static final int ORIENTATION = 0x0112;

  private Exif() {}

  /** 1 to 8; 1 where the block is broken or says nothing usable. */
  static int orientation(byte[] bytes, int at, int length) {
    try {
      ByteBuffer tiff = ByteBuffer.wrap(bytes, at, length).slice();
      short order = tiff.getShort(0);
      if (order != 0x4949 && order != 0x4d4d) {
        return 1;
      }
      tiff.order(order == 0x4949 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
      int directory = tiff.getInt(4);
      int entries = Short.toUnsignedInt(tiff.getShort(directory));
      for (int i = 0; i < entries; i++) {
        int entry = directory + 2 + 12 * i;
        if (Short.toUnsignedInt(tiff.getShort(entry)) == ORIENTATION) {
          int value = Short.toUnsignedInt(tiff.getShort(entry + 8));
          return value >= 1 && value <= 8 ? value : 1;
        }
      }
      return 1;
    } catch (IndexOutOfBoundsException | BufferUnderflowException e) {
      return 1;
    }
  }
}
