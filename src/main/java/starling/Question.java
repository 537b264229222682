package starling;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import starling.device.Sampling;
import starling.image.Image;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.EncodedImage;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.model.Request;
import starling.prune.Method;
import starling.prune.Methods;
import starling.text.Conversation;
import starling.text.Template;

/**
 * What to ask a {@link Model}: a prompt, images, and how to answer. Greedy, unpruned and at most
 * 128 tokens unless told. Every method changes this object and returns it; {@link Model#ask} reads
 * it when called. A value that no question can have is refused here, by an {@link InputException},
 * {@link IllegalArgumentException} or {@link NullPointerException} that names it; what only a model
 * can tell, such as whether a layer exists, by {@link Model#ask}.
 */
public final class Question {
  final String prompt;
  final List<Message> messages; // null: a prompt
  final List<Shown> images = new ArrayList<>();
  final List<Conversation.Turn> turns = new ArrayList<>();
  String system; // null: the template's own words
  String prune = "none";
  Method method; // null: none, as prune says
  Mode mode = Mode.COMPACT;
  Template template; // null: not named
  ImageOptions imageOptions = ImageOptions.DEFAULT;
  int maxTokens = 128;
  Sampling sampling = Sampling.GREEDY;
  Float repetitionPenalty; // null: not named
  List<String> stop = List.of();
  boolean logits;
  int logprobs = -1; // not asked for
  int answers = 1;
  Duration timeout; // null: none
  Request.Progress progress = (phase, done, of) -> {};

  /** An image of the question: as it is, or as the model's tower has seen it. */
  record Shown(Image image, EncodedImage encoded) {}

  private Question(String prompt, List<Message> messages) {
    this.prompt = prompt;
    this.messages = messages;
  }

  /** The same, which no later call changes. */
  Question copy() {
    var copy = new Question(prompt, messages);
    copy.images.addAll(images);
    copy.turns.addAll(turns);
    copy.system = system;
    copy.prune = prune;
    copy.method = method;
    copy.mode = mode;
    copy.template = template;
    copy.imageOptions = imageOptions;
    copy.maxTokens = maxTokens;
    copy.sampling = sampling;
    copy.repetitionPenalty = repetitionPenalty;
    copy.stop = stop;
    copy.logits = logits;
    copy.logprobs = logprobs;
    copy.answers = answers;
    copy.timeout = timeout;
    copy.progress = progress;
    return copy;
  }

  /**
   * A prompt. The model's own template wraps it; one that holds the model's {@link
   * Template#placeholder}, once per image or once per visual token, is used as given, and the
   * answer warns of that. {@link #template} wraps either, and so does the model's own where there
   * is a {@link #system} text or a {@link #turn}.
   */
  public static Question of(String prompt) {
    return new Question(Objects.requireNonNull(prompt, "prompt"), null);
  }

  /**
   * Messages, the last of them the user's. They hold the system text, earlier turns and the images,
   * so {@link #system}, {@link #turn} and {@link #image(Image)} are refused with an {@link
   * IllegalStateException}; the model's template wraps them, or the one of {@link #template}.
   *
   * @throws InputException if there is none, a message of the system is not the first, or the last
   *     one is not the user's
   */
  public static Question of(List<Message> messages) {
    var copy = List.copyOf(Objects.requireNonNull(messages, "messages"));
    Message.check(copy);
    var question = new Question(null, copy);
    for (Message message : copy) {
      for (Part part : message.parts()) {
        if (part instanceof Message.Picture(Image image)) {
          question.images.add(new Shown(image, null));
        }
      }
    }
    return question;
  }

  private void checkPrompt(String what) {
    if (messages != null) {
      throw new IllegalStateException("a question of messages has its " + what + " in them");
    }
  }

  /** Adds an image file, PNG or JPEG; it is read now. */
  public Question image(Path file) {
    return image(Image.read(file));
  }

  /** Adds an image. */
  public Question image(Image image) {
    checkPrompt("images");
    images.add(new Shown(Objects.requireNonNull(image, "image"), null));
    return this;
  }

  /**
   * Adds an image that {@link Model#encode} has put through the tower, which is not run again. If
   * the images of a question are all of this kind, its prompt up to the last of them is kept, and
   * the next question that begins so, with the same method, reads the rest only. That one's numbers
   * may differ in their last bits, since fewer rows are multiplied at a time; any other answer is
   * the same to the bit. The image options are those it was encoded with.
   */
  public Question image(EncodedImage image) {
    checkPrompt("images");
    images.add(new Shown(null, Objects.requireNonNull(image, "image")));
    return this;
  }

  /**
   * A pruning spec, see {@link Methods#parse}; the file of a {@code replay} is read when it is
   * asked.
   *
   * @throws InputException if it is none
   */
  public Question prune(String spec) {
    method = Methods.parse(Objects.requireNonNull(spec, "prune"));
    prune = spec;
    return this;
  }

