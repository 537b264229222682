package starling.device;

import starling.input.InputException;

/** A device has no memory left: how much was asked for, for what, and what to lower. */
public final class OutOfMemoryException extends InputException {
  private static final long serialVersionUID = 1;

  /** With a sentence for the person who asked. */
  public OutOfMemoryException(String sentence) {
    super(sentence);
  }
}
