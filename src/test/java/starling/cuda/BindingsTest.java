package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import starling.device.Activation;
import starling.device.DType;
import starling.device.PositionRule;

/**
 * The bindings are what the C headers say. They are generated here: {@code mvn test
 * -Dtest=BindingsTest -Dstarling.regenerate=true} rewrites them (and the formatter lays them out).
 */
class BindingsTest {
  private static final Pattern COMMENT = Pattern.compile("/\\*(.*?)\\*/", Pattern.DOTALL);
  private static final Pattern FUNCTION =
      Pattern.compile(
          "STARLING_API\\s+([\\w\\s]+?\\*?)\\s*(starling_\\w+)\\((.*?)\\);", Pattern.DOTALL);

  private record Parameter(String type, String name) {}

  private record Function(String result, String symbol, List<Parameter> parameters) {
    String method() {
      return camel(symbol.replaceFirst("starling_(host_)?", ""));
    }

    String constant() {
      return symbol.replaceFirst("starling_(host_)?", "").toUpperCase(Locale.ROOT);
    }
  }

  @Test
  void theBindingsAreWhatTheHeaderSays() throws IOException {
    check("starling.h", "Bindings", Path.of("src/main/java/starling/cuda/Bindings.java"), 30);
    check(
        "starling_host.h",
        "HostBindings",
        Path.of("src/test/java/starling/cuda/HostBindings.java"),
        6);
  }

  @Test
  void theNumbersAreThoseOfTheHeader() throws IOException {
    String header = Files.readString(Path.of("native/include/starling.h"));
    for (Activation a : Activation.values()) {
      assertTrue(header.contains("STARLING_" + a + " = " + Numbers.of(a)), a.name());
    }
    for (DType t : List.of(DType.F32, DType.BF16, DType.F16)) {
      assertTrue(header.contains("STARLING_" + t + " = " + Numbers.of(t)), t.name());
    }
    for (PositionRule r : PositionRule.values()) {
      assertTrue(header.contains("STARLING_" + r + " = " + Numbers.of(r)), r.name());
    }
    String version = "#define STARLING_ABI_VERSION " + NativeLibrary.ABI_VERSION;
    assertTrue(header.contains(version), version);
  }

  private static void check(String header, String name, Path file, int atLeast) throws IOException {
    List<Function> functions = parse(Files.readString(Path.of("native/include", header)));
    assertTrue(functions.size() >= atLeast, header + " has " + functions.size() + " functions");
    String text = generate(header, name, functions);
    if (Boolean.getBoolean("starling.regenerate")) {
      Files.writeString(file, text);
    }
    boolean same = squeezed(text).equals(squeezed(Files.readString(file)));
    assertTrue(same, "regenerate " + file + ": it is not what " + header + " says");
  }

  private static String squeezed(String text) {
    return text.replaceAll("[\\s*]+", "");
  }

  // ---- reading C ----

  private static List<Function> parse(String header) {
    String plain =
        COMMENT
            .matcher(header)
            .replaceAll(m -> m.group(1).strip().startsWith("host") ? " @host " : " ");
    var functions = new ArrayList<Function>();
    var m = FUNCTION.matcher(plain);
    while (m.find()) {
      var parameters = new ArrayList<Parameter>();
      for (String one : m.group(3).split(",", -1)) {
        if (!one.strip().equals("void")) {
          parameters.add(parameter(one.replaceAll("\\s+", " ").strip()));
        }
      }
      String result = m.group(1).contains("*") ? "MemorySegment" : javaType(m.group(1).strip());
      functions.add(new Function(result, m.group(2), parameters));
    }
    return functions;
  }

  private static Parameter parameter(String c) {
    boolean host = c.contains("@host") || c.startsWith("starling_stream *");
    String declaration = c.replace("@host", "").strip();
    String name = declaration.replaceFirst(".*[ *]", "");
    boolean pointer = declaration.contains("*");
    String type =
        pointer
            ? (host ? "MemorySegment" : "long")
            : javaType(declaration.substring(0, declaration.length() - name.length()).strip());
    return new Parameter(type, camel(name));
  }

