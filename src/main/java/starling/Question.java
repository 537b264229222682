package starling;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import starling.device.Sampling;
import starling.image.Image;
import starling.image.ImageMode;
import starling.model.Mode;
import starling.model.Request;
import starling.prune.Method;
import starling.text.Conversation;
import starling.text.Template;

/**
 * What to ask a {@link Model}: a prompt, images, and how to answer. Greedy, unpruned and at most
 * 128 tokens unless told. Every method changes this object and returns it; {@link Model#ask} reads
 * it when called.
 */
public final class Question {
  final String prompt;
  final List<Image> images = new ArrayList<>();
  final List<Conversation.Turn> turns = new ArrayList<>();
  String system; // null: the template's own words
  String prune = "none";
  Method method; // null: the one that prune names
  Mode mode = Mode.COMPACT;
  Template template; // null: not named
  ImageMode imageMode = ImageMode.CHECKPOINT;
  int maxTokens = 128;
  Sampling sampling = Sampling.GREEDY;
  List<String> stop = List.of();
  boolean logits;
  Request.Progress progress = (phase, done, of) -> {};

  private Question(String prompt) {
    this.prompt = prompt;
  }

  /**
   * A prompt. The model's own template wraps it; one that holds the model's {@link
   * Template#placeholder}, once per image or once per visual token, is used as given, and the
   * answer warns of that. {@link #template} wraps either, and so does the model's own where there
   * is a {@link #system} text or a {@link #turn}.
   */
  public static Question of(String prompt) {
    return new Question(prompt);
  }

  /** Adds an image file, PNG or JPEG; it is read now. */
  public Question image(Path file) {
    return image(Image.read(file));
  }

  /** Adds an image. */
  public Question image(Image image) {
    images.add(image);
    return this;
  }

  /** A pruning spec, see {@link starling.prune.Methods#parse}. */
  public Question prune(String spec) {
    prune = Objects.requireNonNull(spec);
    method = null;
    return this;
  }

  /**
   * A pruning method, in place of a spec: one of the program's own. The report names it by its
   * {@link Method#spec}. What it throws comes out of {@link Model#ask} as it is.
   */
  public Question prune(Method value) {
    method = Objects.requireNonNull(value);
    return this;
  }

  /** What happens to the rows of dropped tokens; {@link Mode#COMPACT} unless told. */
  public Question mode(Mode value) {
    mode = value;
    return this;
  }

  /** What the model is told before everything else, in place of the template's own words. */
  public Question system(String text) {
    system = Objects.requireNonNull(text);
    return this;
  }

  /** Adds an earlier question and its answer; the images stand in the first one unless marked. */
  public Question turn(String question, String answer) {
    turns.add(
        new Conversation.Turn(Objects.requireNonNull(question), Objects.requireNonNull(answer)));
    return this;
  }

  /** The template that wraps the prompt, with the images where {@code <image>} stands in it. */
  public Question template(Template value) {
    template = value;
    return this;
  }

  /** How images become square. */
  public Question imageMode(ImageMode value) {
    imageMode = value;
    return this;
  }

  /** How images become square. */
  public ImageMode imageMode() {
    return imageMode;
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
    sampling = value;
    return this;
  }

  /** Texts that end the answer when they appear in it; they are not part of it. */
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
   * Hears how far the answer is, on the asking thread, before every image, layer of prefill and
   * token. To cancel, throw a {@link java.util.concurrent.CancellationException}, or interrupt the
   * thread: {@link Model#ask} ends with that exception and the model stays usable.
   */
  public Question progress(Request.Progress value) {
    progress = value;
    return this;
  }
}
