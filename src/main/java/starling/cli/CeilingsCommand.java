package starling.cli;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import starling.bench.Bench;
import starling.bench.CeilingReport;
import starling.bench.KernelReport;
import starling.device.DeviceType;

/** What rows of {@code bench kernels} are measured against. */
@Command(
    name = "ceilings",
    description = "Measures what the hardware can do: copy, read, products, an empty launch.")
final class CeilingsCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private BenchCommand.Common common;

  @Override
  public Integer call() {
    common.check(spec);
    CeilingReport report = Bench.ceilings(DeviceType.of(common.device), common.seconds);
    if (common.json) {
      System.out.println(Output.json(report));
      return 0;
    }
    System.out.print(
        new KernelReport(report.environment(), report.ceilings(), null, List.of(), List.of())
            .heading());
    System.out.printf(Locale.ROOT, "empty launch    %.3f us%n", report.launchMicros());
    if (report.nodeMicros() != null) {
      System.out.printf(Locale.ROOT, "graph node      %.3f us%n", report.nodeMicros());
    }
    System.out.print(report.launchTable());
    return 0;
  }
}
