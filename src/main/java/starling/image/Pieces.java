package starling.image;

import java.util.ArrayList;
import java.util.List;
import javax.imageio.stream.ImageInputStreamImpl;

/** Parts of one array, read as one stream without a copy. */
final class Pieces extends ImageInputStreamImpl {
  private final byte[] bytes;
  private final List<int[]> pieces = new ArrayList<>(); // start, end
  private int piece;
  private int at; // in the piece

  Pieces(byte[] bytes) {
    this.bytes = bytes;
  }

  int count() {
    return pieces.size();
  }

  /** Adds a part; one that begins where the last ended becomes one with it. */
  void add(int from, int to) {
    int[] last = pieces.isEmpty() ? null : pieces.getLast();
    if (last != null && last[1] == from) {
      last[1] = to;
    } else {
      pieces.add(new int[] {from, to});
    }
  }

  @Override
  public int read() {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] to, int offset, int length) {
    bitOffset = 0;
    while (piece < pieces.size()) {
      int from = pieces.get(piece)[0] + at;
      int count = Math.min(length, pieces.get(piece)[1] - from);
      if (count > 0 || length == 0) {
        System.arraycopy(bytes, from, to, offset, count);
        at += count;
        streamPos += count;
        return count;
      }
      piece++;
      at = 0;
    }
    return -1;
  }

  @Override
  public void seek(long position) throws java.io.IOException {
    super.seek(position);
    piece = 0;
    long rest = position;
    while (piece < pieces.size() && rest > pieces.get(piece)[1] - pieces.get(piece)[0]) {
      rest -= pieces.get(piece)[1] - pieces.get(piece)[0];
      piece++;
    }
    at = (int) rest;
  }
}
