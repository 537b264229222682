package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.awt.geom.Rectangle2D;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pixels of tiles, bit for bit those of Pillow: {@code src/test/golden/make_tile_goldens.py}. */
class TilesTest {
  private static final List<List<Integer>> SIZES =
      List.of(List.of(28, 56), List.of(56, 28), List.of(56, 56), List.of(84, 28), List.of(28, 84));

  private static final Tiles TILES =
      new Tiles(
          new Preprocess(
              true,
              3,
              28,
              0,
              0,
              true,
              28,
              28,
              true,
              1 / 255.0,
              true,
              List.of(0.48145466, 0.4578275, 0.40821073),
              List.of(0.26862954, 0.26130258, 0.27577711),
              false),
          28);

  private static List<Preprocess.Prepared> crops(int h, int w) {
    byte[] rgb = new byte[3 * h * w];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (((long) i * i * 7 + i * 13L) % 251);
    }
    return TILES.of(new Image(w, h, rgb), AnyResolution.of(h, w, SIZES, "it"));
  }

  @ParameterizedTest
  @CsvSource({
    "28,28,3,493070a80559aae961ecc7f8995a81dba8f6e4304ee1baa69149bd536240a16b",
    "40,53,5,3792422f5902dc34ea170468fdf8487c42789f1ac1d5c463dfb20db469ad6f13",
    "53,40,5,8e84f7c4d2bdd3b5823cae47406efbe075fbb7d8b9e6b310023e2d5ac0c64c4e",
    "17,90,4,5af0325ee833b961603c8d017c8148e531393528c2422631b264ba9134983123",
    "90,17,4,66ab489586cb4cf439510a6600b347ea1e70e31df35279b04a29a91bf36bba19",
    "300,41,4,c337bb03c52225fff1b9f19399640faffa6a80403741158a3337e82dd85fead3",
    "33,47,5,76d4064d232f980187c0433f3e70ce5df82aa09c65fcafce80258aa5fa724c1e",
  })
  void pixelsAreThoseOfPillow(int h, int w, int count, String sha256)
      throws NoSuchAlgorithmException {
    List<Preprocess.Prepared> crops = crops(h, w);
    assertEquals(count, crops.size());
    var digest = MessageDigest.getInstance("SHA-256");
    for (Preprocess.Prepared crop : crops) {
      var bytes = ByteBuffer.allocate(4 * crop.pixels().length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(crop.pixels());
      digest.update(bytes);
    }
    assertEquals(sha256, HexFormat.of().formatHex(digest.digest()));
  }

  /** A square image stands in the middle of two tiles: each sees half of it and as much black. */
  @Test
  void regionsAreInPixelsOfTheImage() {
    List<Preprocess.Prepared> crops = crops(56, 28);
    assertEquals(new Rectangle2D.Double(0, 0, 28, 56), crops.get(0).region());
    assertEquals(new Rectangle2D.Double(0, 0, 28, 28), crops.get(1).region());
    assertEquals(new Rectangle2D.Double(0, 28, 28, 28), crops.get(2).region());
    Rectangle2D beyond = crops(28, 28).get(1).region();
    assertEquals(new Rectangle2D.Double(-14, 0, 28, 28), beyond);
    // 64 x 43 pixels fitted to 56 x 38, which is 37.6 rounded up: the axes have scales of their
    // own.
    Rectangle2D below = crops(43, 64).get(3).region();
    double across = 64 / 56.0;
    double down = 43 / 38.0;
    assertEquals(0, below.getX(), 1e-12);
    assertEquals(19 * down, below.getY(), 1e-12);
    assertEquals(28 * across, below.getWidth(), 1e-12);
    assertEquals(28 * down, below.getHeight(), 1e-12);
  }

  /** 140 by 100 pixels become 56 by 40 in the middle of 56 by 56; a pixel of a tile is 2.5 wide. */
  @Test
  void regionsAreScaledAsTheImageWas() {
    List<Preprocess.Prepared> crops = crops(100, 140);
    assertEquals(new Rectangle2D.Double(0, 0, 140, 100), crops.get(0).region());
    AnyResolution size = AnyResolution.of(100, 140, SIZES, "it");
    double x = 140.0 / size.fittedWidth();
    double y = 100.0 / size.fittedHeight();
    assertEquals(5, crops.size());
    for (int tile = 0; tile < 4; tile++) {
      Rectangle2D region = crops.get(1 + tile).region();
      assertEquals((tile % 2 * 28 - size.padLeft()) * x, region.getX(), 1e-9);
      assertEquals((tile / 2 * 28 - size.padTop()) * y, region.getY(), 1e-9);
      assertEquals(28 * x, region.getWidth(), 1e-9);
      assertEquals(28 * y, region.getHeight(), 1e-9);
    }
  }
}
