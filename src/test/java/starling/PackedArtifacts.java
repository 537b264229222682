package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPath;
import javax.xml.xpath.XPathExpressionException;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

/**
 * What {@code mvn verify} has packed, and the POM that goes along: run after packing, and so under
 * a name that the other tests do not have. The system property {@code starling.artifacts} names the
 * jars that must be there: two, or all of a release.
 */
class PackedArtifacts {
  private static final Set<String> EXPECTED =
      Set.copyOf(Arrays.asList(System.getProperty("starling.artifacts", "").split(",")));

  private static final Document POM = pom();
  private static final XPath XPATH = XPathFactory.newInstance().newXPath();

  private static Document pom() {
    try {
      return DocumentBuilderFactory.newInstance()
          .newDocumentBuilder()
          .parse(Checkout.path("pom.xml").toFile());
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static String pom(String path) {
    try {
      return XPATH.evaluate(path, POM).strip();
    } catch (XPathExpressionException e) {
      throw new AssertionError(path, e);
    }
  }

  private static Path jar(String classifier) {
    String name = "starling-" + pom("/project/version");
    return Checkout.path("target")
        .resolve(name + (classifier.equals("main") ? "" : "-" + classifier) + ".jar");
  }

  private static Set<String> files(String classifier) throws IOException {
    try (var jar = new JarFile(jar(classifier).toFile())) {
      return jar.stream()
          .filter(entry -> !entry.isDirectory())
          .map(entry -> entry.getName())
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  private static ModuleDescriptor module(String classifier) {
    var modules = ModuleFinder.of(jar(classifier)).findAll();
    assertEquals(1, modules.size(), classifier);
    return modules.iterator().next().descriptor();
  }

  private static void assertProvides(String classifier, String name) throws IOException {
    ModuleDescriptor module = module(classifier);
    assertEquals(name, module.name());
    assertTrue(files(classifier).contains("META-INF/LICENSE"));
    assertTrue(module.isOpen() && !module.isAutomatic(), name);
    var provided = module.provides().stream().map(ModuleDescriptor.Provides::service).toList();
    assertEquals(List.of("starling.CompanionJar"), provided);
  }

  @Test
  void everyJarThatWasAskedForIsThere() {
    assertTrue(EXPECTED.contains("main"), "starling.artifacts is " + EXPECTED);
    for (String classifier : EXPECTED) {
      assertTrue(Files.isRegularFile(jar(classifier)), jar(classifier) + " is there");
    }
  }

  @Test
  void theMainJarIsTheProgramAndNothingElse() throws IOException {
    Set<String> files = files("main");
    var allowed =
        "module-info\\.class|META-INF/(MANIFEST\\.MF|LICENSE|maven/.*/pom\\.(xml|properties))"
            + "|starling/.*\\.class|starling/cli/report\\.html|starling/server/index\\.html|starling/bench/(commit|kernel-work\\.csv)";
    assertEquals(Set.of(), without(files, allowed));
    assertEquals(Set.of(), matching(files, "starling/(demo|native|natives)/.*|.*(Test|Golden).*"));
    for (String file :
        List.of(
            "module-info.class",
            "META-INF/LICENSE",
            "starling/Model.class",
            "starling/cli/report.html")) {
      assertTrue(files.contains(file), file);
    }
    long size = Files.size(jar("main"));
    assertTrue(size < 1_500_000, "an embedder's jar is small: " + size + " bytes");
    ModuleDescriptor module = module("main");
    assertEquals("starling", module.name());
    assertFalse(module.isAutomatic());
  }

  @Test
  void theDemosJarHasItsFilesAsTheyAre() throws IOException {
    assertProvides("demo", "starling.demo");
    Path root = Checkout.path("src/demo/resources");
    try (var walked = Files.walk(root);
        var jar = new JarFile(jar("demo").toFile())) {
      for (Path file : walked.filter(Files::isRegularFile).toList()) {
        String name = root.relativize(file).toString();
        var entry = jar.getJarEntry(name);
        assertTrue(entry != null, name);
        try (var in = jar.getInputStream(entry)) {
          assertTrue(Arrays.equals(Files.readAllBytes(file), in.readAllBytes()), name);
        }
      }
    }
    String others =
        "starling/demo/(README\\.md|questions\\.jsonl|model/.*|pictures/.*\\.png|DemoJar\\.class)"
            + "|module-info\\.class|META-INF/.*";
    assertEquals(Set.of(), without(files("demo"), others));
  }

  @Test
  void theKernelsJarHasBothLibraries() throws IOException {
    if (EXPECTED.contains("linux-x86_64")) {
      assertProvides("linux-x86_64", "starling.natives");
      String folder = "starling/native/linux-x86_64/";
      assertEquals(
          Set.of(folder + "libstarling_cuda.so", folder + "libstarling_host.so"),
          matching(files("linux-x86_64"), ".*/native/.*"));
    }
  }

  @Test
  void sourcesAndDocumentationAreOfWhatIsExported() throws IOException {
    if (EXPECTED.contains("sources")) {
      Set<String> sources = files("sources");
      for (String type : classes()) {
        assertTrue(sources.contains(type + ".java"), type);
      }
      assertEquals(Set.of(), matching(sources, "starling/demo/.*"));
    }
    if (EXPECTED.contains("javadoc")) {
      Set<String> pages = files("javadoc");
      for (var exported : module("main").exports()) {
        String page = "starling/" + exported.source().replace('.', '/') + "/package-summary.html";
        assertTrue(pages.contains(page), page);
      }
      assertTrue(pages.contains("starling/module-summary.html"));
      assertEquals(Set.of(), matching(pages, "starling/starling/cli/.*"));
    }
  }

  private static Set<String> classes() throws IOException {
    return matching(files("main"), "[^$]*\\.class").stream()
        .map(name -> name.replace(".class", ""))
        .collect(Collectors.toSet());
  }

  /** What Maven Central asks for, and that Jackson alone comes along. */
  @Test
  void thePomIsCompleteAndBringsOneLibrary() {
    for (String field :
        List.of(
            "name",
            "description",
            "url",
            "licenses/license/name",
            "licenses/license/url",
            "developers/developer/name",
            "developers/developer/organization",
            "developers/developer/organizationUrl",
            "scm/connection",
            "scm/developerConnection",
            "scm/url")) {
      assertFalse(pom("/project/" + field).isEmpty(), field);
    }
    assertFalse(pom("/project/version").endsWith("-SNAPSHOT"));
    String come = "/project/dependencies/dependency[not(optional) and not(scope)]";
    assertEquals("1", pom("count(" + come + ")"));
    assertEquals("jackson-databind", pom(come + "/artifactId"));
    assertEquals("0", pom("count(/project/repositories | /project/pluginRepositories)"));
  }

  private static Set<String> matching(Set<String> names, String pattern) {
    return names.stream().filter(name -> name.matches(pattern)).collect(Collectors.toSet());
  }

  private static Set<String> without(Set<String> names, String pattern) {
    return names.stream().filter(name -> !name.matches(pattern)).collect(Collectors.toSet());
  }
}
