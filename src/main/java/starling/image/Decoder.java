package starling.image;

import java.awt.image.Raster;
import java.io.IOException;
import java.util.Iterator;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStream;
import starling.input.InputException;
import starling.input.Limits;

/**
 * The JDK's own JPEG decoder, chosen by class name: the same image gives the same samples whatever
 * other decoders are on the class path.
 */
final class Decoder {
  private Decoder() {}

  static void checkSize(String name, long width, long height) {
    checkSize(name, width, height, Limits.IMAGE_PIXELS);
  }

  /** The same with a limit of the caller's, in pixels. */
  static void checkSize(String name, long width, long height, long most) {
    if (width < 1 || height < 1) {
      throw new InputException(name + ": the image is " + width + "x" + height + " pixels");
    }
    if (width * height > most) {
      throw new InputException(
          name
              + ": the image is "
              + width
              + "x"
              + height
              + " pixels; more than "
              + most
              + " are not read");
    }
  }

  /** Before anything of the size of an image is allocated. */
  static void checkMemory(String name, int width, int height, long bytes) {
    if (bytes > Limits.IMAGE_MEMORY) {
      throw new InputException(
          name
              + ": the image of "
              + width
              + "x"
              + height
              + " pixels would take "
              + (bytes >> 20)
              + " MiB to read; make it smaller, or save it as baseline JPEG in RGB");
    }
  }

  /** Samples as stored: no colour conversion. */
  static Raster jpeg(ImageInputStream stream, String name) {
    try {
      ImageReader reader =
          spi("com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi").createReaderInstance();
      try {
        reader.setInput(stream, false, true);
        return reader.readRaster(0, null);
      } finally {
        reader.dispose();
      }
    } catch (IOException | RuntimeException e) {
      if (e.getCause() instanceof VirtualMachineError error) {
        throw error; // the memory ran out, which is not the image's fault
      }
      // The decoder answers broken data with many kinds of exception.
      throw new InputException(name + ": the image is broken (" + e.getMessage() + ")", e);
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
