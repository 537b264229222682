import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads kernels as nvcc writes PTX and nvdisasm writes machine code, both with lines of the source. */
final class Parser {
  private static final Pattern SASS =
      Pattern.compile("\\s+/\\*[0-9a-f]{4,}\\*/\\s+(@!?U?P\\w+\\s+)?(\\S+)\\s*(.*?)\\s*;.*");
  private static final Pattern SASS_LABEL = Pattern.compile("(\\.L_\\w+):.*");
  private static final Pattern SASS_TARGET = Pattern.compile("`\\((\\.L_\\w+)\\)");
  private static final Pattern SASS_PLACE = Pattern.compile("File \"(.*?)\", line (\\d+)(.*)");
  private static final Pattern SASS_REGISTER = Pattern.compile("\\bR(\\d+)\\b");
  private static final Pattern PTX_LABEL = Pattern.compile("(\\$L\\w+):");
  private static final Pattern PTX_REGISTER = Pattern.compile("%[a-z]+\\d+");
  private static final Pattern PTX_TYPE = Pattern.compile("\\.[bufs](8|16|32|64|128)\\b|\\.bf16|\\.f16");
  private static final Pattern PTX_PLACE =
      Pattern.compile("\\.loc\\s+(\\d+) (\\d+) (\\d+)(?:.*inlined_at (\\d+) (\\d+) (\\d+))?.*");
  private static final Pattern PTX_FILE = Pattern.compile("\\s*\\.file\\s+(\\d+) \"(.*)\".*");

  private final String root;
  private final List<Instruction> instructions = new ArrayList<>();
  private final Map<String, Integer> labels = new HashMap<>();

  private Parser(String root) {
    this.root = root;
  }

  // ---- machine code ----

  /** By mangled name, from all that nvdisasm says of a file. */
  static Map<String, Code> sass(String text, String root) {
    var codes = new TreeMap<String, Code>();
    Parser parser = null;
    String name = null;
    var places = new ArrayList<String>();
    boolean open = false; // the next place is where the last one was called
    for (String line : text.split("\n")) {
      Matcher m;
      if (line.startsWith(".text.")) {
        if (parser != null) {
          codes.put(name, parser.code());
        }
        name = line.substring(6, line.length() - 1);
        parser = new Parser(root);
      } else if (parser == null) {
        continue;
      } else if (line.contains("//##") && (m = SASS_PLACE.matcher(line)).find()) {
        if (!open) {
          places.clear();
        }
        places.add(parser.place(m.group(1), m.group(2)));
        open = m.group(3).contains("inlined at");
      } else if ((m = SASS_LABEL.matcher(line)).matches()) {
        parser.labels.put(m.group(1), parser.instructions.size());
      } else if ((m = SASS.matcher(line)).matches()) {
        open = false;
        parser.sass(m.group(1) != null, m.group(2), m.group(3), List.copyOf(places));
      }
    }
    if (parser != null) {
      codes.put(name, parser.code());
    }
    return codes;
  }

  private void sass(boolean predicated, String op, String operands, List<String> places) {
    String base = op.replaceFirst("\\..*", "");
    Instruction.Kind kind =
        switch (base) {
          case "HMMA", "HGMMA", "IMMA" -> Instruction.Kind.PRODUCT;
          case "LDG", "LD" -> Instruction.Kind.LOAD;
          case "LDGSTS", "UBLKCP", "UTMALDG" -> Instruction.Kind.COPY;
          case "LDGDEPBAR" -> Instruction.Kind.COMMIT;
          case "DEPBAR" -> operands.matches("SB0, 0x\\w+") ? Instruction.Kind.WAIT : Instruction.Kind.OTHER;
          case "STG", "ST" -> Instruction.Kind.STORE;
          default -> Instruction.Kind.OTHER;
        };
    int bytes = kind == Instruction.Kind.WAIT ? Integer.decode(operands.substring(5)) : sassBytes(op);
    int wavefronts =
        switch (base) {
          case "LDSM", "STSM" -> op.endsWith(".4") ? 4 : op.endsWith(".2") ? 2 : 1;
          case "LDS", "STS", "LDGSTS" -> Math.max(1, sassBytes(op) / 4);
          default -> 0;
        };
    var registers = new ArrayList<String>();
    Matcher m = SASS_REGISTER.matcher(operands);
    while (m.find()) {
      registers.add(m.group(1));
    }
    List<String> sets = new ArrayList<>();
    if (kind == Instruction.Kind.LOAD && operands.startsWith("R") && !operands.startsWith("RZ")) {
      int first = Integer.parseInt(registers.removeFirst());
      for (int i = 0; i < (bytes + 3) / 4; i++) {
        sets.add("" + (first + i));
      }
    }
    boolean jumps = base.equals("BRA") || base.equals("BRX");
    m = SASS_TARGET.matcher(operands);
    String target = jumps && m.find() ? m.group(1) : null;
    boolean always = !predicated && (!jumps || operands.startsWith("`"));
    boolean ends = always && (jumps && !op.contains("DIV") || base.equals("EXIT") || base.equals("RET"));
    instructions.add(
        new Instruction(op + " " + operands, kind, bytes, wavefronts, sets, registers, target, ends, places));
  }

  private static int sassBytes(String op) {
    return op.contains(".128") ? 16
        : op.contains(".64") ? 8
            : op.matches(".*\\.[US]16.*") ? 2 : op.matches(".*\\.[US]8.*") ? 1 : 4;
  }

