package starling.image;

import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import starling.input.InputException;

/** The image data of a PNG, unpacked from chunk to chunk, and no further than the last row. */
final class PngStream implements AutoCloseable {
  private static final int IDAT = 0x49444154;

  private final byte[] bytes;
  private final ByteBuffer in;
  private int chunk; // the next one
  private long rest;
  private final String name;
  private final Inflater inflater = new Inflater();
  private final byte[] buffer = new byte[1 << 15];
  private int at;
  private int end;

  /**
   * @param bytes the file
   * @param first where its first chunk of image data begins
   * @param unpacked bytes of all rows
   */
  PngStream(byte[] bytes, int first, long unpacked, String name) {
    this.bytes = bytes;
    this.in = ByteBuffer.wrap(bytes);
    this.chunk = first;
    this.rest = unpacked;
    this.name = name;
  }

  byte next() {
    if (at == end) {
      fill();
    }
    return buffer[at++];
  }

  void read(byte[] to, int length) {
    for (int count = 0; count < length; ) {
      if (at == end) {
        fill();
      }
      int more = Math.min(length - count, end - at);
      System.arraycopy(buffer, at, to, count, more);
      at += more;
      count += more;
    }
  }

  private void fill() {
    try {
      int count = 0;
      while (count == 0) {
        count = inflater.inflate(buffer, 0, (int) Math.min(rest, buffer.length));
        if (count == 0) {
          nextChunk();
        }
      }
      rest -= count;
      at = 0;
      end = count;
    } catch (DataFormatException e) {
      throw new InputException(
          name + ": the image is broken (the image data cannot be unpacked)", e);
    }
  }

  private void nextChunk() {
    if (inflater.needsDictionary()) {
      throw new InputException(
          name + ": the image is broken (the image data asks for a dictionary)");
    }
    if (inflater.finished() || in.getInt(chunk + 4) != IDAT) {
      throw new InputException(name + ": the image is cut off");
    }
    int length = in.getInt(chunk);
    inflater.setInput(bytes, chunk + 8, length);
    chunk += 12 + length;
  }

  @Override
  public void close() {
    inflater.end();
  }
}