  /**
   * A pruning method, in place of a spec: one of the program's own. The report names it by its
   * {@link Method#spec}. What it throws comes out of {@link Model#ask} as it is.
   */
  public Question prune(Method value) {
    method = Objects.requireNonNull(value, "prune");
    prune = null;
    return this;
  }

  /** What happens to the rows of dropped tokens; {@link Mode#COMPACT} unless told. */
  public Question mode(Mode value) {
    mode = Objects.requireNonNull(value, "mode");
    return this;
  }

  /** What the model is told before everything else, in place of the template's own words. */
  public Question system(String text) {
    checkPrompt("system text");
    system = Objects.requireNonNull(text, "system");
    return this;
  }

  /** Adds an earlier question and its answer; the images stand in the first one unless marked. */
  public Question turn(String question, String answer) {
    checkPrompt("earlier turns");
    turns.add(
        new Conversation.Turn(
            Objects.requireNonNull(question, "question"),
            Objects.requireNonNull(answer, "answer")));
    return this;
  }

  /**
   * The template that wraps the prompt, with the images where {@code <image>} stands in it; or the
   * messages.
   *
   * @throws InputException if it is {@link Template#RAW}, and the question is one of messages
   */
  public Question template(Template value) {
    Objects.requireNonNull(value, "template");
    if (messages != null) {
      value.chat(); // raw has none
    }
    template = value;
    return this;
  }

  /** How images become square. */
  public Question imageMode(ImageMode value) {
    imageOptions = imageOptions.mode(Objects.requireNonNull(value, "imageMode"));
    return this;
  }

  /** How images become visual tokens, {@link #imageMode(ImageMode)} included. */
  public Question imageOptions(ImageOptions value) {
    imageOptions = Objects.requireNonNull(value, "imageOptions");
    return this;
  }

  /** How images become visual tokens. */
  public ImageOptions imageOptions() {
    return imageOptions;
  }

  /** Most tokens to generate, at least 1. */
  public Question maxTokens(int value) {
    if (value < 1) {
      throw new IllegalArgumentException("maxTokens is " + value + "; it must be at least 1");
    }
    maxTokens = value;
    return this;
  }

  /** How tokens are drawn; the most likely one unless told. */
  public Question sampling(Sampling value) {
    sampling = Objects.requireNonNull(value, "sampling");
    return this;
  }

  /**
   * The repetition penalty, in place of the checkpoint's own and the sampling's; 1 is none. The
   * checkpoint's holds unless this or {@link #sampling} names another.
   */
  public Question repetitionPenalty(float value) {
    if (!(value > 0 && value < Float.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "repetitionPenalty is " + value + "; it must be above 0, and 1 is none");
    }
    repetitionPenalty = value;
    return this;
  }

  /**
   * Texts that end the answer when they appear in it, an empty one never; they are not part of it.
   */
  public Question stop(String... texts) {
    stop = List.of(texts);
    return this;
  }

  /** Whether the answer shall hold the logits of its first token. */
  public Question logits(boolean value) {
    logits = value;
    return this;
  }

  /**
   * Whether the answer shall hold the log-probability of each of its tokens.
   *
   * @param top how many of the likeliest tokens to tell beside each, 0 to 20
   */
  public Question logprobs(int top) {
    if (top < 0 || top > 20) {
      throw new IllegalArgumentException("logprobs is " + top + "; it must be 0 to 20");
    }
    logprobs = top;
    return this;
  }

  /**
   * How many answers to draw, 1 to {@value Admission#MAX_SEQUENCES}. The prompt is read once;
   * answer {@code i} draws with the seed of {@link #sampling} plus {@code i}. {@link Model#ask}
   * returns the first, {@link AnswerStream#answers} all.
   */
  public Question answers(int n) {
    if (n < 1 || n > Admission.MAX_SEQUENCES) {
      throw new IllegalArgumentException(
          "answers is " + n + "; it must be 1 to " + Admission.MAX_SEQUENCES);
    }
    answers = n;
    return this;
  }

  /** How long to wait for the whole answer, from the asking on; then it is given up. */
  public Question timeout(Duration value) {
    if (value.isNegative() || value.isZero()) {
      throw new IllegalArgumentException("timeout is " + value + "; it must be above 0");
    }
    timeout = value;
    return this;
  }

  /**
   * Hears how far the answer is, on the asking thread, before every image, layer of prefill and
   * token. The model does not wait for it. To cancel, throw a {@link
   * java.util.concurrent.CancellationException}, or interrupt the thread: {@link Model#ask} ends
   * with that exception and the model stays usable.
   */
  public Question progress(Request.Progress value) {
    progress = Objects.requireNonNull(value, "progress");
    return this;
  }
}
