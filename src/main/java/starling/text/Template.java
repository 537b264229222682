package starling.text;

import java.util.ArrayList;
import java.util.List;
import starling.device.InputException;

/**
 * How a question becomes the text that the model reads. A prompt that holds {@code <image>} itself
 * is not wrapped.
 */
public enum Template {
  /** {@code USER: <image>\n{prompt} ASSISTANT:}, the whole text tokenised at once. */
  LLAVA_HF("llava-hf"),
  /**
   * The evaluation prompt of LLaVA-1.5: a system sentence in front, the texts around pictures
   * tokenised apart.
   */
  VICUNA_V1("vicuna_v1");

  private static final String IMAGE = "<image>";
  private static final String SYSTEM =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed,"
          + " and polite answers to the user's questions. ";

  private final String label;

  Template(String label) {
    this.label = label;
  }

  /** The name on the command line. */
  public String label() {
    return label;
  }

  /** The text of a question about {@code images} pictures, one {@code <image>} line for each. */
  public String text(String prompt, int images) {
    int given = count(prompt);
    if (given > 0) {
      if (given != images) {
        throw new InputException(
            "the prompt holds "
                + IMAGE
                + " "
                + given
                + " times, but there are "
                + images
                + " pictures; it stands once per picture and must not be repeated for visual tokens");
      }
      return prompt;
    }
    String question = "USER: " + (IMAGE + "\n").repeat(images) + prompt + " ASSISTANT:";
    return this == VICUNA_V1 ? SYSTEM + question : question;
  }

  /**
   * Token ids of a question; each picture's placeholder stands once, as {@code imageToken}.
   *
   * @throws InputException if the number of placeholders is not the number of pictures
   */
  public int[] ids(Tokenizer tokenizer, String prompt, int images, int imageToken) {
    String text = text(prompt, images);
    List<Integer> ids =
        this == LLAVA_HF ? tokenizer.encode(text) : apart(tokenizer, text, imageToken);
    long placeholders = ids.stream().filter(id -> id == imageToken).count();
    if (placeholders != images) {
      throw new InputException(
          "the prompt gives token "
              + imageToken
              + " (config.json, image_token_index) "
              + placeholders
              + " times, but there are "
              + images
              + " pictures; tokenizer.json must know "
              + IMAGE
              + " as an added token of that id");
    }
    return ids.stream().mapToInt(id -> id).toArray();
  }

  /**
   * Every text between placeholders on its own, as LLaVA does; the start token stands at the very
   * front only.
   */
  private static List<Integer> apart(Tokenizer tokenizer, String text, int imageToken) {
    var ids = new ArrayList<Integer>();
    String[] pieces = text.split(IMAGE, -1);
    ids.addAll(tokenizer.encodePlain(pieces[0]));
    for (int i = 1; i < pieces.length; i++) {
      ids.add(imageToken);
      ids.addAll(tokenizer.encodePlain(pieces[i]));
    }
    return tokenizer.postProcess(ids);
  }

  private static int count(String prompt) {
    return (prompt.length() - prompt.replace(IMAGE, "").length()) / IMAGE.length();
  }
}
