package starling.server;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.Base64;
import java.util.Locale;
import java.util.concurrent.locks.ReentrantLock;
import starling.image.Image;
import starling.input.InputException;

/**
 * Makes images of addresses in a request: data URIs, and where it is allowed addresses of others.
 * One image is unpacked at a time, since that takes a multiple of its bytes.
 */
final class Pictures {
  private static final int LONGEST_ADDRESS = 2048;

  private final RequestLimits limits;
  private final RemoteImages remote; // null: none are fetched
  private final ReentrantLock unpacking = new ReentrantLock(true);

  Pictures(RequestLimits limits, RemoteImages remote) {
    this.limits = limits;
    this.remote = remote;
  }

  /**
   * The image at an address.
   *
   * @param param the field that holds it
   * @param room pays for the pixels
   */
  Image read(String address, String param, Memory.Room room) {
    boolean data = address.regionMatches(true, 0, "data:", 0, 5);
    byte[] bytes = data ? unpacked(address, param) : fetched(address, param);
    room.take(bytes.length);
    unpacking.lock();
    try {
      Image image = Image.read(bytes, param, limits.imagePixels());
      room.take(image.rgb().length);
      return image;
    } catch (InputException e) {
      throw Refusal.badField(param, e.getMessage());
    } finally {
      unpacking.unlock();
    }
  }

  private byte[] unpacked(String address, String param) {
    int comma = address.indexOf(',');
    String head = comma < 0 || comma > 100 ? "" : address.substring(5, comma);
    if (!head.toLowerCase(Locale.ROOT).matches("image/(png|jpe?g);base64")) {
      throw Refusal.badField(
          param,
          param
              + " is no data URI of an image; it must begin with data:image/png;base64, or"
              + " data:image/jpeg;base64,");
    }
    long length = address.length() - comma - 1L;
    if (length / 4 * 3 - 2 > limits.imageBytes()) {
      throw tooLarge(param);
    }
    try {
      return Base64.getDecoder().decode(address.substring(comma + 1));
    } catch (IllegalArgumentException e) {
      throw Refusal.badField(param, param + " is not base64: " + e.getMessage());
    }
  }

  private Refusal tooLarge(String param) {
    return Refusal.badField(
        param,
        param + " has more than the " + limits.imageBytes() + " bytes that an image may have");
  }

  private byte[] fetched(String address, String param) {
    if (remote == null) {
      throw Refusal.badField(
          param,
          param + " is an address, and this server fetches nothing; send the image as a data URI");
    }
    try {
      if (address.length() > LONGEST_ADDRESS) {
        throw new InputException(param + " is longer than " + LONGEST_ADDRESS + " characters");
      }
      return remote.fetch(new URI(address), param);
    } catch (URISyntaxException e) {
      throw Refusal.badField(param, param + " is no address (" + e.getReason() + ")");
    } catch (InputException e) {
      throw Refusal.badField(param, e.getMessage());
    }
  }
}
