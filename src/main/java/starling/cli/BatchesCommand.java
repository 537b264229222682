package starling.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import starling.bench.BatchReport;
import starling.bench.Batches;
import starling.device.DeviceType;

/** What many questions at once bring. */
@Command(
    name = "batches",
    description =
        "Measures many questions at once: answers, tokens and memory by clients and pruning, ten questions"
            + " about one image, waiting times, and steps of a decoder of a large shape (2.1 GB of random"
            + " weights in java.io.tmpdir, removed afterwards).")
final class BatchesCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private BenchCommand.Common common;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "folder of a checkpoint; the bundled one unless told")
  private Path model;

  @Override
  public Integer call() {
    common.check(spec);
    BatchReport report;
    try {
      report = Batches.measure(model, DeviceType.of(common.device), common.seconds, Terminal::say);
    } finally {
      Terminal.clear();
    }
    System.out.print(common.json ? Output.json(report) + "\n" : report.text());
    return 0;
  }
}
