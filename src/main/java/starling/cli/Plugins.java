package starling.cli;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.jar.JarFile;
import starling.input.InputException;
import starling.input.InputFile;
import starling.prune.MethodProvider;

/**
 * Jars, and folders of classes, with methods of the user's own. Until it is closed the thread's
 * context class loader finds their classes behind those of the program.
 */
final class Plugins implements AutoCloseable {
  private static final String NAME = "plugins";
  private static final String SERVICE = "META-INF/services/" + MethodProvider.class.getName();

  private final ClassLoader before = Thread.currentThread().getContextClassLoader();
  private final URLClassLoader loader;

  /**
   * @param path files, parted as in a class path; null for none
   * @throws InputException if one is not there or is no jar, or none of them has a method
   */
  Plugins(String path) {
    if (path == null) {
      loader = null;
      return;
    }
    var places = new ArrayList<URL>();
    for (String name : path.split(File.pathSeparator, -1)) {
      places.add(place(name));
    }
    loader = new URLClassLoader(NAME, places.toArray(URL[]::new), before);
    if (loader.findResource(SERVICE) == null) {
      throw new InputException(
          path
              + ": has no method; the class of its MethodProvider must stand in the file "
              + SERVICE);
    }
    Thread.currentThread().setContextClassLoader(loader);
  }

  private static URL place(String name) {
    if (name.isEmpty()) {
      throw new InputException("--plugins: there is a name missing between its colons");
    }
    try {
      Path file = Path.of(name);
      if (!Files.isDirectory(file)) {
        InputFile.checkedSize(file);
        new JarFile(file.toFile()).close();
      }
      return file.toUri().toURL();
    } catch (InvalidPathException e) {
      throw new InputException("--plugins: '" + name + "' is not a file name", e);
    } catch (IOException e) {
      throw new InputException(name + ": cannot be read as a jar (" + e.getMessage() + ")", e);
    }
  }

  /** Whether there are some, on this thread. */
  static boolean inUse() {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    return loader != null && NAME.equals(loader.getName());
  }

  @Override
  public void close() {
    Thread.currentThread().setContextClassLoader(before);
    if (loader != null) {
      try {
        loader.close();
      } catch (IOException e) {
        // Nothing was written.
      }
    }
  }
}
