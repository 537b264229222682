package starling.cuda;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * A library from a jar, as a file that the loader can map: {@code PLACE/HASH/NAME}, in folders that
 * nobody else can write to. It is written under a unique name and moved there in one step, so two
 * processes may do it at once, and a file that is in use is never opened for writing. A file that
 * is there already is used if it is this user's and its bytes are right.
 */
final class Unpacked {
  private Unpacked() {}

  static Path unpack(byte[] library, String name, Path place)
      throws IOException, DynamicLibrary.Refused {
    Path dir = PrivateFolder.in(PrivateFolder.in(place).resolve(hash(library).substring(0, 16)));
    Path file = dir.resolve(name);
    if (PrivateFolder.owns(file) && Arrays.equals(Files.readAllBytes(file), library)) {
      return file;
    }
    Path temporary = Files.createTempFile(dir, name, ".part");
    try {
      Files.write(temporary, library);
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (FileAlreadyExistsException e) {
      // Another process was first; its file is checked by the next start like any other.
    } finally {
      Files.deleteIfExists(temporary);
    }
    return file;
  }

  private static String hash(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
