package starling.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import starling.input.TerminalText;

/**
 * The standard streams, and the status line on standard error that a person sees while waiting. It
 * is there only if standard error is a terminal, and goes away before anything else is written; it
 * never comes to a line on which something stands.
 */
final class Terminal {
  /** Whether standard error is a terminal, as the launcher says; the JVM cannot find out. */
  private static final boolean ERR_IS_TERMINAL = Boolean.getBoolean("starling.terminal");

  private static final boolean OUT_IS_TERMINAL = Boolean.getBoolean("starling.terminal.out");
  private static final int COLUMNS = columns();
  private static final String CLEAR = "\r\u001b[K";

  /** Standard error itself, for the status line alone; null where nobody would see it. */
  private static OutputStream person;

  private static boolean shown;

  /** Who wrote last and did not end the line; null if the cursor is at the beginning of a line. */
  private static StandardStream open;

  private Terminal() {}

  /** Puts streams in the place of Java's own, which swallow what cannot be written. */
  static void useStandardStreams() {
    OutputStream err = standardError();
    System.setOut(
        new StandardStream(
                "standard output", new FileOutputStream(FileDescriptor.out), OUT_IS_TERMINAL)
            .printer());
    System.setErr(new StandardStream("standard error", err, ERR_IS_TERMINAL).printer());
    person = ERR_IS_TERMINAL ? err : null;
  }

  /**
   * The launcher filters what the JVM itself prints, and hands over the real stream beside it if
   * that is a terminal or a pipe.
   */
  private static OutputStream standardError() {
    String path = System.getProperty("starling.stderr");
    if (path != null) {
      try {
        return new FileOutputStream(path, true);
      } catch (IOException e) {
        // A socket cannot be opened again; the filtered stream does.
      }
    }
    return new FileOutputStream(FileDescriptor.err);
  }

  /** A terminal that does not know its width says 0. */
  private static int columns() {
    int columns = Integer.getInteger("starling.columns", 0);
    return columns > 0 ? columns : 80;
  }

  /** Whether a status line is seen by anybody. */
  static boolean hasStatus() {
    return person != null;
  }

  /** The longest status line: one that wrapped could not be taken away. */
  static int statusWidth() {
    return COLUMNS - 1;
  }

  /** Shows how far a phase is. */
  static void status(String phase, int done, int of) {
    say(String.format(Locale.ROOT, "%s %d of %d", phase, done + 1, of));
  }

  /** Says what is being done, in place of what was said before. */
  static synchronized void say(String what) {
    if (person != null && open == null) {
      String line = TerminalText.of(what);
      put(CLEAR + line.substring(0, Math.min(line.length(), statusWidth())));
      shown = true;
    }
  }

  /** Takes the status line away; harmless where there is none. */
  static synchronized void clear() {
    if (shown) {
      put(CLEAR);
      shown = false;
    }
  }

  /** A stream is about to write: the status line goes, and a line of the other stream is ended. */
  static synchronized void before(StandardStream stream) throws IOException {
    clear();
    if (open != null && open != stream && open.isTerminal() && stream.isTerminal()) {
      stream.endLine();
    }
  }

  static synchronized void after(StandardStream stream, boolean endsLine) {
    open = endsLine ? null : stream;
  }

  private static void put(String text) {
    try {
      person.write(text.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      person = null; // the terminal is gone, and what was shown there is no result
    }
  }
}
