package starling.jcuda;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import starling.input.InputException;

/**
 * JCuda's classes write their native library to the temporary folder when they start, and take what
 * lies there already, which another user may have put there. So they start with a folder of ours.
 */
final class Starting {
  private static final String FOLDER = "java.io.tmpdir";
  private static final Set<Class<?>> STARTED = new HashSet<>();

  private Starting() {}

  /** To be called before the first use of a class with native methods. */
  static synchronized void of(Class<?> jcuda) {
    if (STARTED.contains(jcuda)) {
      return;
    }
    String shared = System.getProperty(FOLDER);
    try {
      Path own = Files.createTempDirectory("starling-jcuda"); // for this user alone
      System.setProperty(FOLDER, own.toString());
      try {
        Class.forName(jcuda.getName(), true, jcuda.getClassLoader());
      } finally {
        System.setProperty(FOLDER, shared);
        delete(own); // what is loaded stays
      }
      STARTED.add(jcuda);
    } catch (IOException e) {
      throw new InputException(
          shared + ": JCuda's library cannot be unpacked there (" + e + ")", e);
    } catch (ClassNotFoundException e) {
      throw new AssertionError(e);
    }
  }

  private static void delete(Path folder) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }
}
