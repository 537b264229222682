package starling;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleNameStartingWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Imports go one way. */
class ArchitectureTest {
  /** What each package may use besides itself. */
  private static final Map<String, List<String>> MAY_USE = new LinkedHashMap<>();

  static {
    MAY_USE.put("starling.input", List.of());
    MAY_USE.put("starling.device", List.of("starling.input"));
    MAY_USE.put(
        "starling.checkpoint", List.of("starling.input", "starling.device", "starling.image"));
    MAY_USE.put("starling.text", List.of("starling.input", "starling.device"));
    MAY_USE.put("starling.image", List.of("starling.input", "starling.device"));
    MAY_USE.put("starling.cpu", List.of("starling.input", "starling.device"));
    MAY_USE.put("starling.foreign", List.of());
    MAY_USE.put("starling.nvidia.cublaslt", List.of());
    MAY_USE.put("starling.nvidia.cudnn", List.of());
    MAY_USE.put(
        "starling.nvidia",
        List.of(
            "starling.input",
            "starling.device",
            "starling.foreign",
            "starling.nvidia.cublaslt",
            "starling.nvidia.cudnn"));
    MAY_USE.put("starling.cuda.abi", List.of("starling.foreign"));
    MAY_USE.put(
        "starling.cuda",
        List.of(
            "starling.input",
            "starling.device",
            "starling.foreign",
            "starling.nvidia",
            "starling.cuda.abi"));
    MAY_USE.put(
        "starling.jcuda",
        List.of("starling.input", "starling.device", "starling.nvidia", "starling.cuda"));
    MAY_USE.put("starling.prune", List.of("starling.input", "starling.device"));
    MAY_USE.put(
        "starling.model",
        List.of(
            "starling.input",
            "starling.device",
            "starling.prune",
            "starling.checkpoint",
            "starling.text",
            "starling.image"));
    MAY_USE.put(
        "starling",
        List.of(
            "starling.input",
            "starling.device",
            "starling.prune",
            "starling.model",
            "starling.checkpoint",
            "starling.text",
            "starling.image",
            "starling.cpu",
            "starling.cuda"));
    MAY_USE.put(
        "starling.langchain4j",
        List.of(
            "starling", "starling.input", "starling.device", "starling.prune", "starling.image"));
    MAY_USE.put(
        "starling.bench",
        List.of(
            "starling",
            "starling.input",
            "starling.device",
            "starling.model",
            "starling.image",
            "starling.cpu",
            "starling.cuda",
            "starling.jcuda"));
    MAY_USE.put(
        "starling.server",
        List.of(
            "starling", "starling.input", "starling.device", "starling.model", "starling.image"));
    MAY_USE.put(
        "starling.cli",
        List.of(
            "starling",
            "starling.bench",
            "starling.server",
            "starling.jcuda",
            "starling.input",
            "starling.device",
            "starling.prune",
            "starling.model",
            "starling.checkpoint",
            "starling.text",
            "starling.image"));
  }

  /** Each family of models stands on the shared code and under the root, which lists it. */
  private static final List<String> FAMILIES =
      List.of("starling.model.llava", "starling.model.next", "starling.model.qwen");

  static {
    List<String> below = new ArrayList<>(MAY_USE.get("starling.model"));
    below.add("starling.model");
    FAMILIES.forEach(family -> MAY_USE.put(family, below));
    MAY_USE.computeIfPresent(
        "starling", (root, uses) -> Stream.concat(uses.stream(), FAMILIES.stream()).toList());
  }

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("starling");

  @Test
  void everyPackageUsesOnlyWhatStandsBelowIt() {
    for (var entry : MAY_USE.entrySet()) {
      var forbidden = new TreeSet<>(MAY_USE.keySet());
      forbidden.remove(entry.getKey());
      forbidden.removeAll(entry.getValue());
      if (!forbidden.isEmpty()) {
        noClasses()
            .that(resideInAnyPackage(entry.getKey()))
            .should()
            .dependOnClassesThat(resideInAnyPackage(forbidden.toArray(String[]::new)))
            .check(CLASSES);
      }
    }
  }

