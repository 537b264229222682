package starling.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import starling.input.InputException;
import starling.text.Conversation.Turn;

/**
 * How a question becomes the text that the model reads. Where the prompt holds the placeholder, the
 * images stand there: {@code <image>}, or the model's own, {@link #placeholder}, once per image or
 * as often as the image has visual tokens. Else the images stand before the first question, as the
 * chat templates of the checkpoints in transformers render them: two images are {@code USER:
 * <image>\n<image>\n{prompt} ASSISTANT:}.
 */
public enum Template {
  /** {@code USER: <image>\n{prompt} ASSISTANT:}, the whole text tokenised at once. */
  LLAVA_HF("llava-hf"),
  /**
   * The evaluation prompt of LLaVA-1.5 ({@code conv_vicuna_v1}): a system sentence in front, the
   * texts around images tokenised apart.
   */
  VICUNA_V1("vicuna_v1"),
  /** What transformers documents for llava-v1.6-vicuna: a system sentence, then as LLAVA_HF. */
  NEXT_VICUNA("next-vicuna"),
  /**
   * {@code [INST] <image>\n{prompt} [/INST]}, of llava-v1.6-mistral; a system text as LLaVA's
   * {@code mistral_instruct} has it, inside the first question.
   */
  MISTRAL("mistral"),
  /** Qwen2.5-VL's: {@code <|im_start|>user\n…<|im_end|>\n<|im_start|>assistant\n}. */
  CHATML("chatml"),
  /** The prompt is the whole text. */
  RAW("raw");

  /** Texts that only a template may write, whatever a tokenizer calls special. */
  static final Set<String> MARKS =
      Set.of(
          "<image>",
          "<|image_pad|>",
          "<|vision_start|>",
          "<|vision_end|>",
          "<|im_start|>",
          "<|im_end|>",
          "[INST]",
          "[/INST]",
          "<<SYS>>",
          "<</SYS>>",
          "</s>");

  private static final Placeholder IMAGE = new Placeholder("<image>");
  private static final Placeholder PAD = new Placeholder("<|image_pad|>");
  private static final String CHATML_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>";
  private static final String SENTENCE =
      "A chat between a curious %1$s and an artificial intelligence assistant. The assistant gives helpful, detailed,"
          + " and polite answers to the %1$s's questions.";

  private final String label;

  Template(String label) {
    this.label = label;
  }

  /** The name on the command line. */
  public String label() {
    return label;
  }

