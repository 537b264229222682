package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.Mask;
import starling.device.Sampling;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.prune.CutPoint;

/**
 * The life of one question on the device. {@link LoadedModel#prefill} reads the prompt and draws
 * the first token, {@link #next} gives one token after the other, {@link #close} gives the memory
 * back. A step allocates nothing, and one integer comes down per token. One thread at a time.
 */
public final class Generation implements AutoCloseable {
  private final LoadedModel model;
  private final Device device;
  private final Planner planner;
  private final TensorArena arena;
  private final Caches caches;
  private final Tensor nonFinite; // i32 [1]
  private final Tensor id; // i32 [1]
  private final Tensor logits; // f32 [1, V]
  private final Tensor tokens; // i32 [1, ⌈V/32⌉]: tokens so far; null if they count for nothing
  private final Sampling sampling;
  private final Decoder.Rows row; // of a step
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private Segments lastStep;
  private Pruner pruner;
  private int drawn;
  private long start; // events of the device: the tower begins, the decoder, the first token
  private long seen;
  private long read;

  Generation(LoadedModel model, Request request, Planner planner) {
    this.model = model;
    this.device = model.device();
    this.planner = planner;
    this.arena = device.arena("generation");
    this.nonFinite = arena.alloc("nonFinite", DType.I32, 1);
    this.id = arena.alloc("id", DType.I32, 1);
    this.logits = arena.alloc("logits", DType.F32, 1, model.family().text().vocabSize());
    this.row = model.decoder().rows(arena, 1);
    this.sampling = request.sampling();
    this.tokens = sampling.repeats() ? null : tokens(request.ids(), logits.width());
    this.caches = new Caches(model, request, arena, row.q());
    try {
      if (planner.known(0) > 0) {
        caches.reserve(plan(), planner.known(1));
      }
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** A bit for every token of the prompt; the device adds those that it draws. */
  private Tensor tokens(int[] ids, int vocabulary) {
    int[] bits = new int[(vocabulary + 31) / 32];
    for (int id : ids) {
      if (id < vocabulary) { // an image's may be none that can be drawn
        bits[id / 32] |= 1 << id % 32;
      }
    }
    Tensor tensor = arena.alloc("tokens", DType.I32, 1, bits.length);
    device.upload(tensor, MemorySegment.ofArray(bits));
    return tensor;
  }

  // ---- prefill, called by LoadedModel ----

  Caches caches() {
    return caches;
  }

  Workspace workspace(Tensor iota, TensorArena work) {
    return new Workspace(device, arena, work, iota, nonFinite);
  }

  Pruner pruner(Tensor iota, TensorArena work, List<TokenTables> tables) {
    pruner = new Pruner(workspace(iota, work), planner, tables);
    return pruner;
  }

  /** All images are rows of the decoder; every cut before it was counted. */
  void encoded() {
    if (!caches.reserved()) {
      caches.reserve(plan(), planner.known(1));
    }
  }

  /** A cut in the decoder was made, which may have emptied caches, and counted what is behind. */
  void passed(CutPoint cut, Mask mask) {
    if (cut.counted()) {
      caches.reserve(plan(), planner.known(cut.layer() + 1));
    }
    if (cut.compactsCache()) {
      for (int l = 0; l < cut.layer(); l++) {
        caches.filled(l, mask);
      }
    }
  }

  /** The prompt is read and its logits are there: draws the first token. */
  void begin(long start, long seen) {
    this.start = start;
    this.seen = seen;
    this.lastStep = caches.steps().only(model.decoder().layers() - 1);
    device.sample(id, tokens, logits, caches.lastOfPrompt(plan()), nonFinite);
    this.read = device.recordEvent();
  }

  // ---- decode ----

  /**
   * The next token of the answer.
   *
   * @throws InputException if a score or a logit was not finite, naming the place
   */
  public int next() {
    if (drawn > 0) {
      step();
    }
    device.download(hostId, id);
    int token = hostId.get(ValueLayout.JAVA_INT, 0);
    if (token < 0) {
      throw notFinite();
    }
    drawn++;
    return token;
  }

  /** Embeds the token that was drawn last, runs the layers on one row, draws the next. */
  private void step() {
    Decoder decoder = model.decoder();
    decoder.embed(row.x(), id);
    for (int l = 0; l < decoder.layers(); l++) {
      decoder.step(l, row, caches.step(l));
    }
    decoder.logits(logits, row);
    device.sample(id, tokens, logits, lastStep, nonFinite);
    device.advance(caches.steps());
  }

  private InputException notFinite() {
    for (Stage stage : pruner.stages()) {
      if (stage.score() != null) {
        stage.checkFinite(floats(stage.score()));
      }
    }
    if (ints(nonFinite)[0] != 0) {
      return new InputException(
          "a visual feature that the pruning method compares is not finite; the weights are damaged");
    }
    return new InputException(
        "a logit of generated token "
            + (drawn + 1)
            + " is not finite; the weights are damaged or overflow "
            + model.dtype().label());
  }

  // ---- what was done ----

  /** The counts of the answer, as far as they are known by now. */
  public Plan plan() {
    return pruner == null ? planner.plan(planner.bounds()) : pruner.choices().plan();
  }

  /** Tokens that may be drawn. */
  public int tokenBudget() {
    return plan().tokenBudget();
  }

  /** The cuts that were made, in order of flow; their tensors live as long as this. */
  public List<Stage> stages() {
    return List.copyOf(pruner.stages());
  }

  /** Copies an i32 tensor of a stage to the host. */
  public int[] ints(Tensor tensor) {
    int[] values = new int[tensor.rows()];
    device.download(MemorySegment.ofArray(values), tensor);
    return values;
  }

  /** Copies an f32 tensor to the host: a stage's scores. */
  public float[] floats(Tensor tensor) {
    float[] values = new float[tensor.rank() == 1 ? tensor.rows() : tensor.rows() * tensor.width()];
    device.download(MemorySegment.ofArray(values), tensor);
    return values;
  }

  /** Where the logits of a step go: f32 {@code [1, V]}. */
  Tensor logitRow() {
    return logits;
  }

  /** How its tokens are drawn. */
  public Sampling sampling() {
    return sampling;
  }

  /**
   * Logits of the token drawn last, before penalty and temperature: one per row of the output head.
   */
  public float[] logits() {
    return floats(logits);
  }

  /** Rows that each layer's cache held when prefill ended. */
  public int[] cachedRows() {
    return plan().cachedRows().clone();
  }

  /** Bytes allocated for keys and values, room for generation and padding included. */
  public long reservedBytes() {
    return caches.bytes();
  }

  /** Milliseconds in tower and projector, pruning there included. */
  public double visionMillis() {
    return device.elapsedMillis(start, seen);
  }

  /** Milliseconds of scores, selection and compaction in all stages. */
  public double pruneMillis() {
    return pruner.millis();
  }

  /** Milliseconds from the first row entering the decoder to the first token. */
  public double prefillMillis() {
    return device.elapsedMillis(seen, read);
  }

  /** Gives the memory back; harmless when repeated. */
  @Override
  public void close() {
    caches.close();
    arena.close();
  }
}
