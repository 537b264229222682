package starling.text;

import java.util.function.Consumer;

/**
 * A step from tokens to text. It takes tokens one by one and hands on what nothing that follows can
 * change, so that a text decoded while it comes and one decoded at once are the same by
 * construction. A step may have a memory and serves one text.
 */
interface DecodingStep {
  void take(String token, Consumer<String> out);

  /** Hands on what was held back; nothing follows. */
  default void end(Consumer<String> out) {}
}
