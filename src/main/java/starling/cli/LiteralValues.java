package starling.cli;

import java.nio.file.Path;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.TypeConversionException;

/**
 * What follows an option is its value, whatever it looks like: another option, the end of the
 * options, a file to take arguments from. Picocli looks at it first, so it is handed over behind a
 * mark that no argument of a process can have, and without the mark to the command.
 */
final class LiteralValues {
  private static final String MARK = "\0";

  private LiteralValues() {}

  /** Makes a command line read marked values; returns the arguments with their marks. */
  static String[] marked(CommandLine line, String... args) {
    line.setExpandAtFiles(false).setTrimQuotes(false);
    read(line, "", value -> value, String.class);
    read(line, "a path", Path::of, Path.class);
    read(line, "a whole number", Integer::valueOf, int.class, Integer.class);
    read(line, "a whole number", Long::valueOf, long.class, Long.class);
    read(line, "a number", Float::valueOf, float.class, Float.class);
    read(line, "a number", Double::valueOf, double.class, Double.class);
    String[] marked = args.clone();
    CommandLine command = line;
    for (int i = 0; i < args.length && !args[i].equals("--"); i++) {
      CommandLine subcommand = command.getSubcommands().get(args[i]);
      int equals = args[i].indexOf('=');
      if (subcommand != null) {
        command = subcommand;
      } else if (takesValue(command, args[i]) && i + 1 < args.length) {
        i++;
        marked[i] = MARK + args[i];
      } else if (equals > 0 && takesValue(command, args[i].substring(0, equals))) {
        marked[i] = args[i].substring(0, equals + 1) + MARK + args[i].substring(equals + 1);
      }
    }
    return marked;
  }

  static String unmarked(String text) {
    return text.replace(MARK, "");
  }

  private static boolean takesValue(CommandLine command, String name) {
    OptionSpec option = command.getCommandSpec().optionsMap().get(name);
    return option != null && option.arity().min() > 0;
  }

  @SafeVarargs
  private static <T> void read(
      CommandLine line, String what, Function<String, T> reader, Class<T>... types) {
    for (Class<T> type : types) {
      line.registerConverter(
          type,
          value -> {
            try {
              return reader.apply(unmarked(value));
            } catch (IllegalArgumentException e) {
              throw new TypeConversionException("'" + value + "' is not " + what);
            }
          });
    }
  }
}
