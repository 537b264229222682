package starling.cuda;

import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import starling.Pages;

/** The examples for programs that use JCuda, as such a program would compile them. */
final class Examples {
  private Examples() {}

  /** The only method of an example. */
  static Method compiled(String example, Path dir) throws Exception {
    Pages.compileExamples(dir);
    var loader = new URLClassLoader(new URL[] {dir.toUri().toURL()}); // as long as the method
    return Arrays.stream(loader.loadClass(example).getDeclaredMethods()).findFirst().orElseThrow();
  }
}
