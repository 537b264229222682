package starling.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The orientation tag of a TIFF directory, as Pillow reads it. A header that is none, or a
 * directory beyond its end, throws IndexOutOfBoundsException.
 */
final class Orientation {
  private static final int TAG = 0x0112;

  /** Bytes of one value of each type; a tag of another type is passed over. */
  private static final Map<Integer, Integer> SIZES =
      Map.ofEntries(
          Map.entry(1, 1), // byte
          Map.entry(2, 1), // text
          Map.entry(3, 2), // short
          Map.entry(4, 4), // long
          Map.entry(5, 8), // rational
          Map.entry(6, 1), // signed byte
          Map.entry(7, 1), // undefined
          Map.entry(8, 2), // signed short
          Map.entry(9, 4), // signed long
          Map.entry(10, 8), // signed rational
          Map.entry(11, 4), // float
          Map.entry(12, 8), // double
          Map.entry(13, 4), // directory
          Map.entry(16, 8)); // long of 8 bytes

  private Orientation() {}

  /** What the last such tag of the first directory says, 0 if it is no whole number. */
  static OptionalInt of(ByteBuffer tiff) {
    tiff.order(byteOrder(tiff));
    long directory = Integer.toUnsignedLong(tiff.getInt(4));
    var orientation = OptionalInt.empty();
    if (directory + 2 > tiff.limit()) {
      return orientation;
    }
    int entries = Short.toUnsignedInt(tiff.getShort((int) directory));
    for (int i = 0; i < entries && directory + 14 + 12L * i <= tiff.limit(); i++) {
      int entry = (int) directory + 2 + 12 * i;
      int type = Short.toUnsignedInt(tiff.getShort(entry + 2));
      long size = Integer.toUnsignedLong(tiff.getInt(entry + 4)) * SIZES.getOrDefault(type, 0);
      long at = size <= 4 ? entry + 8 : Integer.toUnsignedLong(tiff.getInt(entry + 8));
      if (size > 0 && at + size > tiff.limit()) {
        break; // a value beyond the end of the block ends its reading
      }
      if (size > 0 && Short.toUnsignedInt(tiff.getShort(entry)) == TAG) {
        orientation = OptionalInt.of(whole(first(tiff, type, (int) at)));
      }
    }
    return orientation;
  }

  /** Four bytes say it, also with the number 42 the wrong way round. */
  private static ByteOrder byteOrder(ByteBuffer tiff) {
    return switch (tiff.order(ByteOrder.BIG_ENDIAN).getInt(0)) {
      case 0x4d4d002a, 0x4d4d2a00, 0x4d4d002b -> ByteOrder.BIG_ENDIAN;
      case 0x49492a00, 0x4949002a -> ByteOrder.LITTLE_ENDIAN;
      default -> throw new IndexOutOfBoundsException("no TIFF header");
    };
  }

  /** The first value, whatever their number; bytes and text are no number to Pillow. */
  private static double first(ByteBuffer tiff, int type, int at) {
    return switch (type) {
      case 3 -> Short.toUnsignedInt(tiff.getShort(at));
      case 4, 13 -> Integer.toUnsignedLong(tiff.getInt(at));
      case 5 ->
          (double) Integer.toUnsignedLong(tiff.getInt(at))
              / Integer.toUnsignedLong(tiff.getInt(at + 4));
      case 6 -> tiff.get(at);
      case 8 -> tiff.getShort(at);
      case 9 -> tiff.getInt(at);
      case 10 -> (double) tiff.getInt(at) / tiff.getInt(at + 4);
      case 11 -> tiff.getFloat(at);
      case 12 -> tiff.getDouble(at);
      case 16 -> tiff.getLong(at);
      default -> 0;
    };
  }

  private static int whole(double value) {
    return value == Math.rint(value) && Math.abs(value) < 100 ? (int) value : 0;
  }
}
