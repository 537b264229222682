package starling.cli;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** Refuses values of options: bad usage, in one sentence that names the option. */
final class Usage {
  private Usage() {}

  static void check(CommandLine command, boolean fine, String otherwise) {
    if (!fine) {
      throw new ParameterException(command, otherwise);
    }
  }

  static void oneOf(CommandLine command, String option, String value, List<String> values) {
    check(
        command,
        values.contains(value),
        option + " is '" + value + "'; it must be one of " + String.join(", ", values));
  }
}
