package starling.guide;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/** Runs tests in a process of their own and prints what failed. */
final class RunTests {
  private RunTests() {}

  /**
   * @param args names of test classes with their packages, or of methods by how they begin: {@code
   *     a.BTest#methods*}
   */
  public static void main(String[] args) {
    List<DiscoverySelector> selected = new ArrayList<>();
    for (String arg : args) {
      String[] parts = arg.split("[#*]", -1);
      Class<?> type = named(parts[0]);
      if (parts.length == 1) {
        selected.add(DiscoverySelectors.selectClass(type));
      } else {
        for (Method method : type.getDeclaredMethods()) {
          if (method.getName().startsWith(parts[1])) {
            selected.add(DiscoverySelectors.selectMethod(type, method));
          }
        }
      }
    }
    var summary = new SummaryGeneratingListener();
    LauncherFactory.create()
        .execute(LauncherDiscoveryRequestBuilder.request().selectors(selected).build(), summary);
    for (var failure : summary.getSummary().getFailures()) {
      System.out.println(
          failure.getTestIdentifier().getDisplayName() + ": " + failure.getException());
    }
    long passed = summary.getSummary().getTestsSucceededCount();
    System.out.println(passed + " tests passed");
    System.exit(passed > 0 && summary.getSummary().getTotalFailureCount() == 0 ? 0 : 1);
  }

  private static Class<?> named(String test) {
    try {
      return Class.forName(test);
    } catch (ClassNotFoundException e) {
      throw new IllegalArgumentException("there is no such test: " + test, e);
    }
  }
}
