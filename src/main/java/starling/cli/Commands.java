package starling.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;
import starling.Devices;

/** {@code starling COMMAND}. */
@Command(
    name = "starling",
    description = "Runs LLaVA-style models and drops visual tokens by attention.",
    mixinStandardHelpOptions = true,
    version = "starling 0.1.0",
    synopsisSubcommandLabel = "COMMAND",
    scope = ScopeType.INHERIT,
    subcommands = {
      DemoCommand.class,
      RunCommand.class,
      ServeCommand.class,
      TokenizeCommand.class,
      InspectCommand.class,
      DoctorCommand.class,
      BenchCommand.class,
      CompareCommand.class
    })
final class Commands implements AutoCloseable {
  @Option(names = "--debug", scope = ScopeType.INHERIT, description = "show stack traces")
  private boolean debug;

  @Option(
      names = "--plugins",
      scope = ScopeType.INHERIT,
      paramLabel = "JAR[:JAR…]",
      description = "methods of your own for --prune: jars, or folders of classes")
  private String plugins;

  private Plugins used;

  /** Reads a command line: what it gives does the work and returns the exit status. */
  Callable<?> read(String... args) {
    Devices.onFallback(
        why ->
            System.err.println(
                "starling: device auto is the cpu, because "
                    + Failure.oneLine(why)
                        .replaceFirst("(no library could be used);.*", "$1 (see doctor)")));
    var line =
        new CommandLine(this)
            .setOverwrittenOptionsAllowed(true)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpAutoWidth(false);
    ParseResult parsed = line.parseArgs(LiteralValues.marked(line, args));
    used = new Plugins(plugins);
    Integer helped = CommandLine.executeHelpRequest(parsed);
    if (helped != null) {
      return () -> helped;
    }
    ParseResult last = parsed;
    while (last.hasSubcommand()) {
      last = last.subcommand();
    }
    if (last.commandSpec().userObject() instanceof Callable<?> command) {
      return command;
    }
    throw new ParameterException(last.commandSpec().commandLine(), "Missing required subcommand");
  }

  /**
   * Says why a command line could not be read or its work not be done; returns the exit status. To
   * be called before the plugins are closed, whose classes may be needed to describe it.
   */
  int failed(Throwable e) {
    return e instanceof ParameterException wrong ? usage(wrong) : Failure.report(e, debug);
  }

  /** Closes the plugins. */
  @Override
  public void close() {
    if (used != null) {
      used.close();
    }
  }

  private static int usage(ParameterException e) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    String why = Failure.oneLine(LiteralValues.unmarked(e.getMessage()));
    System.err.println(command + ": " + why + " (see " + command + " --help)");
    return 2;
  }
}
