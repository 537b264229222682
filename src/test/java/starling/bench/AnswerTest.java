package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import starling.device.DType;

/**
 * What an answer of LLaVA-1.5-7B moves and computes in all, told by hand from the model's sizes.
 */
class AnswerTest {
  // The tower: 23 blocks of 577 rows of 1024 in 16 heads of 64, 4096 wide inside; 24 x 24 patches.
  private static final long B = 23;
  private static final long P = 576;
  private static final long R = 577;
  private static final long W = 1024;
  private static final long I = 4096;

  // The decoder: 32 layers of rows of 4096 in 32 heads of 128, 11008 wide inside.
  private static final long L = 32;
  private static final long T = 576 + 60;
  private static final long D = 4096;
  private static final long M = 11008;
  private static final long V = 32064;

  private static long flops(List<Answer.Step> steps) {
    return steps.stream().mapToLong(s -> s.count() * s.of().flops()).sum();
  }

  private static long bytes(List<Answer.Step> steps) {
    return steps.stream().mapToLong(s -> s.count() * s.of().bytes()).sum();
  }

  /** Elements of x, the weights and y. */
  private static long product(long rows, long in, long out) {
    return rows * in + out * in + rows * out;
  }

  /** Gate and up are twice the weights. */
  private static long gated(long rows) {
    return product(rows, D, M) + M * D;
  }

  /** With the residual. */
  private static long added(long rows, long in, long out) {
    return product(rows, in, out) + rows * out;
  }

  @Test
  void prefillComputesEveryProductOfTheModel() {
    long tower = 2 * R * W * (3 * W) + 4 * R * R * W + 2 * R * W * W + 2 * (2 * R * W * I);
    long projector = 2 * P * W * D + 2 * P * D * D;
    long attention = 4 * (T * (T + 1) / 2) * D;
    long layer = 2 * T * D * (3 * D) + attention + 2 * T * D * D + 3 * (2 * T * D * M);
    assertEquals(
        2 * P * (3 * 14 * 14) * W + B * tower + projector + L * layer + 2 * D * V,
        flops(Answer.prefill()));
  }

  @Test
  void aTokenComputesTheSameOfOneRow() {
    long attention = 4 * (T + 1) * D + 2 * D * D;
    assertEquals(
        L * (2 * D * (3 * D) + attention + 3 * (2 * D * M)) + 2 * D * V, flops(Answer.token()));
  }

  /** Elements are of two bytes, but for what is always f32 or i32, of four. */
  @Test
  void prefillMovesEveryTensorOfTheModel() {
    long images = 3 * 336 * 336;
    long texts = 3 * (2 * 60 * D);
    long tower =
        product(R, W, 3 * W) + 4 * R * W + added(R, W, W) + product(R, W, I) + added(R, I, W);
    long projector = product(P, W, D) + product(P, D, D);
    long rope = 2 * T * (3 * D);
    long layer =
        product(T, D, 3 * D) + rope + 4 * T * D + added(T, D, D) + gated(T) + added(T, M, D);
    long elements =
        images
            + texts
            + product(P, 3 * 14 * 14, W)
            + 2 * (R + 1) * W
            + R * W
            + B * tower
            + projector
            + T * D
            + L * layer
            + product(1, D, V);
    long sums = B * 16 * R + L * 32 * T;
    long angles = L * T * (128 + 1);
    long statistics = R * 2 * (W / 64) + T * 2 * (D / 64);
    long words = images + 3 * 60 + statistics + sums + angles + V + 5;
    assertEquals(2 * elements + 4 * words, bytes(Answer.prefill()));
  }

  @Test
  void aTokenMovesTheWeightsAndTheCaches() {
    long attention = 2 * (T + 1) * D + D * D + 3 * D + 2 * D;
    long layer = product(1, D, 3 * D) + attention + gated(1) + added(1, M, D);
    long elements = 2 * D + L * layer + product(1, D, V);
    long words = 1 + V + 5 + L * 11;
    assertEquals(2 * elements + 4 * words, bytes(Answer.token()));
  }

  /** Sizes that no figure depends on. */
  @Test
  void stepsAreOfTheModelsTypeAndTable() {
    for (List<Answer.Step> steps : List.of(Answer.prefill(), Answer.token())) {
      for (Answer.Step s : steps) {
        assertEquals(s.of().operator().name(), s.of().name());
        assertEquals(s.of().operator().typed() ? DType.BF16 : DType.F32, s.of().dtype());
      }
      assertEquals(Set.of(32064), sizes(steps, "embed", "V"));
    }
    assertEquals(Set.of(14), sizes(Answer.prefill(), "patchify", "patch"));
  }

  private static Set<Integer> sizes(List<Answer.Step> steps, String operator, String axis) {
    return steps.stream()
        .filter(s -> s.of().name().equals(operator))
        .map(s -> s.of().sizes().get(axis))
        .collect(Collectors.toSet());
  }
}
