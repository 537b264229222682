package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.function.Executable;
import starling.input.InputException;

/** What a refusal costs the thread that asks: processor time, and every byte it allocates. */
public final class Cost {
  private static final ThreadMXBean THREAD = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private Cost() {}

  /** Asserts one sentence with the given parts, within 5 seconds and {@code mostMegabytes}. */
  public static void ofRefusal(int mostMegabytes, Executable act, String... parts) {
    long time = THREAD.getCurrentThreadCpuTime();
    long bytes = THREAD.getCurrentThreadAllocatedBytes();
    String sentence = assertThrows(InputException.class, act).getMessage();
    long seconds = (THREAD.getCurrentThreadCpuTime() - time) / 1_000_000_000;
    long megabytes = (THREAD.getCurrentThreadAllocatedBytes() - bytes) >> 20;
    assertEquals(1, sentence.lines().count(), sentence);
    for (String part : parts) {
      assertTrue(sentence.contains(part), sentence + " lacks " + part);
    }
    assertTrue(seconds < 5, seconds + " s: " + sentence);
    assertTrue(megabytes <= mostMegabytes, megabytes + " MB: " + sentence);
  }
}
