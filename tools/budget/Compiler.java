import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Compiles a file once, and keeps what came out in target/budget by a hash of all that went in. */
final class Compiler {
  private static final Pattern ENTRY = Pattern.compile("\\.entry (\\w+)\\(");
  private static final List<String> FLAGS =
      List.of("-std=c++20", "-O3", "-I", "native", "-I", "native/include", "-I", "kernels", "-lineinfo");

  private final Path nvcc;
  private final Path nvdisasm; // or null
  private final String architecture;
  private final String common;

  /**
   * What is known of a kernel before its code is read.
   *
   * @param sass null without nvdisasm
   */
  record Kernel(
      String name, Code ptx, Code sass, int threads, int registers, int shared, int code, int spills, String source) {}

  Compiler(Path nvcc, Path nvdisasm, String architecture) throws IOException, InterruptedException {
    this.nvcc = nvcc;
    this.nvdisasm = nvdisasm;
    this.architecture = architecture;
    var all = new StringBuilder(run(List.of(nvcc.toString(), "--version")) + FLAGS + architecture);
    if (nvdisasm != null) {
      all.append(run(List.of(nvdisasm.toString(), "--version")));
    }
    for (String folder : List.of("kernels/gpu", "native/include")) {
      try (Stream<Path> files = Files.list(Path.of(folder))) {
        for (Path file : files.sorted().toList()) {
          all.append(file).append(Files.readString(file));
        }
      }
    }
    common = all.toString();
  }

  /** The kernels of a file that matter: those of bf16 and of no type, for f16 is the same code. */
  List<Kernel> kernels(Path file) throws IOException, InterruptedException {
    String base = file.getFileName().toString().replace(".cu", "");
    Path folder = Path.of("target/budget", base + "-" + architecture + "-" + hash(common + Files.readString(file)));
    if (!Files.exists(folder.resolve("done"))) {
      forget(base + "-" + architecture + "-");
      Files.createDirectories(folder);
      compile(file, folder);
      Files.writeString(folder.resolve("done"), "");
    }
    String ptx = Files.readString(folder.resolve("kernels.ptx"));
    Map<String, String> files = Parser.files(ptx);
    Map<String, byte[]> texts = texts(folder.resolve("kernels.cubin"));
    String said = Files.readString(folder.resolve("ptxas.txt"));
    Path sass = folder.resolve("sass.txt");
    String root = Path.of("").toAbsolutePath() + "/";
    Map<String, Code> codes =
        Files.exists(sass) ? Parser.sass(Files.readString(sass), root) : Map.of();
    var kernels = new ArrayList<Kernel>();
    for (String entry : entries(ptx)) {
      String mangled = name(entry);
      String of = section(said, mangled);
      kernels.add(
          new Kernel(
              readable(mangled),
              Parser.ptx(entry, files, root),
              codes.get(mangled),
              number(entry, "\\.maxntid (\\d+)", 0),
              number(of, "Used (\\d+) registers", 0),
              number(of, "(\\d+) bytes smem", 0),
              texts.get(mangled).length,
              number(of, "(\\d+) bytes spill stores", 0) + number(of, "(\\d+) bytes spill loads", 0),
              file.toString()));
    }
    return kernels;
  }

  private void compile(Path file, Path folder) throws IOException, InterruptedException {
    Path whole = folder.resolve("whole.ptx");
    var front = new ArrayList<String>(List.of(nvcc.toString(), "-arch=" + architecture));
    front.addAll(FLAGS);
    front.addAll(List.of("-ptx", "-o", whole.toString(), file.toString()));
    run(front);
    Path ptx = folder.resolve("kernels.ptx");
    Files.writeString(ptx, withoutOtherTypes(Files.readString(whole)));
    Files.delete(whole);
    Path cubin = folder.resolve("kernels.cubin");
    List<String> back =
        List.of(nvcc.toString(), "-arch=" + architecture, "-lineinfo", "-Xptxas=-v", "-cubin", "-o", cubin.toString(), ptx.toString());
    Files.writeString(folder.resolve("ptxas.txt"), run(back));
    if (nvdisasm != null) {
      Files.writeString(folder.resolve("sass.txt"), run(List.of(nvdisasm.toString(), "-c", "-gi", cubin.toString())));
    }
  }

