package starling.text;

import java.util.ArrayList;
import java.util.List;
import starling.input.InputException;

/**
 * How a question becomes the text that the model reads. Where the prompt holds {@code <image>}, the
 * images stand there. Else one {@code <image>} and a line break for each of them stand before the
 * question, as the chat template of the llava-hf checkpoints in transformers renders them: two
 * images are {@code USER: <image>\n<image>\n{prompt} ASSISTANT:}.
 */
public enum Template {
  /** {@code USER: <image>\n{prompt} ASSISTANT:}, the whole text tokenised at once. */
  LLAVA_HF("llava-hf"),
  /**
   * The evaluation prompt of LLaVA-1.5 ({@code conv_vicuna_v1}): a system sentence in front, the
   * texts around images tokenised apart.
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

  /**
   * The text of a question about {@code images} images.
   *
   * @throws InputException if the prompt holds {@code <image>}, but not once per image
   */
  public String text(String prompt, int images) {
    String marked = marked(prompt) ? prompt : (IMAGE + "\n").repeat(images) + prompt;
    checkMarks(marked, images);
    String question = "USER: " + marked + " ASSISTANT:";
    return this == VICUNA_V1 ? SYSTEM + question : question;
  }

  private static void checkMarks(String text, int images) {
    int marks = text.split(IMAGE, -1).length - 1;
    if (marks != images) {
      throw new InputException(
          "the prompt holds %d %s for %d image(s); it stands once per image and must not be repeated for visual tokens"
              .formatted(marks, IMAGE, images));
    }
  }

  /** Whether a prompt says itself where the images stand. */
  public static boolean marked(String prompt) {
    return prompt.contains(IMAGE);
  }

  /**
   * Token ids of a question; the place of each image stands once, as {@code imageTokenId}.
   *
   * @param imageTokenId the checkpoint's {@code image_token_index}
   * @throws InputException if the number of placeholders is not the number of images
   */
  public int[] ids(Tokenizer tokenizer, String prompt, int images, int imageTokenId) {
    String text = text(prompt, images);
    return checked(
        this == LLAVA_HF ? tokenizer.encode(text) : apart(tokenizer, text, imageTokenId),
        tokenizer,
        images,
        imageTokenId);
  }

  /** The same of a whole text without a template, tokenised at once. */
  public static int[] bare(Tokenizer tokenizer, String text, int images, int imageTokenId) {
    checkMarks(text, images);
    return checked(tokenizer.encode(text), tokenizer, images, imageTokenId);
  }

  private static int[] checked(
      List<Integer> ids, Tokenizer tokenizer, int images, int imageTokenId) {
    long places = ids.stream().filter(id -> id == imageTokenId).count();
    if (places != images) {
      throw new InputException(
          "the prompt gives the image token %d (config.json, image_token_index) %d times for %d image(s), and tokenizer.json has id %s for %s"
              .formatted(imageTokenId, places, images, tokenizer.id(IMAGE), IMAGE));
    }
    return ids.stream().mapToInt(id -> id).toArray();
  }

  /**
   * Every text between placeholders on its own, as LLaVA does; the start token stands at the very
   * front only.
   */
  private static List<Integer> apart(Tokenizer tokenizer, String text, int imageTokenId) {
    var ids = new ArrayList<Integer>();
    String[] pieces = text.split(IMAGE, -1);
    ids.addAll(tokenizer.encodePlain(pieces[0]));
    for (int i = 1; i < pieces.length; i++) {
      ids.add(imageTokenId);
      ids.addAll(tokenizer.encodePlain(pieces[i]));
    }
    return tokenizer.postProcess(ids);
  }
}
