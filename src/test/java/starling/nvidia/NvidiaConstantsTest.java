package starling.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.cuda.Native;
import starling.nvidia.cublaslt.CublasLt;
import starling.nvidia.cublaslt.cublasLtMatmulHeuristicResult_t;
import starling.nvidia.cudnn.Cudnn;

/**
 * The constants of our subset headers against those that JavaCPP's presets took from NVIDIA's
 * headers on their own: class files, of which only the constants are read.
 */
class NvidiaConstantsTest {
  private static final Pattern CONSTANT = Pattern.compile("\\b(CU[A-Z0-9_]+) = \\d+");

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
    Set<String> unknown = compare(CublasLt.class, "cublaslt.h", constants("cublas", "cudart"));
    assertEquals(Set.of(), unknown);
  }

  /**
   * The presets are of cuDNN 9.19: what came later is held against NVIDIA's own header alone, where
   * one is found ({@code check_cudnn.c}, gpu-check).
   */
  @Test
  void cudnnIsWhatTheIndependentSourceSays() throws Exception {
    Set<String> unknown = compare(Cudnn.class, "cudnn.h", constants("cudnn"));
    assertEquals(10, unknown.size(), unknown.toString());
    assertTrue(
        unknown.stream().allMatch(n -> n.matches(".*(DIAGONAL_BAND_MASK|SDPA_FWD_SUBGRAPH).*")),
        unknown.toString());
  }

  /**
   * Compares the constants of generated bindings.
   *
   * @return those that the source does not have
   */
  private static Set<String> compare(Class<?> ours, String header, Map<String, Object> theirs)
      throws Exception {
    var names = new TreeSet<String>();
    var unknown = new TreeSet<String>();
    for (Method method : ours.getDeclaredMethods()) {
      String name = method.getName();
      if (Modifier.isPublic(method.getModifiers()) && name.matches("CU[A-Z0-9_]+")) {
        names.add(name);
        if (theirs.containsKey(name)) {
          assertEquals(theirs.get(name), method.invoke(null), name);
        } else {
          unknown.add(name);
        }
      }
    }
    var inHeader = new TreeSet<String>();
    CONSTANT
        .matcher(Files.readString(Checkout.path("native/bindings").resolve(header)))
        .results()
        .forEach(m -> inHeader.add(m.group(1)));
    assertEquals(inHeader, names);
    assertTrue(names.size() > 20);
    return unknown;
  }

  @Test
  void resultsHaveTheSizeOfTheHeader() {
    assertEquals(96, cublasLtMatmulHeuristicResult_t.layout().byteSize());
  }

  /** They compile against our headers; gpu-check compiles them against NVIDIA's. */
  @ParameterizedTest
  @ValueSource(strings = {"check_cublaslt.c", "check_cudnn.c"})
  void theStaticAssertionsHoldForOurHeaders(String file) throws Exception {
    Native.needs(Native.HOST); // where it was built there is a compiler
    var command = "gcc -Wall -Werror -Wno-unused -fsyntax-only -Inative native/bindings/" + file;
    var compiler = new ProcessBuilder(command.split(" ", -1)).directory(Checkout.ROOT.toFile());
    assertEquals(0, compiler.inheritIO().start().waitFor());
  }
}
