package starling.guide;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;

/** Runs test classes in a process of their own, by their simple names, and prints what failed. */
final class RunTests {
  private RunTests() {}

  /**
   * @param args the names of test classes with their packages
   */
  public static void main(String[] args) {
    List<DiscoverySelector> classes = new ArrayList<>();
    for (String name : args) {
      classes.add(DiscoverySelectors.selectClass(name));
    }
    var summary = new SummaryGeneratingListener();
    LauncherFactory.create()
        .execute(LauncherDiscoveryRequestBuilder.request().selectors(classes).build(), summary);
    for (var failure : summary.getSummary().getFailures()) {
      System.out.println(
          failure.getTestIdentifier().getDisplayName() + ": " + failure.getException());
    }
    System.out.println(summary.getSummary().getTestsSucceededCount() + " tests passed");
    summary.getSummary().printTo(new PrintWriter(System.err, true));
    System.exit(summary.getSummary().getTotalFailureCount() == 0 ? 0 : 1);
  }
}
