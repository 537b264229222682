package starling.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import starling.input.InputException;
import starling.input.TerminalText;

/**
 * Standard output or standard error. What cannot be written ends the command; a {@link PrintStream}
 * alone would swallow it. To a terminal nothing gets through that acts on it, whoever said it; a
 * file or a pipe gets every byte as it is.
 */
final class StandardStream extends OutputStream {
  private final String name;
  private final OutputStream to;
  private final boolean terminal;

  StandardStream(String name, OutputStream to, boolean terminal) {
    this.name = name;
    this.to = to;
    this.terminal = terminal;
  }

  /** For printing; whole characters reach this stream, and at once. */
  PrintStream printer() {
    return new PrintStream(this, true, StandardCharsets.UTF_8);
  }

  boolean isTerminal() {
    return terminal;
  }

  @Override
  public void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] bytes, int from, int length) {
    if (length == 0) {
      return;
    }
    try {
      Terminal.before(this);
      if (terminal) {
        String text = new String(bytes, from, length, StandardCharsets.UTF_8);
        to.write(TerminalText.lines(text).getBytes(StandardCharsets.UTF_8));
      } else {
        to.write(bytes, from, length);
      }
      Terminal.after(this, bytes[from + length - 1] == '\n');
    } catch (IOException e) {
      throw new InputException(name + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }

  void endLine() throws IOException {
    to.write('\n');
  }
}
