package starling.text;

import java.util.Locale;

/**
 * Writes messages one after another as a template has them. A text is only text: no special token
 * and no image is read out of it. An image stands where it is added, between texts as well, with
 * the line end or the marks behind it that the chat templates of the family in transformers give
 * it; those of LLaVA, which move the images of a message before its texts, write the same where
 * they stand there.
 */
public final class ChatWriter {
  private static final String SYSTEM = "system";
  private static final String USER = "user";
  private static final String ASSISTANT = "assistant";

  private final Template template;
  private final MarkedText text = new MarkedText();
  private final MarkedText instruction = new MarkedText(); // mistral's, inside the first question
  private MarkedText open = text;
  private String role; // of the open message; null before the first
  private String gap = ""; // due before what comes next in the message
  private boolean asked;
  private int images;

  ChatWriter(Template template) {
    this.template = template;
  }

  /** Begins what the model is told before everything else. */
  public ChatWriter system() {
    return begin(SYSTEM);
  }

  /** Begins a message of the one who asks. */
  public ChatWriter user() {
    return begin(USER);
  }

  /** Begins a message of the model. */
  public ChatWriter assistant() {
    return begin(ASSISTANT);
  }

  /**
   * Adds a text to the open message.
   *
   * @param said a text without halves of characters
   */
  public ChatWriter text(String said) {
    open.written(gap).said(said);
    gap = template.gap();
    return this;
  }

  /** Adds words in which marks are read. */
  ChatWriter marked(String words) {
    open.written(gap).written(words);
    gap = template.gap();
    return this;
  }

  /** Adds an image to the open message. */
  public ChatWriter image() {
    open.written(gap).written(template.image());
    gap = "";
    images++;
    return this;
  }

  /**
   * Token ids of the messages and of what asks for the answer.
   *
   * @param imageTokenId the checkpoint's {@code image_token_index}; it stands once for each image
   * @throws starling.input.InputException if the tokenizer has another token for images
   */
  public int[] ids(Tokenizer tokenizer, int imageTokenId) {
    return template.ids(tokenizer, finish(), images, imageTokenId);
  }

  /** The whole text; the last message is ended. */
  MarkedText finish() {
    end();
    return text.written(
        switch (template) {
          case CHATML -> "<|im_start|>assistant\n";
          case MISTRAL, RAW -> "";
          case LLAVA_HF, VICUNA_V1, NEXT_VICUNA -> "ASSISTANT:";
        });
  }

  private ChatWriter begin(String next) {
    String own = template.system();
    if (role == null && own != null && !next.equals(SYSTEM)) {
      begin(SYSTEM).marked(own);
    }
    end();
    role = next;
    switch (template) {
      case CHATML -> text.written("<|im_start|>" + role + "\n");
      case MISTRAL -> beginMistral();
      case LLAVA_HF, VICUNA_V1, NEXT_VICUNA -> {
        if (!role.equals(SYSTEM)) {
          text.written(role.toUpperCase(Locale.ROOT) + ": ");
        }
      }
      case RAW -> {}
    }
    return this;
  }

  private void beginMistral() {
    switch (role) {
      case SYSTEM -> open = instruction.written("<<SYS>>\n");
      case USER -> {
        text.written("[INST] ");
        if (!asked) {
          text.append(instruction);
        }
        asked = true;
      }
      default -> text.written(" ");
    }
  }

  private void end() {
    if (role == null) {
      return;
    }
    open.written(
        switch (template) {
          case CHATML -> "<|im_end|>\n";
          case MISTRAL -> endMistral();
          case VICUNA_V1 -> role.equals(ASSISTANT) ? "</s>" : gap;
          case LLAVA_HF, NEXT_VICUNA -> gap;
          case RAW -> "";
        });
    open = text;
    gap = "";
  }

  private String endMistral() {
    return switch (role) {
      case SYSTEM -> "\n<</SYS>>\n\n";
      case USER -> " [/INST]";
      default -> " </s>";
    };
  }
}
