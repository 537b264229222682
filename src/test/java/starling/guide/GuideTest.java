package starling.guide;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import starling.Checkout;
import starling.cuda.Native;
import starling.guide.CopiedTree.Ended;

/**
 * Follows the lists of the guide for contributors, in a copy of this checkout: with every step all
 * of it compiles and the named tests pass; without any one of them the guide says what tells.
 */
class GuideTest {
  @TempDir Path dir;

  private static String guide() throws IOException {
    return Files.readString(Checkout.path(".github/CONTRIBUTING.md"));
  }

  static List<String> lists() {
    return List.of("Add a method", "Add an operator", "Add a family", "Add a weight format");
  }

  @Test
  void withEveryStepAllCompilesAndTheNamedTestsPass() throws Exception {
    CopiedTree tree = CopiedTree.in(dir);
    Set<String> tests = new LinkedHashSet<>();
    for (String list : lists()) {
      for (Step step : Step.of(guide(), list)) {
        follow(step, tree);
      }
      tests.addAll(Step.tests(guide(), list));
    }
    Ended compiled = tree.compileAll();
    assertTrue(compiled.well(), compiled.said());
    tree.linkKernels();
    Ended tested = tree.test(tests);
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
  @MethodSource("lists")
  void whoeverForgetsAStepIsTold(String list) throws Exception {
    List<Step> steps = Step.of(guide(), list);
    assertFalse(steps.isEmpty());
    CopiedTree tree = CopiedTree.in(dir);
    for (Step forgotten : steps) {
      boolean kernel = forgotten.path() != null && forgotten.path().startsWith("kernels");
      if (kernel && forgotten.example() != null && !Files.exists(Native.HOST)) {
        continue; // only a library tells
      }
      Ended ended = without(forgotten, steps, tree);
      String what = list + ", without " + forgotten + ": " + ended.said();
      assertFalse(ended.well(), what);
      assertTrue(ended.said().contains(forgotten.told()), what);
    }
  }

  /** What javac says, or else the test that the guide names. */
  private static Ended without(Step forgotten, List<Step> steps, CopiedTree tree) throws Exception {
    Set<Path> touched = new LinkedHashSet<>();
    for (Step step : steps) {
      if (step.path() != null) {
        tree.restore(step.path());
        touched.add(step.path());
      }
    }
    tree.restoreBindings();
    for (Step step : steps) {
      if (!step.equals(forgotten)) {
        follow(step, tree);
      }
    }
    touched.removeIf(path -> !Files.exists(tree.dir().resolve(path)));
    Ended compiled = tree.compile(touched);
    if (forgotten.teller() == null || !compiled.well()) {
      return compiled;
    }
    tree.linkKernels();
    return tree.test(List.of(forgotten.teller()));
  }
}
