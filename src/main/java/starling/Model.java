package starling;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import starling.checkpoint.CheckpointFolder;
import starling.checkpoint.GenerationConfig;
import starling.checkpoint.Safetensors;
import starling.device.AttentionProvider;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.device.Sampling;
import starling.image.Image;
import starling.input.InputException;
import starling.input.TerminalText;
import starling.model.EncodedImage;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Request;
import starling.model.VisionLanguageModel;
import starling.prune.Method;
import starling.prune.Methods;
import starling.text.ChatTemplate;
import starling.text.Tokenizer;

/**
 * A checkpoint of a vision-language model, opened on a device.
 *
 * <p>Threads: any thread may call, from inside a listener, too. Questions of several threads are
 * answered together: their prompts one after the other, their tokens at once; no answer depends on
 * the others, and who is in their way waits in order ({@link Admission}). The work is done by a
 * thread of the model's own, which ends when there is none. Ownership: the model owns its device
 * memory and its mapped files; {@link #close()} waits for running questions, may be repeated, and
 * every call after it is an {@link IllegalStateException}. The files must not change while the
 * model is open. Interrupts: opening and a question, waiting or running, end with an exception that
 * says so, and the thread stays interrupted; closing is not hurried. Errors: a fault of a file, a
 * prompt, an image or a spec is an {@link InputException} with one sentence; the model stays
 * usable.
 */
public final class Model implements AutoCloseable {
  /** Width and height: towers of one size scale it up, others have few patches. */
  private static final int WARM_UP_PIXELS = 112;

  private static final int WARM_UP_TOKENS = 8;

  private final ReentrantLock closing = new ReentrantLock();
  private final Semaphore preparing =
      new Semaphore(Math.max(1, Runtime.getRuntime().availableProcessors() / 2), true);
  private final Path dir;
  private final Device device;
  private final Safetensors files;
  private final LoadedModel loaded;
  private final Engine engine;
  private final Tokenizer tokenizer;
  private final List<Integer> endTokens;
  private final GenerationConfig generation;
  private final VisionLanguageModel.ImageProcessor images;
  private final List<String> warnings;
  private final double loadMillis;
  private volatile boolean closed;

  private Model(
      Path dir,
      Device device,
      DType dtype,
      VisionLanguageModel family,
      Safetensors files,
      Admission admission,
      long start) {
    this.dir = dir;
    this.device = device;
    this.files = files;
    this.images = family.images(dir);
    this.tokenizer = Tokenizer.read(dir);
    this.warnings = warnings(dir, family);
    this.endTokens = endTokens(dir, family, tokenizer);
    this.generation = GenerationConfig.read(dir);
    this.loaded = new LoadedModel(device, family, family.weights(files), dtype);
    this.engine = new Engine(this, loaded, admission);
    this.loadMillis = (System.nanoTime() - start) / 1e6;
  }

  /** Opens a checkpoint folder on the best device, in the type that suits it. */
  public static Model open(Path dir) {
    return open(dir, DeviceType.AUTO);
  }

  /**
   * Opens a checkpoint folder: {@code config.json}, {@code preprocessor_config.json}, {@code
   * tokenizer.json} and safetensors in the Hugging Face layout.
   *
   * @param dtype the type of activations: {@code F32}, {@code BF16} or {@code F16}, or null for
   *     that which suits the device and the checkpoint; weights are mapped as they are stored where
   *     the device can read them
   */
  public static Model open(Path dir, DeviceType device, DType dtype) {
    return open(dir, device, dtype, Providers.AUTO);
  }

  /** The same in the type that suits the device and the checkpoint. */
  public static Model open(Path dir, DeviceType device) {
    return open(dir, device, null);
  }

  /** The same with a choice of whose kernels multiply and attend. */
  public static Model open(Path dir, DeviceType device, DType dtype, Providers providers) {
    return open(dir, device, dtype, providers, Admission.DEFAULT);
  }

  /** The same with a choice of how many questions it takes at once. */
  public static Model open(
      Path dir, DeviceType device, DType dtype, Providers providers, Admission admission) {
    try {
      return opened(dir, device, dtype, providers, admission);
    } catch (InputException e) {
      // Whatever could not be read: an interrupt closes the file under the reader.
      throw Thread.currentThread().isInterrupted()
          ? new InputException(dir + ": opening the model was interrupted", e)
          : e;
    }
  }

  private static Model opened(
      Path dir, DeviceType device, DType dtype, Providers providers, Admission admission) {
    long start = System.nanoTime();
    VisionLanguageModel family = Families.read(dir);
    Device opened = Devices.open(device, providers);
    Safetensors files = null;
    try {
      DType type = dtype != null ? dtype : suited(opened, family);
      if (type == DType.F32 && providers.attention() == AttentionProvider.CUDNN) {
        throw new InputException("attention cudnn needs dtype bf16 or f16");
      }
      files = Safetensors.open(dir);
      return new Model(dir, opened, type, family, files, admission, start);
    } catch (RuntimeException | Error e) {
      try {
        if (files != null && e instanceof InternalError) {
          files.checkWhole();
        }
      } finally {
        if (files != null) {
          files.close();
        }
        opened.close();
      }
      throw e;
    }
  }