  private static String withoutOtherTypes(String ptx) throws IOException, InterruptedException {
    for (String entry : entries(ptx)) {
      if (readable(name(entry)).matches("\\w+<(float|f16)\\b.*")) {
        ptx = ptx.replace(entry, "");
      }
    }
    return ptx;
  }

  /** From {@code .entry} to the brace that closes it; one with a type of its file's own is not visible outside. */
  private static List<String> entries(String ptx) {
    var entries = new ArrayList<String>();
    Matcher m = Pattern.compile("(?m)^(\\.visible )?\\.entry ").matcher(ptx);
    for (int end = 0; m.find(end); ) {
      end = ptx.indexOf("\n}\n", m.start()) + 3;
      entries.add(ptx.substring(m.start(), end));
    }
    return entries;
  }

  private static String name(String entry) {
    Matcher m = ENTRY.matcher(entry);
    if (!m.find()) {
      throw new IllegalStateException(entry.lines().findFirst().orElse(""));
    }
    return m.group(1);
  }

  /** {@code gemm<bf16,false>}. */
  private static String readable(String mangled) throws IOException, InterruptedException {
    String whole = run(List.of("c++filt", mangled)).strip();
    return whole
        .substring(0, whole.contains(">(") ? whole.indexOf(">(") + 1 : whole.indexOf('('))
        .replaceFirst("^void ", "")
        .replace("_kernel", "")
        .replace("(anonymous namespace)::", "")
        .replace("__nv_bfloat16", "bf16")
        .replace("__half", "f16")
        .replace("unsigned int", "uint32_t")
        .replace("unsigned short", "uint16_t")
        .replace("unsigned char", "uint8_t")
        .replaceAll("\\(\\w+\\)", "")
        .replace(" ", "");
  }

  /** What ptxas says of one kernel. */
  private static String section(String said, String mangled) {
    int from = said.indexOf("entry function '" + mangled + "'");
    int to = said.indexOf("entry function '", from + 20);
    return said.substring(Math.max(0, from), to < 0 ? said.length() : to);
  }

  private static int number(String text, String pattern, int otherwise) {
    Matcher m = Pattern.compile(pattern).matcher(text);
    return m.find() ? Integer.parseInt(m.group(1)) : otherwise;
  }

  /** The sections .text.NAME of an ELF file. */
  private static Map<String, byte[]> texts(Path cubin) throws IOException {
    ByteBuffer elf = ByteBuffer.wrap(Files.readAllBytes(cubin)).order(ByteOrder.LITTLE_ENDIAN);
    long table = elf.getLong(40);
    int size = elf.getShort(58);
    int count = elf.getShort(60);
    int names = (int) elf.getLong((int) table + size * elf.getShort(62) + 24);
    var texts = new HashMap<String, byte[]>();
    for (int i = 0; i < count; i++) {
      int header = (int) table + i * size;
      int at = names + elf.getInt(header);
      int end = at;
      while (elf.get(end) != 0) {
        end++;
      }
      String name = new String(elf.array(), at, end - at, StandardCharsets.UTF_8);
      if (name.startsWith(".text.")) {
        var bytes = new byte[(int) elf.getLong(header + 32)];
        elf.get((int) elf.getLong(header + 24), bytes);
        texts.put(name.substring(6), bytes);
      }
    }
    return texts;
  }

  private static String hash(String text) {
    try {
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(sum, 0, 8);
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void forget(String prefix) throws IOException {
    Path all = Files.createDirectories(Path.of("target/budget"));
    try (Stream<Path> old = Files.list(all)) {
      for (Path folder : old.filter(p -> p.getFileName().toString().startsWith(prefix)).toList()) {
        try (Stream<Path> files = Files.list(folder)) {
          for (Path f : files.toList()) {
            Files.delete(f);
          }
        }
        Files.delete(folder);
      }
    }
  }

  /** Output and errors of a command. */
  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (!process.waitFor(10, TimeUnit.MINUTES) || process.exitValue() != 0) {
      throw new IOException(String.join(" ", command) + ":\n" + said);
    }
    return said;
  }
}
