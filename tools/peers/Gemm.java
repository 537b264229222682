import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import starling.cpu.CpuDevice;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Linear;
import starling.device.Stored;
import starling.device.Tensor;

/**
 * Our gemm beside OpenBLAS's sgemm: one process, one thread, taken in turn, results checked first. Work per second of
 * CPU time, since wall time on a shared machine says little.
 */
void main(String[] args) throws Throwable {
  int[][] shapes = {{640, 4096, 4096}, {577, 1024, 4096}, {64, 4096, 4096}};
  int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 7;
  MethodHandle sgemm = openBlas(Path.of(args[0]));
  IO.println(String.format("%-16s %-5s %9s %9s %7s %10s", "m x n x k", "type", "ours", "OpenBLAS", "ratio", "max error"));
  for (int[] s : shapes) {
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      row(sgemm, s[0], s[1], s[2], type, rounds);
    }
  }
  IO.println("GFLOP per CPU-second at one thread, medians of " + rounds + "; weights stored as named, activations f32;");
  IO.println("OpenBLAS always works on f32; the error is the largest difference to it, in units of sum|w·x|·2^-24.");
}

MethodHandle openBlas(Path library) throws Throwable {
  Linker linker = Linker.nativeLinker();
  SymbolLookup lookup = SymbolLookup.libraryLookup(library, Arena.global());
  var threads = linker.downcallHandle(lookup.findOrThrow("openblas_set_num_threads"), FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT));
  threads.invoke(1);
  var i = ValueLayout.JAVA_INT;
  var f = ValueLayout.JAVA_FLOAT;
  var p = ValueLayout.ADDRESS;
  return linker.downcallHandle(
      lookup.findOrThrow("cblas_sgemm"), FunctionDescriptor.ofVoid(i, i, i, i, i, i, f, p, i, p, i, f, p, i));
}

void row(MethodHandle sgemm, int m, int n, int k, DType type, int rounds) throws Throwable {
  var random = new Random(1);
  try (var device = CpuDevice.open(1); var arena = device.arena("bench"); var foreign = Arena.ofConfined()) {
    float[] weights = new float[n * k];
    for (int j = 0; j < weights.length; j++) {
      weights[j] = (float) (random.nextGaussian() / Math.sqrt(k));
    }
    MemorySegment stored = foreign.allocate((long) n * k * type.bytes(), 64);
    for (int j = 0; j < weights.length; j++) {
      switch (type) {
        case F32 -> stored.setAtIndex(ValueLayout.JAVA_FLOAT, j, weights[j]);
        case BF16 -> {
          short bits = (short) (Float.floatToRawIntBits(weights[j]) >>> 16);
          stored.setAtIndex(ValueLayout.JAVA_SHORT, j, bits);
          weights[j] = Float.intBitsToFloat(bits << 16);
        }
        default -> {
          short bits = Float.floatToFloat16(weights[j]);
          stored.setAtIndex(ValueLayout.JAVA_SHORT, j, bits);
          weights[j] = Float.float16ToFloat(bits);
        }
      }
    }
    Linear w =
        device.linear(
            arena, DType.F32,
            new Linear.Source(List.of(new Stored("w", type, List.of(n, k), stored)), Collections.singletonList(null), 0, 0));
    Tensor x = arena.alloc("x", DType.F32, m, k);
    Tensor y = arena.alloc("y", DType.F32, m, n);
    for (int j = 0; j < m * k; j++) {
      x.memory().setAtIndex(ValueLayout.JAVA_FLOAT, j, (float) random.nextGaussian());
    }
    MemorySegment b = foreign.allocate(4L * n * k, 64);
    MemorySegment.copy(weights, 0, b, ValueLayout.JAVA_FLOAT, 0, weights.length);
    MemorySegment c = foreign.allocate(4L * m * n, 64);

    Runnable ours = () -> device.gemm(y, x, w, null, Activation.NONE, null);
    Runnable blas = () -> {
      try {
        // row-major, x not transposed, w transposed
        sgemm.invokeExact(101, 111, 112, m, n, k, 1f, x.memory(), k, b, k, 0f, c, n);
      } catch (Throwable e) {
        throw new IllegalStateException(e);
      }
    };
    ours.run();
    blas.run();
    double error = 0;
    for (int j = 0; j < m * n; j += 97) {
      double magnitude = 0;
      for (int i = 0; i < k; i++) {
        magnitude += Math.abs((double) weights[j % n * k + i] * x.memory().getAtIndex(ValueLayout.JAVA_FLOAT, (long) (j / n) * k + i));
      }
      double d = Math.abs(y.memory().getAtIndex(ValueLayout.JAVA_FLOAT, j) - c.getAtIndex(ValueLayout.JAVA_FLOAT, j));
      if (!(d <= magnitude * 1e-5)) {
        throw new IllegalStateException("the results differ: element " + j + " by " + d);
      }
      error = Math.max(error, d / (magnitude * 0x1p-24));
    }
    for (int r = 0; r < 5; r++) {
      ours.run();
    }
    double[] a = new double[rounds];
    double[] o = new double[rounds];
    int repeat = (int) Math.max(1, 2e10 / (2.0 * m * n * k));
    for (int r = 0; r < rounds; r++) {
      a[r] = rate(ours, repeat, 2.0 * m * n * k);
      o[r] = rate(blas, repeat, 2.0 * m * n * k);
    }
    Arrays.sort(a);
    Arrays.sort(o);
    double mine = a[rounds / 2];
    double theirs = o[rounds / 2];
    IO.println(
        String.format(
            "%-16s %-5s %9.1f %9.1f %7.2f %10.1f", m + "x" + n + "x" + k, type.label(), mine, theirs, mine / theirs, error));
  }
}

/** GFLOP per second of this thread's CPU time. */
double rate(Runnable work, int repeat, double flops) {
  var threads = ManagementFactory.getThreadMXBean();
  long before = threads.getCurrentThreadCpuTime();
  for (int i = 0; i < repeat; i++) {
    work.run();
  }
  return flops * repeat / (threads.getCurrentThreadCpuTime() - before);
}
