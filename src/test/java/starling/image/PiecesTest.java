package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Parts of an array read as one stream: 1 2 | 5 6 7 | 9 of the numbers 0 to 9, and 255. */
class PiecesTest {
  private static final byte[] BYTES = {0, 1, 2, 3, 4, 5, 6, 7, 8, (byte) 255};
  private static final byte[] ALL = {1, 2, 5, 6, 7, (byte) 255};

  private static Pieces pieces() {
    var pieces = new Pieces(BYTES);
    pieces.add(1, 2);
    pieces.add(2, 3); // follows the last, so it is one with it
    pieces.add(5, 8);
    pieces.add(9, 10);
    return pieces;
  }

  @Test
  void partsThatFollowEachOtherAreOne() {
    assertEquals(3, pieces().count());
    assertEquals(0, new Pieces(BYTES).count());
  }

  @Test
  void bytesComeOneByOneAndThenTheEnd() throws IOException {
    var pieces = pieces();
    for (int i = 0; i < ALL.length; i++) {
      assertEquals(i, pieces.getStreamPosition());
      assertEquals(ALL[i] & 0xff, pieces.read());
    }
    assertEquals(-1, pieces.read());
    assertEquals(-1, pieces.read(new byte[3], 0, 3));
    assertEquals(ALL.length, pieces.getStreamPosition());
  }

  @Test
  void aReadEndsWhereAPartEnds() throws IOException {
    var pieces = pieces();
    byte[] to = new byte[6];
    assertEquals(2, pieces.read(to, 1, 5));
    assertArrayEquals(new byte[] {0, 1, 2, 0, 0, 0}, to);
    assertEquals(2, pieces.getStreamPosition());
    assertEquals(2, pieces.read(to, 0, 2));
    assertEquals(1, pieces.read(to, 2, 4));
    assertArrayEquals(new byte[] {5, 6, 7, 0, 0, 0}, to);
    assertEquals(0, pieces.read(to, 0, 0));
  }

  @Test
  void everyPlaceCanBeSought() throws IOException {
    var pieces = pieces();
    for (int from = ALL.length; from >= 0; from--) {
      pieces.seek(from);
      assertEquals(from, pieces.getStreamPosition());
      byte[] rest = new byte[ALL.length - from];
      pieces.readFully(rest);
      assertArrayEquals(Arrays.copyOfRange(ALL, from, ALL.length), rest, "from " + from);
      assertEquals(-1, pieces.read());
    }
  }
}
