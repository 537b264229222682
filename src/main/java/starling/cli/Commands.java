package starling.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
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
      TokenizeCommand.class,
      InspectCommand.class,
      DoctorCommand.class,
      BenchCommand.class,
      CompareCommand.class
    })
final class Commands {
  @Option(names = "--debug", scope = ScopeType.INHERIT, description = "show stack traces")
  private boolean debug;

  @Option(
      names = "--plugins",
      scope = ScopeType.INHERIT,
      paramLabel = "JAR[:JAR…]",
      description = "methods of your own for --prune: jars, or folders of classes")
  private String plugins;

  /** Runs a command line; returns the exit status. */
  static int run(String... args) {
    var commands = new Commands();
    Devices.onFallback(
        why ->
            System.err.println(
                "starling: device auto is the cpu, because "
                    + Failure.oneLine(why)
                        .replaceFirst("(no library could be used);.*", "$1 (see doctor)")));
    var line =
        new CommandLine(commands)
            .setOverwrittenOptionsAllowed(true)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setUsageHelpAutoWidth(false);
    try {
      return commands.execute(line, LiteralValues.marked(line, args));
    } catch (Exception | Error e) {
      return Failure.report(e, commands.debug);
    }
  }

  /** Not picocli's own way, which prints a stack trace when its output cannot be written. */
  private int execute(CommandLine line, String... args) {
    try {
      var parsed = line.parseArgs(args);
      var used = new Plugins(plugins);
      try {
        return execute(parsed);
      } finally {
        used.close();
      }
    } catch (ParameterException e) {
      return usage(e);
    }
  }

  /** Reports an error before the plugins are closed: their classes may be needed to describe it. */
  private int execute(ParseResult parsed) {
    try {
      return new RunLast().execute(parsed);
    } catch (ParameterException e) {
      throw e;
    } catch (ExecutionException e) {
      return Failure.report(e.getCause(), debug);
    } catch (Exception | Error e) {
      return Failure.report(e, debug);
    }
  }

  private static int usage(ParameterException e) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    String why = Failure.oneLine(LiteralValues.unmarked(e.getMessage()));
    System.err.println(command + ": " + why + " (see " + command + " --help)");
    return 2;
  }
}
