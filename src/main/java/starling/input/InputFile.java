package starling.input;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.regex.Pattern;

/**
 * Files from outside that are read whole. A pipe would wait for ever and a device would never end,
 * so only ordinary files are opened, and of those no more than a stated number of bytes is read.
 */
public final class InputFile {
  private static final Pattern ADDRESS = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]+:/.*");

  private InputFile() {}

  /**
   * Reads a file whole; links are followed.
   *
   * @param most the largest size that is read, in bytes; one of {@link Limits}
   * @throws InputException if it is absent, a folder, a pipe or a device, longer than {@code most},
   *     or cannot be read; the sentence begins with the file
   */
  public static byte[] read(Path file, long most) {
    long size = checkedSize(file);
    if (size > most) {
      throw tooLong(file, most);
    }
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes((int) Math.min(most + 1, Integer.MAX_VALUE - 8));
      if (bytes.length > most) {
        throw tooLong(file, most); // it grew, or its size was not its own
      }
      return bytes;
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * The size of an ordinary file in bytes, before it is opened.
   *
   * @throws InputException if it is absent, a folder, a pipe or a device
   */
  public static long checkedSize(Path file) {
    try {
      var attributes = Files.readAttributes(file, BasicFileAttributes.class);
      if (attributes.isDirectory()) {
        throw new InputException(file + ": is a folder, not a file");
      }
      if (!attributes.isRegularFile()) {
        throw new InputException(
            file + ": is a pipe or a device; only ordinary files are read, so that reading ends");
      }
      return attributes.size();
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * Refuses an address in place of a path: nothing is fetched. Of {@code ://} a path has kept one
   * slash.
   *
   * @throws InputException if a path that does not exist looks like an address
   */
  public static void refuseAddress(Path path) {
    String text = path.toString();
    if (text.regionMatches(true, 0, "data:", 0, 5)) {
      throw new InputException(
          text.substring(0, Math.min(text.length(), 32))
              + "…: is a data URI; give the path of a file");
    }
    if (text.regionMatches(true, 0, "file:/", 0, 6)) {
      throw new InputException(
          text + ": is an address; give the path alone, " + text.substring("file:".length()));
    }
    if (ADDRESS.matcher(text).lookingAt()) {
      throw new InputException(
          text + ": is an address, and nothing is fetched; download it and give the path");
    }
  }

  private static InputException tooLong(Path file, long most) {
    return new InputException(
        file + ": is longer than the " + (most >> 20) + " MiB that are read of such a file");
  }

  private static InputException unreadable(Path file, IOException e) {
    refuseAddress(file);
    String why =
        e instanceof NoSuchFileException
            ? "there is no such file"
            : e instanceof AccessDeniedException
                ? "may not be read by this user"
                : "cannot be read (" + e.getMessage() + ")";
    return new InputException(file + ": " + why, e);
  }
}