  private static String javaType(String c) {
    return switch (c) {
      case "int32_t", "int" -> "int";
      case "int64_t", "uint64_t" -> "long";
      case "float", "double", "void" -> c;
      default -> throw new AssertionError("a C type that the bindings do not know: " + c);
    };
  }

  private static String camel(String snake) {
    var out = new StringBuilder();
    for (String word : snake.split("_", -1)) {
      out.append(out.isEmpty() ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1));
    }
    return out.toString();
  }

  // ---- writing Java ----

  private static String generate(String header, String name, List<Function> functions) {
    var text = new StringBuilder();
    text.append("package starling.cuda;\n\n");
    text.append(
        functions.stream()
                .anyMatch(
                    f ->
                        f.result.equals("double")
                            || f.parameters.stream().anyMatch(p -> p.type.equals("double")))
            ? "import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;\n"
            : "");
    if (functions.stream()
        .anyMatch(f -> f.parameters.stream().anyMatch(p -> p.type.equals("MemorySegment")))) {
      text.append("import static java.lang.foreign.ValueLayout.ADDRESS;\n");
    }
    if (functions.stream()
        .anyMatch(f -> f.parameters.stream().anyMatch(p -> p.type.equals("float")))) {
      text.append("import static java.lang.foreign.ValueLayout.JAVA_FLOAT;\n");
    }
    text.append("import static java.lang.foreign.ValueLayout.JAVA_INT;\n");
    text.append("import static java.lang.foreign.ValueLayout.JAVA_LONG;\n\n");
    text.append(
        "import java.lang.foreign.MemorySegment;\nimport java.lang.foreign.SymbolLookup;\nimport java.lang.invoke.MethodHandle;\n\n");
    text.append("/**\n * The functions of {@code native/include/").append(header);
    text.append(
        "}, which documents them. Addresses of device memory are {@code long}s, host memory and\n * streams are segments, so that their lifetime and thread are checked by every call.\n *\n * <p>Generated from the header by {@code BindingsTest}; do not edit.\n */\n");
    text.append("final class ").append(name).append(" {\n");
    for (Function f : functions) {
      text.append("private static final MethodHandle ")
          .append(f.constant())
          .append(" = Symbols.")
          .append(f.result.equals("void") ? "procedure" : "function")
          .append("(");
      var layouts = new ArrayList<String>();
      if (!f.result.equals("void")) {
        layouts.add(layout(f.result));
      }
      f.parameters.forEach(p -> layouts.add(layout(p.type)));
      text.append(String.join(", ", layouts)).append(");\n");
    }
    text.append("\n");
    for (Function f : functions) {
      text.append("private final MemorySegment ").append(f.method()).append(";\n");
    }
    text.append(
        "\n/** Binds all of them; a missing one is an {@link java.util.NoSuchElementException} with its name. */\n");
    text.append(name).append("(SymbolLookup library) {\n");
    for (Function f : functions) {
      text.append(f.method())
          .append(" = Symbols.find(library, \"")
          .append(f.symbol)
          .append("\");\n");
    }
    text.append("}\n");
    for (Function f : functions) {
      text.append("\n").append(f.result).append(" ").append(f.method()).append("(");
      text.append(
              f.parameters.stream()
                  .map(p -> p.type + " " + p.name)
                  .collect(Collectors.joining(", ")))
          .append(") {\ntry {\n");
      text.append(f.result.equals("void") ? "" : "return (" + f.result + ") ");
      text.append(f.constant()).append(".invokeExact(this.").append(f.method());
      f.parameters.forEach(p -> text.append(", ").append(p.name));
      text.append(");\n} catch (Throwable e) {\nthrow Symbols.thrown(e);\n}\n}\n");
    }
    return text.append("}\n").toString();
  }

  private static String layout(String javaType) {
    return switch (javaType) {
      case "MemorySegment" -> "ADDRESS";
      case "int" -> "JAVA_INT";
      case "long" -> "JAVA_LONG";
      case "float" -> "JAVA_FLOAT";
      default -> "JAVA_DOUBLE";
    };
  }
}
