import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * Holds kernels against budgets, by their code. Called by tools/kernel-budget, which says what is
 * counted: {@code KernelBudget MODE nvcc nvdisasm|- budgets file.cu…}.
 */
public final class KernelBudget {
  /** Work that predictions are made of may differ by this part before its file must be renewed. */
  private static final double WORK_TOLERANCE = 0.1;

  private static final Path WORK = Path.of("src/main/resources/starling/bench/kernel-work.csv");
  private static final String WORK_HEAD =
      "kernel,threads,registers,fixed_shared,loop_instructions,loop_products,loop_bytes,loop_wavefronts,rest_instructions\n";

  private KernelBudget() {}

  public static void main(String[] args) throws Exception {
    int[] status = {1};
    var failure = new Exception[1];
    // Ways through large kernels are found by recursion.
    var thread =
        new Thread(
            null,
            () -> {
              try {
                status[0] = run(List.of(args));
              } catch (Exception e) {
                failure[0] = e;
              }
            },
            "budget",
            1 << 29);
    thread.start();
    thread.join();
    if (failure[0] != null) {
      System.err.println("tools/kernel-budget: " + failure[0].getMessage());
    }
    System.exit(status[0]);
  }

  private static int run(List<String> args) throws Exception {
    String mode = args.get(0);
    Path nvdisasm = args.get(2).equals("-") ? null : Path.of(args.get(2));
    var compiler = new Compiler(Path.of(args.get(1)), nvdisasm, "sm_90a");
    var budgets = new Budgets(Path.of(args.get(3)));
    List<Figures> figures =
        figures(compiler, budgets, args.subList(4, args.size()).stream().map(Path::of).toList());
    if (mode.equals("print")) {
      System.out.print(Figures.HEAD);
      figures.forEach(f -> System.out.println(f.row(budgets.shared(f.kernel().name()))));
      return 0;
    }
    if (mode.equals("work")) {
      System.out.print(WORK_HEAD);
      figures.forEach(f -> System.out.println(work(f)));
      return 0;
    }
    var missed = new ArrayList<String>(budgets.missed(figures));
    if (nvdisasm == null) {
      System.out.println("left out: machine code, because nvdisasm was not found; budgets of PTX were held");
    } else if (mode.equals("check")) {
      checkWork(figures, missed);
    }
    missed.forEach(m -> System.out.println("missed: " + m));
    System.out.println(figures.size() + " kernels, " + missed.size() + " budgets missed");
    return missed.isEmpty() ? 0 : 1;
  }

  private static List<Figures> figures(Compiler compiler, Budgets budgets, List<Path> sources)
      throws Exception {
    var figures = new ArrayList<Figures>();
    try (var pool = Executors.newFixedThreadPool(Math.max(2, Runtime.getRuntime().availableProcessors()))) {
      var tasks = new ArrayList<Callable<List<Compiler.Kernel>>>();
      sources.forEach(s -> tasks.add(() -> compiler.kernels(s)));
      for (var done : pool.invokeAll(tasks)) {
        for (Compiler.Kernel k : done.get()) {
          figures.add(Figures.of(k, budgets.shared(k.name()), new Reasons()));
        }
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : e;
    }
    return figures;
  }

  private static String work(Figures f) {
    Region hot = f.hot();
    String name = f.kernel().name();
    return String.format(
        Locale.ROOT,
        "%s,%d,%d,%d,%d,%d,%d,%d,%d",
        name.contains(",") ? '"' + name + '"' : name,
        f.kernel().threads(),
        f.registers(),
        f.kernel().shared(),
        hot.loop() ? hot.way().size() : 0,
        hot.loop() ? hot.count(Instruction.Kind.PRODUCT) : 0,
        hot.loop() ? hot.loads() : 0,
        hot.loop() ? hot.wavefronts() : 0,
        f.rest().way().size());
  }

  /** That the file which predictions are made of says what the kernels are. */
  private static void checkWork(List<Figures> figures, List<String> missed) throws IOException {
    List<String> written = Files.exists(WORK) ? Files.readAllLines(WORK) : List.of();
    List<String> now = Stream.concat(Stream.of(WORK_HEAD.strip()), figures.stream().map(KernelBudget::work)).toList();
    for (int i = 0; i < Math.max(written.size(), now.size()); i++) {
      if (i >= written.size() || i >= now.size() || !close(written.get(i), now.get(i))) {
        missed.add(
            WORK + ":" + (i + 1) + " is not what the kernels are now; tools/kernel-budget --work > " + WORK);
        return;
      }
    }
  }

  private static boolean close(String a, String b) {
    String[] x = a.split(",");
    String[] y = b.split(",");
    boolean close = x.length == y.length;
    for (int i = 0; close && i < x.length; i++) {
      boolean numbers = x[i].matches("\\d+") && y[i].matches("\\d+");
      close =
          numbers
              ? Math.abs(Double.parseDouble(x[i]) - Double.parseDouble(y[i]))
                  <= Math.max(2, WORK_TOLERANCE * Double.parseDouble(x[i]))
              : x[i].equals(y[i]);
    }
    return close;
  }
}
