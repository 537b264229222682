package starling.image;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import starling.HostCost;

/** From an image to the pixels of LLaVA-1.5's tower: 336x336, by CLIP's preprocessing. */
public class Preprocessing extends HostCost {
  private static final int SIDE = 336;
  private static final int BICUBIC = 3;
  private static final Preprocess LLAVA =
      new Preprocess(
          true,
          BICUBIC,
          SIDE,
          0,
          0,
          true,
          SIDE,
          SIDE,
          true,
          1 / 255.0,
          true,
          List.of(0.48145466, 0.4578275, 0.40821073),
          List.of(0.26862954, 0.26130258, 0.27577711),
          false);

  private byte[] png;
  private Image large;

  @Setup
  public void read() throws IOException {
    png = Files.readAllBytes(Path.of("src/demo/resources/starling/demo/pictures/scene-01.png"));
    int width = 4000;
    int height = 3000;
    byte[] rgb = new byte[3 * width * height];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i * 31 + i / 997);
    }
    large = new Image(width, height, rgb);
  }

  /** A PNG of 400x300, decoded and prepared. */
  @Benchmark
  public Preprocess.Prepared bundledPng() {
    return LLAVA.apply(Image.read(png, "png"), ImageMode.CHECKPOINT, "png");
  }

  /** 4000x3000 pixels, as a telephone takes them, already decoded. */
  @Benchmark
  public Preprocess.Prepared large() {
    return LLAVA.apply(large, ImageMode.CHECKPOINT, "large");
  }
}
