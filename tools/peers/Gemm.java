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
 * Our gemm beside OpenBLAS's sgemm: one process, one thread, taken in turn, results checked first against the product
 * in double. Work per second of CPU time, since wall time on a shared machine says little. With {@code --kernel} in
 * place of the rounds: what OpenBLAS calls the kernel it has chosen, and its rate.
 */
void main(String[] args) throws Throwable {
  int[][] shapes = {{640, 4096, 4096}, {577, 1024, 4096}, {64, 4096, 4096}, {1, 4096, 4096}, {1, 11008, 4096}};
  if (args.length > 1 && args[1].equals("--kernel")) {
    kernel(Path.of(args[0]));
    return;
  }
  int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 7;
  MethodHandle sgemm = openBlas(Path.of(args[0]));
  IO.println("OpenBLAS: " + text(Path.of(args[0]), "openblas_get_config"));
  IO.println("ours: " + description());
  IO.println(
      String.format(
          "%-16s %-5s %9s %9s %7s %10s %10s %7s", "m x n x k", "type", "ours", "OpenBLAS", "ratio", "error", "its error", "bytes"));
  for (int[] s : shapes) {
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      row(sgemm, s[0], s[1], s[2], type, rounds);
    }
  }
  IO.println("GFLOP per CPU-second at one thread, medians of " + rounds + "; weights stored as named, activations f32;");
  IO.println("one row: every pass reads weights that are in no cache; its Gweights per CPU-second are half the figure.");
  IO.println("OpenBLAS always works on f32; errors are the largest distances from the product in double, in units of");
  IO.println("sum|w·x|·2^-24; bytes: what a pass of ours allocates (many: the JIT compiler boxes vectors in this process).");
}

String description() {
  try (var device = CpuDevice.open(1)) {
    return device.description();
  }
}

String text(Path library, String function) throws Throwable {
  SymbolLookup lookup = SymbolLookup.libraryLookup(library, Arena.global());
  var call = Linker.nativeLinker().downcallHandle(lookup.findOrThrow(function), FunctionDescriptor.of(ValueLayout.ADDRESS));
  return ((MemorySegment) call.invoke()).reinterpret(1000).getString(0);
}

void kernel(Path library) throws Throwable {
  MethodHandle sgemm = openBlas(library);
  int m = 384;
  int n = 1024;
  int k = 4096;
  try (var arena = Arena.ofConfined()) {
    MemorySegment x = gaussian(arena, m * k);
    MemorySegment w = gaussian(arena, n * k);
    MemorySegment y = arena.allocate(4L * m * n, 64);
    Runnable blas = product(sgemm, m, n, k, x, w, y);
    blas.run();
    error("OpenBLAS's kernel " + text(library, "openblas_get_corename"), m, n, k, x, w, y);
    double[] rates = new double[7];
    for (int r = 0; r < rates.length; r++) {
      rates[r] = rate(blas, 3, 2.0 * m * n * k);
    }
    Arrays.sort(rates);
    IO.println(String.format("%s, %.1f GFLOP per CPU-second", text(library, "openblas_get_corename"), rates[3]));
  }
}

MemorySegment gaussian(Arena arena, int n) {
  var random = new Random(n);
  MemorySegment values = arena.allocate(4L * n, 64);
  for (int i = 0; i < n; i++) {
    values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
  }
  return values;
}

/** Row-major, x not transposed, w transposed. */
Runnable product(MethodHandle sgemm, int m, int n, int k, MemorySegment x, MemorySegment w, MemorySegment y) {
  return () -> {
    try {
      sgemm.invokeExact(101, 111, 112, m, n, k, 1f, x, k, w, k, 0f, y, n);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  };
}

/** The largest of every 97th element; a result that is no rounding error ends the run. */
double error(String whose, int m, int n, int k, MemorySegment x, MemorySegment w, MemorySegment y) {
  double largest = 0;
  for (int j = 0; j < m * n; j += 97) {
    double exact = 0;
    double magnitude = 0;
    for (int i = 0; i < k; i++) {
      double product =
          (double) w.getAtIndex(ValueLayout.JAVA_FLOAT, (long) (j % n) * k + i) * x.getAtIndex(ValueLayout.JAVA_FLOAT, (long) (j / n) * k + i);
      exact += product;
      magnitude += Math.abs(product);
    }
    double d = Math.abs(y.getAtIndex(ValueLayout.JAVA_FLOAT, j) - exact);
    if (!(d <= magnitude * 1e-5)) {
      IO.println(whose + " is wrong: element " + j + " by " + d);
      System.exit(1);
    }
    largest = Math.max(largest, d / (magnitude * 0x1p-24));
  }
  return largest;
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
    int copies = m == 1 ? Math.ceilDiv(1 << 28, n * k * 4) : 1;
    Linear[] ws = new Linear[copies];
    MemorySegment[] bs = new MemorySegment[copies];
    for (int i = 0; i < copies; i++) {
      MemorySegment copy = foreign.allocate(stored.byteSize(), 64).copyFrom(stored);
      ws[i] =
          device.linear(
              arena, DType.F32,
              new Linear.Source(List.of(new Stored("w", type, List.of(n, k), copy)), Collections.singletonList(null), 0, 0));
      bs[i] = foreign.allocate(4L * n * k, 64);
      MemorySegment.copy(weights, 0, bs[i], ValueLayout.JAVA_FLOAT, 0, weights.length);
    }
    Tensor x = arena.alloc("x", DType.F32, m, k);
    Tensor y = arena.alloc("y", DType.F32, m, n);
    for (int j = 0; j < m * k; j++) {
      x.memory().setAtIndex(ValueLayout.JAVA_FLOAT, j, (float) random.nextGaussian());
    }
    MemorySegment c = foreign.allocate(4L * m * n, 64);
    int[] turn = new int[2];
    Runnable ours = () -> device.gemm(y, x, ws[turn[0]++ % copies], null, Activation.NONE, null);
    Runnable[] theirs = new Runnable[copies];
    Arrays.setAll(theirs, i -> product(sgemm, m, n, k, x.memory(), bs[i], c));
    Runnable blas = () -> theirs[turn[1]++ % copies].run();
    ours.run();
    blas.run();
    double error = error("our gemm", m, n, k, x.memory(), bs[0], y.memory());
    double itsError = error("OpenBLAS", m, n, k, x.memory(), bs[0], c);
    int repeat = (int) Math.max(1, (m == 1 ? 2e9 : 2e10) / (2.0 * m * n * k));
    for (int r = 0; r < Math.max(5, repeat); r++) {
      ours.run();
    }
    double[] a = new double[rounds];
    double[] o = new double[rounds];
    long bytes = 0;
    for (int r = 0; r < rounds; r++) {
      long before = allocated();
      a[r] = rate(ours, repeat, 2.0 * m * n * k);
      bytes = (allocated() - before) / repeat;
      o[r] = rate(blas, repeat, 2.0 * m * n * k);
    }
    Arrays.sort(a);
    Arrays.sort(o);
    double mine = a[rounds / 2];
    double its = o[rounds / 2];
    IO.println(
        String.format(
            "%-16s %-5s %9.1f %9.1f %7.2f %10.1f %10.1f %7d",
            m + "x" + n + "x" + k, type.label(), mine, its, mine / its, error, itsError, bytes));
  }
}

long allocated() {
  return ((com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
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
