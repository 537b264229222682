package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Demo;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Philox;
import starling.device.Sampling;
import starling.prune.Methods;

/** Tokens as they are drawn: with which number, by how many threads, out of how much memory. */
class GenerationTest {
  private static final int[] IDS = {1, 266, 446, 297, 398, 288, 262, 322, 447, 275, 446};

  @Test
  void theNumberOfThreadsChangesNoBit() {
    List<float[]> logits = new ArrayList<>();
    for (int threads : new int[] {1, 2, 3}) {
      logits.add(onDevice(CpuDevice.open(threads), llava -> {}));
    }
    assertTrue(Arrays.equals(logits.get(0), logits.get(1)));
    assertTrue(Arrays.equals(logits.get(0), logits.get(2)));
  }

  /**
   * Token i is drawn with the Philox number of step i: the first as well as the second. The draw is
   * made once more here, from the logits, by walking along the probabilities.
   */
  @Test
  void everyTokenIsDrawnWithTheNumberOfItsOwnStep() {
    var sampling = new Sampling(3, 0, 1, 77);
    var steps = new HashSet<Integer>();
    int[] step = {0};
    onDevice(
        CpuDevice.open(1),
        sampling,
        (token, logits) -> {
          assertEquals(walk(logits, sampling, step[0]), token, "token " + step[0]);
          if (step[0] > 0 && walk(logits, sampling, step[0] - 1) != token) {
            steps.add(step[0]);
          }
          step[0]++;
        });
    assertTrue(steps.size() >= 8, "elsewhere the step before would draw the same: " + steps);
  }

  /** The largest logit of each step, with those of prompt and answer divided or multiplied. */
  @Test
  void whatPromptAndAnswerHoldIsPenalized() {
    for (float penalty : new float[] {1.3f, 50}) {
      var before = new HashSet<Integer>();
      IntStream.of(IDS).forEach(before::add);
      var otherwise = new ArrayList<Integer>();
      onDevice(
          CpuDevice.open(1),
          Sampling.GREEDY.penalizing(penalty),
          (token, logits) -> {
            float[] penalized = logits.clone();
            for (int id : before) {
              penalized[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
            }
            assertEquals(best(penalized), token);
            otherwise.add(best(logits) == token ? 0 : 1);
            before.add(token);
          });
      assertTrue(otherwise.contains(1), "elsewhere nothing is seen of " + penalty);
    }
  }

  private static int best(float[] logits) {
    return IntStream.range(0, logits.length)
        .reduce(0, (best, v) -> logits[v] > logits[best] ? v : best);
  }

  private static int walk(float[] logits, Sampling sampling, int step) {
    Integer[] order = IntStream.range(0, logits.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (a, b) -> Float.compare(logits[b], logits[a]));
    int[] words = new int[4];
    Philox.block(sampling.seed(), step, 0, words);
    double uniform =
        (Integer.toUnsignedLong(words[1]) + Integer.toUnsignedLong(words[0]) * 0x1p-32) * 0x1p-32;
    double total = 0;
    for (float logit : logits) {
      total += Math.exp((logit - logits[order[0]]) / sampling.temperature());
    }
    double seen = 0;
    for (int id : order) {
      seen += Math.exp((logits[id] - logits[order[0]]) / sampling.temperature()) / total;
      if (seen > uniform) {
        return id;
      }
    }
    throw new AssertionError("the probabilities do not add up to " + uniform);
  }

  private interface Use {
    void on(Generation generation);
  }

  private interface Tokens {
    void drawn(int token, float[] logits);
  }

  /** Tells {@code tokens} of the first sixteen tokens and the logits they were drawn from. */
  private static void onDevice(CpuDevice opened, Sampling sampling, Tokens tokens) {
    prefilled(
        opened,
        sampling,
        generation -> {
          for (int i = 0; i < 16; i++) {
            int token = generation.next();
            tokens.drawn(token, generation.logits());
          }
        });
  }

  /** Runs a short prompt without an image, then {@code use}; returns the first logits. */
  private static float[] onDevice(CpuDevice opened, Use use) {
    float[][] first = new float[1][];
    prefilled(
        opened,
        Sampling.GREEDY,
        generation -> {
          generation.next();
          first[0] = generation.logits();
          use.on(generation);
        });
    return first[0];
  }

  private static void prefilled(CpuDevice opened, Sampling sampling, Use use) {
    VisionLanguageModel config = Families.read(Demo.MODEL);
    var request =
        new Request(
            IDS.clone(),
            List.of(),
            Methods.parse("none"),
            Mode.COMPACT,
            sampling,
            600,
            (p, d, o) -> {});
    try (var device = opened;
        var files = Safetensors.open(Demo.MODEL);
        var llava = new LoadedModel(device, config, config.weights(files), DType.F32);
        var generation = llava.prefill(request)) {
      use.on(generation);
    }
  }

  /**
   * In processes of their own, the best of eight: in some (two of six tried) the compiler keeps
   * boxing a few vectors (24 KB a token were seen), whatever the code. An allocation of ours would
   * be in all of them.
   */
  @Test
  @Tag("slow")
  void aDecodedTokenAllocatesNothing(@TempDir Path dir) throws Exception {
    double least = Double.MAX_VALUE;
    for (int process = 0; process < 8 && least > 0; process++) {
      Path out = dir.resolve("out" + process);
      var java =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--add-modules",
                  "jdk.incubator.vector",
                  "-cp",
                  System.getProperty("java.class.path"),
                  "starling.model.GenerationTest")
              .redirectOutput(out.toFile())
              .redirectError(ProcessBuilder.Redirect.DISCARD);
      assertEquals(0, java.start().waitFor());
      least = Math.min(least, Double.parseDouble(Files.readString(out).strip()));
    }
    assertEquals(0, least, "bytes per token");
  }

  /** Prints the fewest bytes that a token took among rounds of 100 tokens. */
  public static void main(String[] args) {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long[] least = {Long.MAX_VALUE};
    for (int answer = 0; answer < 8 && least[0] > 0; answer++) {
      onDevice(
          CpuDevice.open(1),
          generation -> {
            for (int round = 0; round < 5; round++) {
              long before = threads.getCurrentThreadAllocatedBytes();
              for (int i = 0; i < 100; i++) {
                generation.next();
              }
              least[0] = Math.min(least[0], threads.getCurrentThreadAllocatedBytes() - before);
            }
          });
    }
    System.out.println(least[0] / 100.0);
  }
}