  /** F32 on the cpu, else the checkpoint's own type with F32 taken as BF16. */
  private static DType suited(Device device, VisionLanguageModel family) {
    if (device.type() == DeviceType.CPU) {
      return DType.F32;
    }
    return family.dtype().equals("float16") ? DType.F16 : DType.BF16;
  }

  private static List<String> warnings(Path dir, VisionLanguageModel family) {
    var warnings = new ArrayList<String>();
    if (!family.unknownKeys().isEmpty()) {
      warnings.add(
          TerminalText.of(
              dir.resolve("config.json")
                  + " has keys that are not known and were ignored: "
                  + String.join(", ", family.unknownKeys())));
    }
    String template = ChatTemplate.warning(dir, family.template());
    if (template != null) {
      warnings.add(TerminalText.of(template));
    }
    return List.copyOf(warnings);
  }

  private static List<Integer> endTokens(
      Path dir, VisionLanguageModel family, Tokenizer tokenizer) {
    if (!family.endTokens().isEmpty()) {
      return family.endTokens();
    }
    String token = CheckpointFolder.endToken(dir);
    Integer id = token == null ? null : tokenizer.id(token);
    return id == null ? List.of() : List.of(id);
  }

  /** What is odd about the checkpoint's files, one sentence each; it was opened all the same. */
  public List<String> warnings() {
    return warnings;
  }

  /**
   * What the checkpoint says of itself.
   *
   * @throws IllegalStateException if the model is closed
   */
  public VisionLanguageModel family() {
    checkOpen();
    return loaded.family();
  }

  // ---- questions ----

  /** Answers a question. */
  public Answer ask(Question question) {
    return ask(question, piece -> {});
  }

  /**
   * Answers a question and hands over the text as it comes, in whole characters. The pieces make up
   * the answer before stripping.
   *
   * @param onText hears the text on this thread; the model does not wait for it
   * @throws InputException if the prompt, an image or the spec does not fit the model
   * @throws CancellationException if the question's progress listener threw it, the thread was
   *     interrupted while the question waited or was answered, or its time was over
   * @throws RejectedExecutionException if as many questions wait as {@link Admission} says
   * @throws IllegalStateException if the model is closed
   */
  public Answer ask(Question question, Consumer<String> onText) {
    try (AnswerStream stream = stream(question)) {
      AnswerStream.Piece piece;
      while ((piece = stream.next()) != null) {
        if (piece.answer() == 0) {
          onText.accept(piece.text());
        }
      }
      return stream.answers().getFirst();
    }
  }

  /**
   * The same without waiting for it: cancelling the result cancels the question. What {@link #ask}
   * would throw is what it completes with.
   */
  public CompletableFuture<Answer> askAsync(Question question) {
    Question asked = question.copy();
    var result = new CompletableFuture<Answer>();
    Thread asking = Thread.ofVirtual().unstarted(() -> complete(result, asked));
    var unused =
        result.whenComplete(
            (answer, failure) -> {
              if (result.isCancelled()) {
                asking.interrupt();
              }
            });
    asking.start();
    return result;
  }

  private void complete(CompletableFuture<Answer> result, Question question) {
    try {
      result.complete(ask(question));
    } catch (RuntimeException | Error e) {
      result.completeExceptionally(e);
    }
  }

  /**
   * Asks a question whose answer is read as it comes; the caller closes the stream. When this
   * returns, the images are prepared and the question waits for its turn.
   *
   * @throws InputException and the others as {@link #ask(Question, Consumer)}
   */
  public AnswerStream stream(Question question) {
    long start = System.nanoTime();
    if (Thread.currentThread().isInterrupted()) {
      throw new CancellationException("the question was interrupted");
    }
    engine.enter();
    Asked asked;
    try {
      asked = asked(question.copy(), start);
    } catch (RuntimeException | Error e) {
      engine.leave();
      throw e;
    }
    try {
      engine.ask(asked);
    } catch (RuntimeException e) {
      asked.release();
      throw e;
    }
    return new AnswerStream(this, asked);
  }

  private Asked asked(Question question, long start) {
    Method method = question.method != null ? question.method : Methods.parse(question.prune);
    List<ImageInput> inputs = prepared(question);
    int[] rows = inputs.stream().mapToInt(image -> image.tokens().rows()).toArray();
    Prompt prompt = Prompt.of(this, question, rows);
    var asked = new Asked(question, prompt, inputs, start);
    var request =
        new Request(
            prompt.ids(),
            inputs,
            method,
            question.mode,
            sampling(question),
            question.maxTokens,
            asked);
    asked.counted(loaded.prepare(request));
    engine.check(asked);
    asked.retain();
    return asked;
  }

