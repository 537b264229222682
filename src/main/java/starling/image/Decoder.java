package starling.image;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.MemoryCacheImageInputStream;
import starling.device.InputException;

/**
 * The JDK's own decoders, chosen by class name: the same picture gives the same samples whatever
 * other decoders are on the class path.
 */
final class Decoder {
  /** Above this number of pixels a file is taken for a decompression bomb, as Pillow does. */
  private static final long MAX_PIXELS = 178_956_970;

  private Decoder() {}

  static void checkSize(String name, long width, long height) {
    if (width < 1 || height < 1) {
      throw new InputException(name + ": the picture is " + width + "x" + height + " pixels");
    }
    if (width * height > MAX_PIXELS) {
      throw new InputException(
          name
              + ": the picture is "
              + width
              + "x"
              + height
              + " pixels; more than "
              + MAX_PIXELS
              + " are not read");
    }
  }

  static BufferedImage png(byte[] bytes, int length, String name) {
    return read(
        "com.sun.imageio.plugins.png.PNGImageReaderSpi",
        bytes,
        length,
        name,
        reader -> reader.read(0));
  }

  /** Samples as stored: no colour conversion. */
  static Raster jpeg(byte[] bytes, String name) {
    return read(
        "com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi",
        bytes,
        bytes.length,
        name,
        reader -> reader.readRaster(0, null));
  }

  private interface Reading<T> {
    T read(ImageReader reader) throws IOException;
  }

  private static <T> T read(String spi, byte[] bytes, int length, String name, Reading<T> reading) {
    try (var stream = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes, 0, length))) {
      ImageReader reader = spi(spi).createReaderInstance();
      try {
        reader.setInput(stream, false, true);
        return reading.read(reader);
      } finally {
        reader.dispose();
      }
    } catch (IOException | RuntimeException e) {
      if (e.getCause() instanceof VirtualMachineError error) {
        throw error; // the memory ran out, which is not the picture's fault
      }
      // The decoders answer broken data with many kinds of exception.
      throw new InputException(name + ": the picture is broken (" + e.getMessage() + ")", e);
    }
  }

  private static ImageReaderSpi spi(String className) {
    Iterator<ImageReaderSpi> all =
        IIORegistry.getDefaultInstance().getServiceProviders(ImageReaderSpi.class, false);
    while (all.hasNext()) {
      ImageReaderSpi spi = all.next();
      if (spi.getClass().getName().equals(className)) {
        return spi;
      }
    }
    throw new IllegalStateException("the JDK has no " + className);
  }
}
