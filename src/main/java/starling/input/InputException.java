package starling.input;

/**
 * Something that was given to the runtime cannot be used: a file, a field of it, a prompt, a
 * pruning spec. The message is one sentence for the person who gave it; it names the file or field
 * and the reason. What it repeats of a file is made fit for a terminal ({@link TerminalText}).
 */
public class InputException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** With a sentence that names what was given and says why it cannot be used. */
  public InputException(String sentence) {
    super(TerminalText.of(sentence));
  }

  /** The same, and what led to it. */
  public InputException(String sentence, Throwable cause) {
    super(TerminalText.of(sentence), cause);
  }
}
