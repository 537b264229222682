package starling.cli;

import java.util.Locale;

/** What is said on standard error while a person waits: nothing, unless it is a terminal. */
final class Terminal {
  /** The launcher knows; the JVM cannot ask about standard error. */
  static final boolean INTERACTIVE = Boolean.getBoolean("starling.terminal");

  private Terminal() {}

  /** Shows how far a phase is, over the line before. */
  static void status(String phase, int done, int of) {
    if (INTERACTIVE) {
      System.err.print(String.format(Locale.ROOT, "\r\u001b[K%s %d of %d", phase, done + 1, of));
    }
  }

  /** Says what is being done, over the line before. */
  static void say(String what) {
    if (INTERACTIVE) {
      System.err.print("\r\u001b[K" + what);
    }
  }

  /** Takes the status line away. */
  static void clear() {
    if (INTERACTIVE) {
      System.err.print("\r\u001b[K");
    }
  }
}
