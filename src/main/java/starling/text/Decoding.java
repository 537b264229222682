package starling.text;

import java.util.ArrayList;
import java.util.List;

/**
 * Decodes an answer token by token. A piece is handed out when nothing that follows can change it:
 * a run of byte tokens is decoded together, so it waits until it ends. The pieces and the rest make
 * up {@link Tokenizer#decode} of all.
 */
public final class Decoding {
  private final Tokenizer tokenizer;
  private final List<Integer> ids = new ArrayList<>();
  private int handedOut;

  Decoding(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** Takes a token; returns the text that is now certain, often empty. */
  public String next(int id) {
    ids.add(id);
    return tokenizer.isByteToken(id) ? "" : rest();
  }

  /** The text that was still open when the answer ended. */
  public String finish() {
    return rest();
  }

  private String rest() {
    String text = tokenizer.decode(ids, true);
    String rest = text.substring(Math.min(handedOut, text.length()));
    handedOut = Math.max(handedOut, text.length());
    return rest;
  }
}