  // ---- PTX ----

  /** Of one {@code .entry}; the files' numbers stand in the whole text. */
  static Code ptx(String entry, Map<String, String> files, String root) {
    var parser = new Parser(root);
    var callers = new HashMap<String, String>(); // of "file line column"
    List<String> places = List.of();
    var statement = new StringBuilder();
    boolean body = false;
    for (String line : entry.split("\n")) {
      String s = line.replaceFirst("//.*", "").strip();
      body |= s.equals("{");
      Matcher m;
      if (!body || s.isEmpty() || s.equals("{") || s.equals("}")) {
        continue;
      } else if (s.startsWith(".loc")) {
        m = PTX_PLACE.matcher(s);
        if (m.matches()) {
          String at = m.group(1) + " " + m.group(2) + " " + m.group(3);
          String from = m.group(4) == null ? "" : m.group(4) + " " + m.group(5) + " " + m.group(6);
          callers.put(at, from);
          places = parser.places(at, callers, files);
        }
      } else if ((m = PTX_LABEL.matcher(s)).matches()) {
        parser.labels.put(m.group(1), parser.instructions.size());
      } else if (statement.isEmpty() && s.startsWith(".")) {
        continue; // a declaration
      } else {
        // Assembly of the source comes in braces of its own.
        statement.append(s.replaceFirst("^\\{\\s*(?!%)", "").replaceFirst(";\\s*}$", ";")).append(' ');
        if (statement.charAt(statement.length() - 2) == ';') {
          for (String one : statement.toString().split(";")) {
            if (!one.isBlank() && !one.strip().startsWith(".")) {
              parser.ptx(one.strip(), places);
            }
          }
          statement.setLength(0);
        }
      }
    }
    return parser.code();
  }

  static Map<String, String> files(String ptx) {
    var files = new HashMap<String, String>();
    ptx.lines()
        .filter(l -> l.contains(".file"))
        .map(PTX_FILE::matcher)
        .filter(Matcher::matches)
        .forEach(m -> files.put(m.group(1), m.group(2)));
    return files;
  }

  private List<String> places(String at, Map<String, String> callers, Map<String, String> files) {
    var places = new ArrayList<String>();
    for (String p = at; p != null && !p.isEmpty() && places.size() < 20; p = callers.get(p)) {
      String[] numbers = p.split(" ");
      places.add(place(files.getOrDefault(numbers[0], "?"), numbers[1]));
    }
    return List.copyOf(places);
  }

  private void ptx(String statement, List<String> places) {
    boolean predicated = statement.startsWith("@");
    String text = predicated ? statement.replaceFirst("@\\S+\\s+", "") : statement;
    String op = text.replaceFirst("\\s.*", "");
    Instruction.Kind kind =
        op.startsWith("mma.") || op.startsWith("wgmma.mma") ? Instruction.Kind.PRODUCT
            : op.matches("ld\\.(global|volatile\\.global|relaxed.*global|acquire.*global).*") ? Instruction.Kind.LOAD
                : op.startsWith("cp.async.commit_group") ? Instruction.Kind.COMMIT
                    : op.startsWith("cp.async.wait_group") || op.startsWith("cp.async.wait_all") ? Instruction.Kind.WAIT
                        : op.matches("cp\\.async\\.(c[ag]|bulk\\.(shared|tensor)).*") ? Instruction.Kind.COPY
                            : op.startsWith("st.global") ? Instruction.Kind.STORE
                                : Instruction.Kind.OTHER;
    int bytes =
        switch (kind) {
          case LOAD, STORE -> ptxBytes(op);
          case COPY -> op.contains("bulk") ? 0 : Integer.parseInt(text.split(",")[2].strip());
          case WAIT -> op.contains("all") ? 0 : Integer.parseInt(text.replaceFirst("\\S+\\s+", "").strip());
          default -> 0;
        };
    var registers = new ArrayList<String>();
    Matcher m = PTX_REGISTER.matcher(text);
    while (m.find()) {
      registers.add(m.group());
    }
    var sets = new ArrayList<String>();
    if (kind == Instruction.Kind.LOAD) {
      Matcher into = PTX_REGISTER.matcher(text.replaceFirst("\\[.*", ""));
      while (into.find()) {
        sets.add(registers.removeFirst());
      }
    }
    boolean jumps = op.equals("bra") || op.equals("bra.uni");
    String target = jumps ? text.replaceFirst("\\S+\\s+", "").strip() : null;
    boolean ends = !predicated && (jumps || op.equals("ret") || op.equals("exit") || op.equals("trap"));
    instructions.add(new Instruction(text, kind, bytes, 0, sets, registers, target, ends, places));
  }

  private static int ptxBytes(String op) {
    Matcher m = PTX_TYPE.matcher(op);
    int bits = 0;
    while (m.find()) {
      bits = m.group(1) == null ? 16 : Integer.parseInt(m.group(1));
    }
    return bits / 8 * (op.contains(".v8") ? 8 : op.contains(".v4") ? 4 : op.contains(".v2") ? 2 : 1);
  }

  // ---- both ----

  private String place(String file, String line) {
    return (file.startsWith(root) ? file.substring(root.length()) : file) + ":" + line;
  }

  private Code code() {
    return new Code(instructions, labels);
  }
}