  /**
   * The template of a name.
   *
   * @throws InputException if there is none
   */
  public static Template of(String label) {
    return Arrays.stream(values())
        .filter(template -> template.label.equals(label))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "template '" + label + "' is not one of " + String.join(", ", labels())));
  }

  /** All names. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(Template::label).toList();
  }

  /** The text of an image that the model's tokenizer knows. */
  public String placeholder() {
    return mark().text();
  }

  private Placeholder mark() {
    return this == CHATML ? PAD : IMAGE;
  }

  /**
   * The text of a question about {@code images} images.
   *
   * @throws InputException if the prompt holds the placeholder, but not once per image
   */
  public String text(String prompt, int images) {
    return text(Conversation.of(prompt), new int[images]);
  }

  /**
   * The text of a conversation, every image once.
   *
   * @param rows visual tokens of each image; 0 where they are not known
   * @throws InputException if placeholders stand neither once per image nor once per visual token,
   *     or the template has no place for a system text or turns
   */
  public String text(Conversation said, int[] rows) {
    if (this == RAW) {
      checkAlone(said);
    }
    String written = this == RAW ? said.question() : written(placed(said, rows.length));
    return mark().once(written, rows);
  }

  private static void checkAlone(Conversation said) {
    if (!said.isQuestionOnly()) {
      throw new InputException(
          "template raw uses the prompt as given; write the system text and earlier turns into it");
    }
  }

  /** With the images before the first question, unless a text says where they stand. */
  private Conversation placed(Conversation said, int images) {
    if (this == RAW || said.contains(placeholder())) {
      return said;
    }
    if (said.contains(IMAGE.text())) {
      return said.replaced(IMAGE.text(), CHATML_IMAGE); // chatml: the others' is their own
    }
    return said.withImages(image().repeat(images));
  }

  private String written(Conversation said) {
    var chat = new ChatWriter(this);
    if (said.system() != null) {
      chat.system().marked(said.system());
    }
    for (Turn turn : said.turns()) {
      chat.user().marked(turn.question()).assistant().marked(turn.answer());
    }
    return chat.user().marked(said.question()).finish().toString();
  }

  /**
   * Begins a conversation of messages.
   *
   * @throws InputException for {@link #RAW}, which has no marks between messages
   */
  public ChatWriter chat() {
    if (this == RAW) {
      throw new InputException("template raw has no marks between messages; name another one");
    }
    return new ChatWriter(this);
  }

  /** What the model is told where a conversation does not say it; null if nothing. */
  String system() {
    return switch (this) {
      case VICUNA_V1 -> SENTENCE.formatted("user");
      case NEXT_VICUNA -> SENTENCE.formatted("human");
      case CHATML -> "You are a helpful assistant.";
      case LLAVA_HF, MISTRAL, RAW -> null;
    };
  }

  /** What an image is in a message. */
  String image() {
    return this == CHATML ? CHATML_IMAGE : IMAGE.text() + "\n";
  }

  /** What stands behind a text in a message. */
  String gap() {
    return switch (this) {
      case LLAVA_HF, VICUNA_V1, NEXT_VICUNA -> " ";
      case MISTRAL, CHATML, RAW -> "";
    };
  }

  /** Whether a prompt holds the text of an image that the model's tokenizer knows. */
  public boolean holdsPlaceholder(String prompt) {
    return prompt.contains(placeholder());
  }

  /**
   * Token ids of a question; the place of each image stands once, as {@code imageTokenId}.
   *
   * @param imageTokenId the checkpoint's {@code image_token_index}
   * @throws InputException if the number of placeholders is not the number of images
   */
  public int[] ids(Tokenizer tokenizer, String prompt, int images, int imageTokenId) {
    return ids(tokenizer, Conversation.of(prompt), new int[images], imageTokenId);
  }

  /**
   * The same of a conversation, and of images whose rows are known.
   *
   * @param rows as {@link #text(Conversation, int[])} has them
   */
  public int[] ids(Tokenizer tokenizer, Conversation said, int[] rows, int imageTokenId) {
    return ids(tokenizer, MarkedText.of(text(said, rows)), rows.length, imageTokenId);
  }

  int[] ids(Tokenizer tokenizer, MarkedText text, int images, int imageTokenId) {
    return checked(
        this == VICUNA_V1 ? apart(tokenizer, text, imageTokenId) : tokenizer.encode(text),
        tokenizer,
        images,
        imageTokenId);
  }

  /** The same of a question that is the whole text, tokenised at once. */
  public int[] bare(Tokenizer tokenizer, Conversation said, int[] rows, int imageTokenId) {
    checkAlone(said);
    List<Integer> ids = tokenizer.encode(mark().once(said.question(), rows));
    return checked(ids, tokenizer, rows.length, imageTokenId);
  }

  private int[] checked(List<Integer> ids, Tokenizer tokenizer, int images, int imageTokenId) {
    long places = ids.stream().filter(id -> id == imageTokenId).count();
    if (places != images) {
      throw new InputException(
          "the prompt gives the image token %d (config.json, image_token_index) %d times for %d image(s), and tokenizer.json has id %s for %s"
              .formatted(imageTokenId, places, images, tokenizer.id(placeholder()), placeholder()));
    }
    return ids.stream().mapToInt(id -> id).toArray();
  }

  /**
   * Every text between placeholders on its own, as LLaVA does; the start token stands at the very
   * front only.
   */
  private static List<Integer> apart(Tokenizer tokenizer, MarkedText text, int imageTokenId) {
    var ids = new ArrayList<Integer>();
    List<MarkedText> pieces = text.split(IMAGE.text());
    ids.addAll(tokenizer.encodePlain(pieces.getFirst()));
    for (MarkedText piece : pieces.subList(1, pieces.size())) {
      ids.add(imageTokenId);
      ids.addAll(tokenizer.encodePlain(piece));
    }
    return tokenizer.postProcess(ids);
  }
}
