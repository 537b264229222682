package starling.cpu;

import java.math.BigDecimal;

/**
 * Whether multiplying and adding in one step is an instruction here. Where the processor has none,
 * or {@code -XX:-UseFMA} keeps it from being used, {@link Math#fma} and the Vector API's compute
 * the same by {@link BigDecimal}, some thousand times slower.
 */
final class Fma {
  static final boolean FAST = isFast();

  private static final int CALLS = 4;
  private static final int ROUNDS = 5;

  private Fma() {}

  /** Timed beside the slow way, since a flag of the JVM can be asked for only in some of them. */
  private static boolean isFast() {
    long fused = Long.MAX_VALUE;
    long slow = Long.MAX_VALUE;
    float a = 1.25f;
    float b = 1.25f;
    float c = a / 4;
    for (int round = 0; round < ROUNDS; round++) {
      long start = System.nanoTime();
      for (int i = 0; i < CALLS; i++) {
        a = Math.fma(a, 0.75f, c);
      }
      long middle = System.nanoTime();
      for (int i = 0; i < CALLS; i++) {
        b = new BigDecimal((double) b * 0.75f).add(new BigDecimal(c)).floatValue();
      }
      fused = Math.min(fused, middle - start);
      slow = Math.min(slow, System.nanoTime() - middle);
    }
    return a == b && fused < slow / 4;
  }
}
