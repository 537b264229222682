package starling.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measurements. */
@Command(
    name = "bench",
    description = "Measures kernels, what the hardware could do, and many questions at once.",
    synopsisSubcommandLabel = "kernels|ceilings|batches",
    subcommands = {KernelsCommand.class, CeilingsCommand.class, BatchesCommand.class})
final class BenchCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    throw new ParameterException(spec.commandLine(), "kernels, ceilings or batches is missing");
  }

  private static final int MAX_SECONDS = 3600;

  /** Where it runs and what becomes of the result. */
  static final class Common {
    @Option(
        names = "--device",
        defaultValue = "cpu",
        description = "cpu, emulated or cuda (${DEFAULT-VALUE})")
    String device;

    @Option(
        names = "--max-time",
        paramLabel = "SECONDS",
        defaultValue = "5",
        description = "sample a row at most so long (${DEFAULT-VALUE})")
    double seconds;

    @Option(names = "--json", description = "print JSON")
    boolean json;

    void check(CommandSpec spec) {
      if (!(seconds > 0 && seconds <= MAX_SECONDS)) { // nor NaN
        throw new ParameterException(
            spec.commandLine(),
            "--max-time is " + seconds + "; it must be more than 0 and at most " + MAX_SECONDS);
      }
    }
  }
}
