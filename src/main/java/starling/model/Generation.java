package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import starling.device.Device;
import starling.device.Graph;
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
 * back. A step allocates nothing, is one graph from the second of its kind on ({@link StepMemory}),
 * and one integer comes down per token. One thread at a time.
 */
public final class Generation implements AutoCloseable {
  private final LoadedModel model;
  private final Device device;
  private final Planner planner;
  private final TensorArena arena;
  private final Caches caches;
  private final StepMemory memory;
  private final Tensor tokens; // of the memory; null if they count for nothing
  private final Sampling sampling;
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private final Runnable step = this::step;
  private StepMemory.Shape shape; // of every step
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
    this.sampling = request.sampling();
    this.arena = model.slab().arena("generation");
    this.memory = model.lend();
    this.tokens = sampling.repeats() ? null : memory.tokens();
    this.caches = new Caches(model, request, memory);
    try {
      memory.begin();
      if (tokens != null) {
        tokens(request.ids(), memory.logits().width());
      }
      if (planner.known(0) > 0) {
        caches.reserve(plan(), planner.known(1));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** A bit for every token of the prompt; the device adds those that it draws. */
  private void tokens(int[] ids, int vocabulary) {
    int[] bits = new int[(vocabulary + 31) / 32];
    for (int id : ids) {
      if (id < vocabulary) { // an image's may be none that can be drawn
        bits[id / 32] |= 1 << id % 32;
      }
    }
    device.upload(tokens, MemorySegment.ofArray(bits));
  }

  // ---- prefill, called by LoadedModel ----

  Caches caches() {
    return caches;
  }

  Workspace workspace(Tensor iota, TensorArena work) {
    return new Workspace(device, arena, work, iota, memory.nonFinite());
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
    this.shape = caches.shape();
    this.lastStep = caches.steps().only(model.decoder().layers() - 1);
    Segments last = caches.lastOfPrompt(plan());
    device.sample(memory.id(), tokens, memory.logits(), last, memory.nonFinite());
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
      Graph graph = memory.graph(shape, step);
      if (graph == null) {
        step();
      } else {
        graph.launch();
      }
    }
    device.download(hostId, memory.id());
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
    Decoder.Rows row = memory.row();
    decoder.embed(row.x(), memory.id());
    for (int l = 0; l < decoder.layers(); l++) {
      decoder.step(l, row, caches.stepIn(l));
    }
    decoder.logits(memory.logits(), row);
    device.sample(memory.id(), tokens, memory.logits(), lastStep, memory.nonFinite());
    device.advance(caches.steps());
  }

  private InputException notFinite() {
    for (Stage stage : pruner.stages()) {
      if (stage.score() != null) {
        stage.checkFinite(floats(stage.score()));
      }
    }
    if (ints(memory.nonFinite())[0] != 0) {
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
    return memory.logits();
  }

  /** How its tokens are drawn. */
  public Sampling sampling() {
    return sampling;
  }

  /**
   * Logits of the token drawn last, before penalty and temperature: one per row of the output head.
   */
  public float[] logits() {
    return floats(memory.logits());
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
    if (arena.isOpen()) {
      caches.close();
      arena.close();
      model.giveBack(memory);
    }
  }
}
