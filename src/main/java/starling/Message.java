package starling;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import starling.image.Image;
import starling.input.InputException;

/**
 * A message of a conversation that a {@link Question} ends. Its texts are only texts: neither
 * special tokens nor places of images are read out of them, so they may come from anybody. Images
 * stand where they stand among the parts.
 *
 * @param role who says it
 * @param parts texts and images in order, one at least
 */
public record Message(Role role, List<Part> parts) {
  /**
   * A text.
   *
   * @param text anything, special tokens' names included
   */
  public record Text(String text) implements Part {
    /**
     * Checks the text.
     *
     * @throws InputException if it holds a surrogate without its other half
     */
    public Text {
      Objects.requireNonNull(text, "text");
      if (text.codePoints()
          .anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
        throw new InputException("a message holds half a character (a lone surrogate)");
      }
    }
  }

  /**
   * An image.
   *
   * @param image its pixels
   */
  public record Picture(Image image) implements Part {
    /** Checks that there is one. */
    public Picture {
      Objects.requireNonNull(image, "image");
    }
  }

  /**
   * Copies the parts.
   *
   * @throws InputException if there is none
   */
  public Message {
    Objects.requireNonNull(role, "role");
    parts = List.copyOf(Objects.requireNonNull(parts, "parts"));
    if (parts.isEmpty()) {
      throw new InputException("a message has no parts; it needs a text or an image");
    }
  }

  /**
   * Checks what a question is made of; messages of one role may follow each other, as the chat
   * templates of the families allow.
   *
   * @throws InputException if there is none, one of the system stands behind another, or the last
   *     one is not the user's
   */
  static void check(List<Message> messages) {
    if (messages.isEmpty()) {
      throw new InputException("there are no messages; a question ends with one of the user");
    }
    for (int i = 1; i < messages.size(); i++) {
      if (messages.get(i).role == Role.SYSTEM) {
        throw new InputException(
            "message " + i + " (from 0) is the system's; that one stands first, or not at all");
      }
    }
    if (messages.getLast().role != Role.USER) {
      throw new InputException(
          "the last message is the "
              + messages.getLast().role.name().toLowerCase(Locale.ROOT)
              + "'s; a question ends with one of the user");
    }
  }
}
