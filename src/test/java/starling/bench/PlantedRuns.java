package starling.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Work;
import starling.device.DType;

/** Rows with planted times or counters, and files of them as {@code bench kernels} writes them. */
abstract class PlantedRuns {
  static final Map<String, Object> MACHINE =
      Map.of(
          "device",
          "cuda",
          "card",
          "X",
          "uuid",
          "GPU-1",
          "architecture",
          "9.0",
          "multiprocessors",
          132,
          "l2_bytes",
          1 << 20);

  @TempDir Path dir;
  final Random random = new Random(3);

  /** Times as kernels have them: a floor, noise above it, now and then a long one. */
  double[] noisy(double micros, double noise) {
    double[] samples = new double[60];
    for (int i = 0; i < samples.length; i++) {
      double x = micros * (1 + noise * Math.abs(random.nextGaussian()));
      samples[i] = random.nextInt(30) == 0 ? 5 * x : x;
    }
    return samples;
  }

  /** Five rounds, each at a speed of its own. */
  double[][] rounds(double micros, double... speeds) {
    double[][] rounds = new double[speeds.length][];
    for (int r = 0; r < speeds.length; r++) {
      rounds[r] = noisy(micros * speeds[r], 0.02);
    }
    return rounds;
  }

  double[] shuffled(double[][] rounds) {
    var all = new ArrayList<Double>();
    Arrays.stream(new Samples(rounds).micros()).forEach(all::add);
    Collections.shuffle(all, random);
    return all.stream().mapToDouble(x -> x).toArray();
  }

  static Row row(int n, CacheState cache, double[]... samples) {
    return new Row(
        "rmsnorm",
        Map.of("T", n),
        DType.BF16,
        cache,
        new Samples(samples),
        Double.NaN,
        1000,
        0,
        50,
        "bytes",
        0,
        "precision 0.04 reached",
        null,
        null,
        null,
        null);
  }

  static Row counted(long launches, long blocks, long read, long flops) {
    return counted(Map.of("T", 40), launches, blocks, read, flops);
  }

  static Row counted(
      Map<String, Integer> sizes, long launches, long blocks, long read, long flops) {
    var work = new Work(launches, blocks, read, 4096, flops, 120, List.of("gemm"));
    return new Row(
        "gemm",
        sizes,
        DType.BF16,
        CacheState.COUNTED,
        null,
        Double.NaN,
        1000,
        0,
        Double.NaN,
        "",
        0,
        null,
        work,
        null,
        null,
        null);
  }

  Path file(String name, Map<String, Object> machine, List<Row> rows) throws IOException {
    Path file = dir.resolve(name);
    new ObjectMapper()
        .writeValue(file.toFile(), new KernelReport(machine, null, null, List.of(), rows).json());
    return file;
  }

  Path file(String name, double control, double[]... samples) throws IOException {
    Path file = dir.resolve(name);
    var same = new Samples(rounds(control, 1, 1, 1));
    var report =
        new KernelReport(MACHINE, null, same, List.of(), List.of(row(1, CacheState.COLD, samples)));
    new ObjectMapper().writeValue(file.toFile(), report.json());
    return file;
  }

  Comparison compare(List<Row> a, List<Row> b) throws IOException {
    return Compare.files(file("a.json", MACHINE, a), file("b.json", MACHINE, b), false);
  }
}
