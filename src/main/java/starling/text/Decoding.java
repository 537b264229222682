package starling.text;

import java.util.List;

/**
 * Decodes an answer token by token. A piece of text is handed out when nothing that follows can
 * change it: whole characters only, and a run of byte tokens when it ends. The pieces and the rest
 * make up {@link Tokenizer#decode} of all. Serves one answer and one thread.
 */
public final class Decoding {
  private final Tokenizer tokenizer;
  private final boolean skipSpecial;
  private final List<DecodingStep> steps;
  private final Growth growth;
  private final StringBuilder certain = new StringBuilder();

  private final long[] made; // characters that have come to each step
  private long given;

  Decoding(Tokenizer tokenizer, boolean skipSpecial, Decoder decoder) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
    this.steps = decoder.begin();
    this.growth = decoder.growth();
    this.made = new long[steps.size() + 1];
  }

  /** Takes a token; returns the text that is now certain, often empty. */
  public String next(int id) {
    String token = tokenizer.token(id);
    if (token != null && !(skipSpecial && tokenizer.isSpecial(id))) {
      given += token.length();
      pass(token, 0);
    }
    return certain();
  }

  /** The text that was still open when the answer ended. */
  public String finish() {
    for (int i = 0; i < steps.size(); i++) {
      int behind = i + 1;
      steps.get(i).end(text -> pass(text, behind));
    }
    return certain();
  }

  private void pass(String text, int step) {
    made[step] += text.length();
    growth.check(given, made[step]);
    if (step == steps.size()) {
      certain.append(text);
    } else {
      steps.get(step).take(text, t -> pass(t, step + 1));
    }
  }

  private String certain() {
    String text = certain.toString();
    certain.setLength(0);
    return text;
  }
}
