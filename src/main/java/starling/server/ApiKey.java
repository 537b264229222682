package starling.server;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import starling.input.InputException;
import starling.input.InputFile;

/**
 * A secret that clients send as {@code Authorization: Bearer KEY}. Only its digest is kept, and
 * comparing takes the same time whatever is compared.
 */
public final class ApiKey {
  private static final int MIN_LENGTH = 8;
  private static final int MAX_LENGTH = 1024;

  private final byte[] digest;

  private ApiKey(String key, String name) {
    if (key.length() < MIN_LENGTH || key.length() > MAX_LENGTH) {
      throw new InputException(
          name
              + ": a key of "
              + key.length()
              + " characters; it must have "
              + MIN_LENGTH
              + " to "
              + MAX_LENGTH);
    }
    if (!key.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
      throw new InputException(name + ": a key is printable ASCII without spaces, on one line");
    }
    digest = digest(key);
  }

  /**
   * A key that is known.
   *
   * @param name what messages call the place that it is from
   * @throws InputException if it is too short to be one, too long, or cannot stand in a header
   */
  public static ApiKey of(String key, String name) {
    return new ApiKey(key, name);
  }

  /**
   * The key in a file; space around it is no part of it.
   *
   * @throws InputException if the file cannot be read or holds none
   */
  public static ApiKey read(Path file) {
    byte[] bytes = InputFile.read(file, 1L << 20);
    return new ApiKey(new String(bytes, StandardCharsets.UTF_8).strip(), file.toString());
  }

  /** Whether a request's header holds the key; null if it has none. */
  boolean isIn(String authorization) {
    return authorization != null
        && authorization.regionMatches(true, 0, "Bearer ", 0, 7)
        && MessageDigest.isEqual(digest, digest(authorization.substring(7).strip()));
  }

  private static byte[] digest(String key) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
