package starling.guide;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.guide.CopiedTree.Ended;

/**
 * Follows the lists of the guide for contributors, in a copy of this checkout: with every step all
 * of it compiles and the named tests pass; without any one of them the guide says what tells.
 */
class GuideTest {
  private static final List<String> LISTS =
      List.of("Add a method", "Add a family", "Add a weight format");

  @TempDir Path dir;

  private static String guide() throws Exception {
    return Files.readString(Path.of(".github/CONTRIBUTING.md"));
  }

  @Test
  void withEveryStepAllCompilesAndTheNamedTestsPass() throws Exception {
    CopiedTree tree = CopiedTree.in(dir.resolve("tree"));
    Set<String> tests = new LinkedHashSet<>();
    for (String list : LISTS) {
      for (Step step : Step.of(guide(), list)) {
        follow(step, tree);
      }
      tests.addAll(Step.tests(guide(), list));
    }
    Path classes = dir.resolve("target/classes");
    Path testClasses = dir.resolve("target/test-classes");
    Ended compiled = tree.compileAll(classes, testClasses);
    assertTrue(compiled.well(), compiled.said());
    Ended tested = tree.test(tests, classes, testClasses);
    assertTrue(tested.well(), tested.said());
  }

  private static void follow(Step step, CopiedTree tree) throws Exception {
    if (step.command() == null) {
      step.apply(tree.dir());
    } else {
      Ended ended = tree.run(List.of("bash", "-c", step.command()));
      assertTrue(ended.well(), ended.said());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"Add a method", "Add a family", "Add a weight format"})
  void whoeverForgetsAStepIsTold(String list) throws Exception {
    List<Step> steps = Step.of(guide(), list);
    CopiedTree tree = CopiedTree.in(dir.resolve("tree"));
    for (Step forgotten : steps) {
      Set<Path> touched = new LinkedHashSet<>();
      for (Step step : steps) {
        if (step.path() != null) {
          tree.restore(step.path());
        }
      }
      for (Step step : steps) {
        if (step != forgotten) {
          follow(step, tree);
        }
        if (step.path() != null && Files.exists(tree.dir().resolve(step.path()))) {
          touched.add(step.path());
        }
      }
      Path classes = dir.resolve("without " + forgotten.number());
      Ended compiled = tree.compile(touched, classes);
      Ended ended =
          forgotten.teller() == null || !compiled.well()
              ? compiled
              : tree.test(List.of(forgotten.teller()), classes);
      String what = list + ", without " + forgotten + ": " + ended.said();
      assertFalse(ended.well(), what);
      assertTrue(ended.said().contains(forgotten.told()), what);
    }
  }
}
