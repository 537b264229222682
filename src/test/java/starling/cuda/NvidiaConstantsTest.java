package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.cuda.cublaslt.CublasLt;
import starling.cuda.cublaslt.cublasLtMatmulHeuristicResult_t;

/**
 * The constants of our subset headers against those that JavaCPP's presets took from NVIDIA's
 * headers on their own: class files, of which only the constants are read.
 */
class NvidiaConstantsTest {
  private static Map<String, Object> constants(String... classes) throws IOException {
    var constants = new HashMap<String, Object>();
    for (String name : classes) {
      try (var in =
          ClassLoader.getSystemResourceAsStream("org/bytedeco/cuda/global/" + name + ".class")) {
        ClassModel model = ClassFile.of().parse(in.readAllBytes());
        for (var field : model.fields()) {
          field
              .findAttribute(Attributes.constantValue())
              .ifPresent(
                  value ->
                      constants.put(
                          field.fieldName().stringValue(), value.constant().constantValue()));
        }
      }
    }
    return constants;
  }

  @Test
  void cublasLtIsWhatTheIndependentSourceSays() throws Exception {
    Map<String, Object> theirs = constants("cublas", "cudart");
    int compared = 0;
    for (Method method : CublasLt.class.getDeclaredMethods()) {
      String name = method.getName();
      if (Modifier.isPublic(method.getModifiers()) && name.matches("CU[A-Z0-9_]+")) {
        assertNotNull(theirs.get(name), name + " is not in the independent source");
        assertEquals(theirs.get(name), method.invoke(null), name);
        compared++;
      }
    }
    long inHeader =
        Files.readString(Path.of("native/bindings/cublaslt.h"))
            .lines()
            .flatMap(
                l -> java.util.regex.Pattern.compile("\\bCU[A-Z0-9_]+ = \\d+").matcher(l).results())
            .count();
    assertEquals(inHeader, compared);
    assertTrue(compared > 20);
  }

  @Test
  void resultsHaveTheSizeOfTheHeader() {
    assertEquals(96, cublasLtMatmulHeuristicResult_t.layout().byteSize());
  }

  /** {@code check.c} compiles against our headers; gpu-check compiles it against NVIDIA's. */
  @Test
  void theStaticAssertionsHoldForOurHeaders() throws Exception {
    Native.needs(Native.HOST); // where it was built there is a compiler
    var compiler =
        new ProcessBuilder(
                "gcc",
                "-Wall",
                "-Werror",
                "-Wno-unused",
                "-fsyntax-only",
                "-Inative",
                "native/bindings/check.c")
            .inheritIO()
            .start();
    assertEquals(0, compiler.waitFor());
  }
}