  @Test
  void everyPackageIsInTheTable() {
    for (var javaClass : CLASSES) {
      if (!MAY_USE.containsKey(javaClass.getPackageName())) {
        throw new AssertionError(javaClass.getName() + " is in a package without rules");
      }
    }
  }

  /** A family is used by the list of families and by nobody else: it can be taken out or added. */
  @Test
  void sharedCodeNamesNoFamily() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName("starling.Families")
        .and()
        .resideOutsideOfPackage("starling.model.*")
        .and()
        .haveSimpleNameNotStartingWith("Llava")
        .should()
        .dependOnClassesThat(resideInAnyPackage("starling.model.*"))
        .orShould()
        .dependOnClassesThat(simpleNameStartingWith("Llava"))
        .check(CLASSES);
    assertTrue(
        CLASSES.stream().anyMatch(c -> c.getPackageName().equals("starling.model.llava")),
        "the rule is about something");
  }

  @Test
  void onlyTheCommandLineUsesWhatIsOptional() {
    noClasses()
        .that()
        .resideOutsideOfPackage("starling.cli")
        .should()
        .dependOnClassesThat(resideInAnyPackage("picocli..", "me.tongfei.."))
        .check(CLASSES);
  }

  @Test
  void onlyTheServerUsesTheLibrariesOfTheServer() {
    noClasses()
        .that()
        .resideOutsideOfPackage("starling.server")
        .should()
        .dependOnClassesThat(resideInAnyPackage("io.helidon..", "io.prometheus.."))
        .check(CLASSES);
  }

  @Test
  void jcudaIsUsedInItsPackageAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackage("starling.jcuda")
        .should()
        .dependOnClassesThat(resideInAnyPackage("jcuda.."))
        .check(CLASSES);
  }

  @Test
  void langchain4jIsUsedInItsPackageAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackage("starling.langchain4j")
        .should()
        .dependOnClassesThat(resideInAnyPackage("dev.langchain4j.."))
        .check(CLASSES);
  }

  @Test
  void theVectorModuleIsNamedInFourClasses() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName("starling.cpu.VectorLanes")
        .and()
        .doNotHaveFullyQualifiedName("starling.cpu.VectorTiles")
        .and()
        .doNotHaveFullyQualifiedName("starling.cpu.VectorProducts")
        .and()
        .doNotHaveFullyQualifiedName("starling.cpu.UnfusedLanes")
        .should()
        .dependOnClassesThat(resideInAnyPackage("jdk.incubator.."))
        .check(CLASSES);
  }

  @Test
  void anEmbedderGetsJacksonAndNothingElse() throws Exception {
    var pom =
        javax.xml.parsers.DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(Checkout.path("pom.xml").toFile());
    var dependencies = pom.getDocumentElement();
    var xpath = javax.xml.xpath.XPathFactory.newInstance().newXPath();
    var names =
        (org.w3c.dom.NodeList)
            xpath.evaluate(
                "/project/dependencies/dependency[not(scope='test') and not(optional='true')]/artifactId",
                dependencies,
                javax.xml.xpath.XPathConstants.NODESET);
    assertEquals(1, names.getLength());
    assertEquals("jackson-databind", names.item(0).getTextContent());
  }

  /** In any order. */
  @Test
  void thePageSaysWhoMayImportWhom() {
    String page = Pages.read(Pages.FOLDER.resolve("architecture.md"));
    var said = new TreeMap<String, Set<String>>();
    Pattern row =
        Pattern.compile(
            "(?m)^\\| `(starling[\\w.]*)` \\| ((?:`[\\w.]+`(?:, )?)*|nothing of ours) \\|$");
    for (MatchResult m : row.matcher(page).results().toList()) {
      var names = Pattern.compile("`([\\w.]+)`").matcher(m.group(2)).results();
      said.put(
          m.group(1), names.map(n -> n.group(1)).collect(Collectors.toCollection(TreeSet::new)));
    }
    var held = new TreeMap<String, Set<String>>();
    MAY_USE.forEach((name, uses) -> held.put(name, new TreeSet<>(uses)));
    assertEquals(held, said);
  }
}
