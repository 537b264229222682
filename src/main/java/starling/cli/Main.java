package starling.cli;

/**
 * Where the program starts. Exit 0 success, 1 the request failed, 2 bad usage. It names no class of
 * a library, so that a program with parts missing can still say so.
 */
public final class Main {
  private Main() {}

  /** Runs the program and ends the process with its status. */
  public static void main(String[] args) {
    Terminal.useStandardStreams();
    Thread.setDefaultUncaughtExceptionHandler((thread, e) -> Failure.report(e, false));
    System.exit(run(args));
  }

  /** Runs a command line; returns the exit status. */
  static int run(String... args) {
    try (var commands = new Commands()) {
      try {
        return (Integer) commands.read(args).call();
      } catch (Exception | Error e) {
        return commands.failed(e);
      }
    } catch (Exception | Error e) { // before there are commands, or when a failure cannot be told
      return Failure.report(e, false);
    }
  }
}
