package starling;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
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
import starling.model.Generation;
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
 * <p>Threads: any thread may call; questions are answered one after the other. Ownership: the model
 * owns its device memory and its mapped files; {@link #close} waits for a running question, may be
 * repeated, and every call after it is an {@link IllegalStateException}. The files must not change
 * while the model is open. Interrupts: opening and a question, waiting or running, end with an
 * exception that says so, and the thread stays interrupted; closing is not hurried. Errors: a fault
 * of a file, a prompt, an image or a spec is an {@link InputException} with one sentence; the model
 * stays usable.
 */
public final class Model implements AutoCloseable {
  private final ReentrantLock lock = new ReentrantLock();
  private final Path dir;
  private final Device device;
  private final Safetensors files;
  private final LoadedModel loaded;
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
    this.loadMillis = millisSince(start);
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
    try {
      return opened(dir, device, dtype, providers);
    } catch (InputException e) {
      // Whatever could not be read: an interrupt closes the file under the reader.
      throw Thread.currentThread().isInterrupted()
          ? new InputException(dir + ": opening the model was interrupted", e)
          : e;
    }
  }

  private static Model opened(Path dir, DeviceType device, DType dtype, Providers providers) {
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
      return new Model(dir, opened, type, family, files, start);
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

  /** Answers a question. */
  public Answer ask(Question question) {
    return ask(question, piece -> {});
  }

  /**
   * Answers a question and hands over the text as it comes, in whole characters. The pieces make up
   * the answer before stripping.
   *
   * @throws InputException if the prompt, an image or the spec does not fit the model
   * @throws CancellationException if the question's progress listener threw it, or the thread was
   *     interrupted while it waited for its turn or the question was answered
   * @throws IllegalStateException if the model is closed
   */
  public Answer ask(Question question, Consumer<String> onText) {
    if (lock.isHeldByCurrentThread()) {
      throw new IllegalStateException(
          "a question cannot be asked while this thread's question is being answered");
    }
    try {
      lock.lockInterruptibly();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw interrupted();
    }
    try {
      checkOpen();
      return answer(question, onText);
    } catch (InternalError e) { // how the JVM says that a mapped page is not there
      files.checkWhole();
      throw e;
    } finally {
      lock.unlock();
    }
  }

  /** Prepares, reads the prompt, draws tokens until the answer ends, reports. */
  private Answer answer(Question question, Consumer<String> onText) {
    long start = System.nanoTime();
    Method method = question.method != null ? question.method : Methods.parse(question.prune);
    List<ImageInput> inputs = inputs(question);
    int[] rows = inputs.stream().mapToInt(image -> image.tokens().rows()).toArray();
    Prompt prompt = Prompt.of(this, question, rows);
    Request request = request(question, method, prompt.ids(), inputs);
    double preprocess = millisSince(start);
    try (Generation generation = loaded.prefill(request)) {
      int budget = generation.tokenBudget();
      var stream = new TextStream(tokenizer.decoding(), question.stop, onText);
      var drawn = new AnswerText(stream, endTokens, budget);
      int id = generation.next();
      List<Float> logits = question.logits ? AnswerReport.floats(generation.logits()) : null;
      long decode = System.nanoTime();
      while (drawn.wantsMoreAfter(id)) {
        request.progress().at("decode", drawn.tokens().size(), budget);
        id = generation.next();
      }
      String text = drawn.finish();
      int steps = drawn.tokens().size() - 1;
      double perToken = steps > 0 ? millisSince(decode) / steps : 0;
      var report = new AnswerReport(this, question, generation, request.images());
      var timings =
          new Answer.Timings(
              loadMillis,
              preprocess,
              generation.visionMillis(),
              generation.pruneMillis(),
              generation.prefillMillis(),
              perToken,
              millisSince(start));
      return report.answer(prompt, logits, drawn, text, timings);
    }
  }

  private List<ImageInput> inputs(Question question) {
    var inputs = new ArrayList<ImageInput>();
    for (Image image : question.images) {
      inputs.add(prepare(image, question.imageOptions, "image " + inputs.size()));
    }
    return inputs;
  }

  private Request request(Question question, Method method, int[] ids, List<ImageInput> inputs) {
    return new Request(
        ids,
        inputs,
        method,
        question.mode,
        sampling(question),
        question.maxTokens,
        interruptible(question.progress));
  }

  private Sampling sampling(Question question) {
    if (question.repetitionPenalty != null) {
      return question.sampling.penalizing(question.repetitionPenalty);
    }
    return question.sampling.repeats()
        ? question.sampling.penalizing(generation.repetitionPenalty())
        : question.sampling;
  }

  private static Request.Progress interruptible(Request.Progress progress) {
    return (phase, done, of) -> {
      if (Thread.currentThread().isInterrupted()) {
        throw interrupted();
      }
      progress.at(phase, done, of);
    };
  }

  private static CancellationException interrupted() {
    return new CancellationException("the question was interrupted");
  }

  private static double millisSince(long start) {
    return (System.nanoTime() - start) / 1e6;
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the model " + dir + " is closed");
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

  @Override
  public void close() {
    if (lock.isHeldByCurrentThread()) {
      throw new IllegalStateException(
          "the model cannot be closed from inside its own answer; cancel the question first");
    }
    lock.lock();
    try {
      if (!closed) {
        closed = true;
        loaded.close();
        device.close();
        files.close();
      }
    } finally {
      lock.unlock();
    }
  }
}
