package starling.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import starling.bench.Compare;
import starling.bench.Comparison;

/** Two runs of {@code bench kernels}. */
@Command(
    name = "compare",
    description =
        "Compares two files of bench kernels: times are the same, faster, slower or unsure, counted work is the same,"
            + " grew or shrank. Exit 1 on a regression.")
final class CompareCommand implements Callable<Integer> {
  @Parameters(index = "0", paramLabel = "A.json", description = "the baseline")
  private Path before;

  @Parameters(index = "1", paramLabel = "B.json", description = "what is compared with it")
  private Path after;

  @Option(names = "--any-machine", description = "also files of different machines")
  private boolean anyMachine;

  @Option(names = "--json", description = "print JSON")
  private boolean json;

  @Override
  public Integer call() {
    Comparison result = Compare.files(before, after, anyMachine);
    System.out.print(json ? Output.json(result.json()) + "\n" : result.text());
    return result.regression() ? 1 : 0;
  }
}
