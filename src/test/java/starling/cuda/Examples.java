package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import javax.tools.ToolProvider;
import starling.Checkout;

/** The README's methods for programs that use JCuda, as such a program would compile them. */
final class Examples {
  private Examples() {}

  /**
   * @param beginning of the method in the README, up to the end of its block
   */
  static Method compiled(String beginning, Path dir) throws Exception {
    String readme = Files.readString(Checkout.path("README.md"));
    int from = readme.indexOf(beginning);
    String source =
        """
        import java.lang.foreign.*;
        import java.util.*;
        import jcuda.*;
        import jcuda.jcublas.*;
        import jcuda.runtime.*;
        import starling.cuda.NativeDevice;
        import starling.device.*;
        import starling.jcuda.Interop;
        public class Example {
          public static\s"""
            + readme.substring(from, readme.indexOf("```", from))
            + "}";
    Path file = Files.writeString(dir.resolve("Example.java"), source);
    String path = System.getProperty("java.class.path");
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, System.err, "-cp", path, "-d", dir.toString(), file.toString());
    assertEquals(0, status);
    var loader = new URLClassLoader(new URL[] {dir.toUri().toURL()}); // as long as the method
    return Arrays.stream(loader.loadClass("Example").getMethods())
        .filter(m -> beginning.contains(" " + m.getName() + "("))
        .findFirst()
        .orElseThrow();
  }
}
