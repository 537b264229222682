package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the pages name is there: links, files, classes, tests, examples. */
class PagesTest {
  /** It names what is yet to be written, and GuideTest does what it says. */
  private static final Path GUIDE = Checkout.path(".github/CONTRIBUTING.md");

  private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} +(.*)$");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final Pattern FILE =
      Pattern.compile("(?:src|tools|kernels|native|\\.github|\\.ci)(?:/[\\w.-]+)+/?");
  private static final Pattern CLASS = Pattern.compile("([A-Z]\\w*[a-z]\\w*)(?:\\.(\\w+))?");
  private static final Pattern PACKAGE = Pattern.compile("starling(?:\\.\\w+)+");
  private static final Pattern TESTS = Pattern.compile("-Dtest=([\\w,]+)");

  /** What pages name that neither we nor the JDK have, or that stands for the reader's own. */
  private static final Set<String> FOREIGN =
      Set.of(
          "SkylakeX",
          "Infinity",
          "NaN",
          "Mine",
          "NAME_kernel",
          "my.cu",
          "kernels/NAME.cu",
          "OpenAI");

  /** Packages of the JDK and of langchain4j whose classes pages name. */
  private static final List<String> OTHERS =
      List.of(
          "java.lang",
          "java.util",
          "java.util.concurrent",
          "java.lang.foreign",
          "dev.langchain4j.exception",
          "dev.langchain4j.model.chat",
          "dev.langchain4j.model.chat.response");

  @Test
  void theFirstPageIsShort() throws IOException {
    int lines = Files.readAllLines(Pages.README).size();
    assertTrue(lines <= 150, lines + " lines");
  }

  @Test
  void everyLinkLeadsSomewhere() throws IOException {
    var wrong = new ArrayList<String>();
    int links = 0;
    for (Path page : Pages.all()) {
      for (MatchResult link : LINK.matcher(Pages.prose(page)).results().toList()) {
        if (!link.group(1).matches("[a-z]+:.*")) {
          links++;
          if (!leadsSomewhere(page, link.group(1))) {
            wrong.add(page + ": " + link.group(1));
          }
        }
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(links > 50, links + " links");
  }

  private static boolean leadsSomewhere(Path page, String link) {
    String[] parts = link.split("#", 2);
    Path folder = page.toAbsolutePath().getParent();
    Path file = parts[0].isEmpty() ? page : folder.resolve(parts[0]).normalize();
    return Files.exists(file) && (parts.length == 1 || anchors(file).contains(parts[1]));
  }

  /** The anchors of headings, as GitHub makes them. */
  private static Set<String> anchors(Path page) {
    return HEADING
        .matcher(Pages.prose(page))
        .results()
        .map(m -> m.group(1).replaceAll("\\]\\([^)]*\\)", "").toLowerCase(Locale.ROOT))
        .map(text -> text.replaceAll("[^\\p{L}\\p{N} _-]", "").strip().replace(' ', '-'))
        .collect(Collectors.toSet());
  }

  @Test
  void everyPageIsFoundFromTheFirst() throws IOException {
    String readme = Pages.prose(Pages.README);
    for (Path page : Pages.files(Pages.FOLDER, ".md")) {
      String name = Checkout.ROOT.relativize(page).toString();
      assertTrue(readme.contains("](" + name + ")"), "README.md links to " + name);
    }
  }

  /** A page shows whole lines of a file that is compiled, run or read by a test. */
  @Test
  void everyExampleIsAPieceOfAFile() throws IOException {
    var examples = new ArrayList<List<String>>();
    for (Path file : Pages.files(Pages.EXAMPLES, "")) {
      if (Files.isRegularFile(file)) {
        examples.add(Files.readAllLines(file));
      }
    }
    int blocks = 0;
    for (Path page : Pages.all()) {
      for (Pages.Block block : Pages.blocks(page)) {
        if (!block.language().isEmpty() && !page.equals(GUIDE)) {
          blocks++;
          assertTrue(examples.stream().anyMatch(lines -> holds(lines, block.text())), "" + block);
        }
      }
    }
    assertTrue(blocks > 5, blocks + " blocks");
  }

  private static boolean holds(List<String> lines, String piece) {
    String wanted = piece.stripTrailing().stripIndent();
    int n = (int) wanted.lines().count();
    return IntStream.rangeClosed(0, lines.size() - n)
        .mapToObj(i -> String.join("\n", lines.subList(i, i + n)).stripIndent())
        .anyMatch(wanted::equals);
  }

  @Test
  void theCoordinatesAreThoseOfThePom() throws IOException {
    String pom = Pages.read(Checkout.path("pom.xml"));
    var own =
        Pattern.compile(
            "<groupId>(.*)</groupId>\\s*<artifactId>(.*)</artifactId>\\s*<version>(.*)</version>");
    MatchResult of = own.matcher(pom).results().findFirst().orElseThrow();
    List<MatchResult> maven =
        own.matcher(Pages.example("dependencies.xml") + Pages.example("kernels.xml"))
            .results()
            .toList();
    assertEquals(3, maven.size());
    String all = of.group(1) + ":" + of.group(2) + ":" + of.group(3);
    for (MatchResult m : maven) {
      assertEquals(all, m.group(1) + ":" + m.group(2) + ":" + m.group(3));
    }
    String gradle = Pages.example("build.gradle.kts");
    assertTrue(gradle.contains("implementation(\"" + all + "\")"), gradle);
    assertTrue(gradle.contains("runtimeOnly(\"" + all + ":demo\")"), gradle);
  }

  /** Between two blocks of one page "prints" stands: the second is the file with the output. */
  @Test
  void everyOutputIsTheOneThatATestCompares() throws IOException {
    var outputs = new TreeSet<String>();
    for (Path file : Pages.files(Pages.EXAMPLES, ".out")) {
      outputs.add(Pages.read(file));
    }
    var shown = new TreeSet<String>();
    Pattern prints = Pattern.compile("\\n```\\n+prints\\n+```\\n(.*?)```", Pattern.DOTALL);
    for (Path page : Pages.all()) {
      prints.matcher(Pages.read(page)).results().forEach(m -> shown.add(m.group(1)));
    }
    assertEquals(outputs, shown);
  }

  @Test
  void everyNameInCodeIsThere() throws IOException {
    var names = new Names();
    var wrong = new ArrayList<String>();
    int known = 0;
    for (Path page : Pages.all().stream().filter(p -> !p.equals(GUIDE)).toList()) {
      for (MatchResult code : CODE.matcher(Pages.prose(page)).results().toList()) {
        for (String word : code.group(1).split("[\\s,:()]+", -1)) {
          Boolean there = names.there(page, word);
          if (Boolean.FALSE.equals(there)) {
            wrong.add(page + ": " + word);
          } else if (there != null) {
            known++;
          }
        }
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(known > 200, known + " names");
  }

  @Test
  void everyTestThatACommandNamesIsThere() throws IOException {
    var names = new Names();
    for (Path page : Pages.all()) {
      for (MatchResult tests : TESTS.matcher(Pages.read(page)).results().toList()) {
        for (String test : tests.group(1).split(",", -1)) {
          assertTrue(names.classes.contains(test), page + ": " + test);
        }
      }
    }
  }

  /** What there is to name. */
  private static final class Names {
    private static final Pattern TYPE =
        Pattern.compile("\\b(?:class|record|interface|enum|struct) +([A-Z]\\w*)");

    final Set<String> classes = new TreeSet<>();
    private final Set<String> files = new TreeSet<>();
    private final Set<String> words = new TreeSet<>();

    Names() throws IOException {
      for (String root : List.of("src", "kernels", "native", "tools")) {
        try (Stream<Path> all = Files.walk(Checkout.path(root))) {
          for (Path file : all.filter(Files::isRegularFile).toList()) {
            files.add(file.getFileName().toString());
            if (file.toString().matches(".*\\.(?:java|h|cu|cpp)")) {
              String source = Pages.read(file);
              TYPE.matcher(source).results().forEach(m -> classes.add(m.group(1)));
              Pattern.compile("[\\w.]+")
                  .matcher(source)
                  .results()
                  .forEach(m -> words.add(m.group()));
            }
          }
        }
      }
    }

    /** Null where the word is no name of a file or a class. */
    Boolean there(Path page, String word) {
      if (FOREIGN.contains(word)) {
        return null;
      }
      if (FILE.matcher(word).matches()) {
        return Files.exists(Checkout.path(word));
      }
      if (word.matches("[\\w-]+\\.(?:java|cu|h|cpp|py|md)")) {
        return files.contains(word) || Files.exists(page.resolveSibling(word));
      }
      if (PACKAGE.matcher(word).matches()) {
        return Files.isDirectory(Checkout.path("src/main/java").resolve(word.replace(".", "/")))
            || words.contains(word);
      }
      var type = CLASS.matcher(word);
      if (!type.matches()) {
        return null;
      }
      if (!classes.contains(type.group(1))) {
        return isOfOthers(type.group(1));
      }
      String member = type.group(2);
      return member == null
          || words.contains(member)
          || words.stream().anyMatch(w -> w.endsWith("." + member));
    }

    private static boolean isOfOthers(String name) {
      return OTHERS.stream()
          .anyMatch(
              p ->
                  ClassLoader.getSystemResource(p.replace('.', '/') + "/" + name + ".class")
                      != null);
    }
  }
}
