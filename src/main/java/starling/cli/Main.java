package starling.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import starling.Devices;
import starling.device.InputException;
import starling.device.Sentence;

/**
 * The command line: {@code starling COMMAND}. Exit 0 success, 1 the request failed, 2 bad usage.
 */
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
public final class Main {
  @Option(names = "--debug", scope = ScopeType.INHERIT, description = "show stack traces")
  private boolean debug;

  public static void main(String[] args) {
    System.setOut(
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
    System.setErr(standardError());
    System.exit(run(args));
  }

  /**
   * The launcher filters what the JVM itself prints, and hands over the real stream beside it if
   * that is a terminal or a pipe.
   */
  private static PrintStream standardError() {
    String path = System.getProperty("starling.stderr");
    if (path != null) {
      try {
        return new PrintStream(new FileOutputStream(path, true), true, StandardCharsets.UTF_8);
      } catch (IOException e) {
        // A socket cannot be opened again; the filtered stream does.
      }
    }
    return new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8);
  }

  /** Runs a command line; returns the exit status. */
  static int run(String... args) {
    var main = new Main();
    Devices.onFallback(
        why ->
            System.err.println(
                "starling: device auto is the cpu, because "
                    + oneLine(why)
                        .replaceFirst("(no library could be used);.*", "$1 (see doctor)")));
    return new CommandLine(main)
        .setOverwrittenOptionsAllowed(true)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setUsageHelpAutoWidth(false)
        .setParameterExceptionHandler((e, arguments) -> usage(e))
        .setExecutionExceptionHandler((e, command, result) -> main.failure(e))
        .execute(args);
  }

  private static int usage(CommandLine.ParameterException e) {
    String command = e.getCommandLine().getCommandSpec().qualifiedName();
    System.err.println(command + ": " + oneLine(e.getMessage()) + " (see " + command + " --help)");
    return 2;
  }

  private int failure(Exception e) throws Exception {
    if (debug) {
      throw e;
    }
    if (e instanceof InputException) {
      System.err.println("starling: " + oneLine(e.getMessage()));
    } else {
      System.err.println(
          "starling: internal error: "
              + oneLine(String.valueOf(e))
              + "; please report it with the output of --debug");
    }
    return 1;
  }

  private static String oneLine(String message) {
    return Sentence.of(message.strip().replaceAll("\\s*\\R\\s*", " "));
  }
}