  /**
   * Puts an image through the tower, for any number of questions about it: {@link
   * Question#image(EncodedImage)}. The caller closes it, before or after the model.
   *
   * @throws InputException if the image does not fit the model
   * @throws IllegalStateException if the model is closed
   */
  public EncodedImage encode(Image image) {
    return encode(image, ImageOptions.DEFAULT);
  }

  /** The same with a choice of how the image becomes visual tokens. */
  public EncodedImage encode(Image image, ImageOptions options) {
    ImageInput input = prepare(image, options, "the image");
    EncodedImage encoded = engine.call(() -> loaded.encode(input, options), this::giveBack);
    encoded.whenGone(() -> engine.giveBack(encoded));
    return encoded;
  }

  /**
   * Answers two questions of its own about a grey image, one of them with pruning, so that what the
   * JVM does once (loading classes, compiling, mapping weights) is done before the first question
   * of a user. Takes about as long as two first questions; questions of others go on meanwhile. It
   * may be called again.
   *
   * @throws CancellationException if the thread was interrupted
   * @throws RejectedExecutionException if as many questions wait as {@link Admission} says
   * @throws IllegalStateException if the model is closed
   */
  public void warmUp() {
    float[] grey = new float[3 * WARM_UP_PIXELS * WARM_UP_PIXELS];
    Arrays.fill(grey, 0.5f);
    Image image = Image.of(WARM_UP_PIXELS, WARM_UP_PIXELS, grey);
    for (String spec : List.of("none", "star:R=0.5,P=0")) {
      ask(Question.of("What is this?").image(image).prune(spec).maxTokens(WARM_UP_TOKENS));
    }
  }

  /** What the model is doing. */
  public Load load() {
    return engine.load();
  }

  void cancel(Asked asked) {
    engine.cancel(asked);
  }

  /** What a question ends with that failed so; errors are thrown at once. */
  RuntimeException failed(Throwable why) {
    if (why instanceof InternalError) { // how the JVM says that a mapped page is not there
      files.checkWhole();
    }
    if (why instanceof Error error) {
      throw error;
    }
    return (RuntimeException) why;
  }

  /** What whoever asks a closed model gets. */
  IllegalStateException closedException() {
    return new IllegalStateException("the model " + dir + " is closed");
  }

  /** Nobody waits any more for an image that was encoded. */
  private void giveBack(EncodedImage image) {
    image.whenGone(() -> engine.giveBack(image));
    image.close();
  }

  /** The images of a few questions at a time: the processor is the device's, too. */
  private List<ImageInput> prepared(Question question) {
    try {
      preparing.acquire();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("the question was interrupted");
    }
    try {
      return inputs(question);
    } finally {
      preparing.release();
    }
  }

  private List<ImageInput> inputs(Question question) {
    var inputs = new ArrayList<ImageInput>();
    for (Question.Shown shown : question.images) {
      String name = "image " + inputs.size();
      inputs.add(
          shown.image() == null
              ? encoded(shown.encoded(), question.imageOptions, name)
              : prepare(shown.image(), question.imageOptions, name));
    }
    return inputs;
  }

  private static ImageInput encoded(EncodedImage image, ImageOptions options, String name) {
    if (!image.options().equals(options)) {
      throw new InputException(
          name + " was encoded with other image options than the question has");
    }
    return ImageInput.of(image);
  }

  private Sampling sampling(Question question) {
    if (question.repetitionPenalty != null) {
      return question.sampling.penalizing(question.repetitionPenalty);
    }
    return question.sampling.repeats()
        ? question.sampling.penalizing(generation.repetitionPenalty())
        : question.sampling;
  }

  private void checkOpen() {
    if (closed) {
      throw closedException();
    }
  }

  LoadedModel loaded() {
    return loaded;
  }

  Tokenizer tokenizer() {
    return tokenizer;
  }

  /**
   * What the tower sees of an image, and the visual tokens that become of it.
   *
   * @param options what a question says of it, see {@link Question#imageOptions()}
   * @param name what messages call the image
   * @throws InputException if the model does not have one of the options
   * @throws IllegalStateException if the model is closed
   */
  public ImageInput prepare(Image image, ImageOptions options, String name) {
    checkOpen();
    return images.prepare(image, options, name);
  }

  Path dir() {
    return dir;
  }

  Device device() {
    return device;
  }

  List<Integer> endTokens() {
    return endTokens;
  }

  double loadMillis() {
    return loadMillis;
  }

  /** Closes the model when the questions that it answers now are answered. */
  @Override
  public void close() {
    close(Duration.ofDays(Integer.MAX_VALUE));
  }

  /**
   * Closes the model. Questions that wait are refused; those that are answered now have some time,
   * and are cancelled then.
   */
  public void close(Duration patience) {
    if (engine.isOwn()) {
      throw new IllegalStateException("a pruning method cannot close the model that it is run by");
    }
    engine.close(patience);
    closing.lock();
    try {
      if (!closed) {
        closed = true;
        loaded.close();
        device.close();
        files.close();
      }
    } finally {
      closing.unlock();
    }
  }
}
