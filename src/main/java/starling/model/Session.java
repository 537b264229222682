package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.InputException;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * One answer in the making: the caches, ragged by layer, and what the next step reads on the
 * device. A step allocates nothing. One integer comes down per token.
 */
public final class Session implements AutoCloseable {
  private final LoadedModel model;
  private final Device device;
  private final Request request;
  private final Planner planner;
  private final Plan plan;
  private final TensorArena arena;
  private final Tensor lengths; // i32 [layers]
  private final Tensor[] position; // i32 [1] for each layer
  private final Tensor step; // i32 [1]
  private final Tensor stepCounters; // lengths, positions and step in one
  private final Tensor fault; // i32 [1]
  private final Tensor id; // i32 [1]
  private final Tensor logits; // f32 [1, V]
  private final List<Kv> cache;
  private final Decoder.Rows row;
  private final Mask[] masks;
  private final int[] cached;
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private final Runnable decodeStep = this::decodeStep;
  private final long reservedBytes;
  private Pruner pruner;
  private int drawn;
  private long start;
  private long seen;
  private long read;

  Session(LoadedModel model, Request request, Planner planner) {
    this.model = model;
    this.device = model.device();
    this.request = request;
    this.planner = planner;
    this.arena = device.arena("session");
    Decoder decoder = model.decoder();
    this.plan = planner.plan(planner.bounds());
    decoder.reach(plan.positions());
    int layers = decoder.layers();
    this.stepCounters = arena.alloc("counters", DType.I32, 2 * layers + 1);
    this.lengths = stepCounters.rows(0, layers);
    this.position = new Tensor[layers];
    for (int l = 0; l < layers; l++) {
      position[l] = stepCounters.rows(layers + l, layers + l + 1);
    }
    this.step = stepCounters.rows(2 * layers, 2 * layers + 1);
    this.fault = arena.alloc("fault", DType.I32, 1);
    this.id = arena.alloc("id", DType.I32, 1);
    this.logits = arena.alloc("logits", DType.F32, 1, model.family().text().vocabSize());
    this.row = decoder.rows(arena, 1);
    this.masks = new Mask[layers];
    this.cached = new int[layers];
    long before = arena.bytes();
    this.cache = decoder.cache(arena, lengths, capacities(layers));
    this.reservedBytes = arena.bytes() - before;
  }

  private int[] capacities(int layers) {
    int[] capacity = new int[layers];
    Arrays.setAll(capacity, plan::capacity);
    return capacity;
  }

  // ---- prefill, called by Llava ----

  Workspace workspace(Tensor iota, TensorArena work) {
    return new Workspace(device, arena, work, iota, fault);
  }

  Pruner pruner(Tensor iota, TensorArena work, List<TokenTables> tables) {
    pruner = new Pruner(workspace(iota, work), planner, tables);
    return pruner;
  }

  List<Kv> cache() {
    return cache;
  }

  /** Layer {@code l} has taken in its rows; in decode it attends under {@code mask}. */
  void entered(int l, int rows, Mask mask) {
    cached[l] = rows;
    masks[l] = mask;
  }

  /** The caches up to layer {@code last} have lost the rows that a cut dropped. */
  void compacted(int last, int rows, Mask mask) {
    for (int l = 0; l <= last; l++) {
      entered(l, rows, mask);
    }
  }

  /** The prompt is read: sets what the steps count from, and draws the first token. */
  void begin(Tensor lastRow, long start, long seen) {
    this.start = start;
    this.seen = seen;
    for (int l = 0; l < cached.length; l++) {
      device.advance(lengths.rows(l, l + 1), cached[l]);
      device.advance(position[l], plan().nextPosition()[l]);
    }
    model.decoder().logits(logits, lastRow);
    device.sample(id, logits, request.sampling(), step, fault);
    device.advance(step, 1);
    this.read = device.mark();
  }

  // ---- decode ----

  /**
   * The next token of the answer.
   *
   * @throws InputException if a score or a logit was not finite, naming the place
   */
  public int next() {
    if (drawn > 0) {
      device.repeat(this, decodeStep);
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
  private void decodeStep() {
    Decoder decoder = model.decoder();
    decoder.embed(row.x(), id);
    for (int l = 0; l < masks.length; l++) {
      decoder.attend(l, row, cache.get(l), position[l], masks[l], null);
      decoder.finish(l, row);
    }
    decoder.logits(logits, row.x());
    device.sample(id, logits, request.sampling(), step, fault);
    device.advance(stepCounters, 1);
  }

  private InputException notFinite() {
    for (Stage stage : pruner.stages()) {
      float[] scores = stage.score() == null ? new float[0] : floats(stage.score());
      for (int j = 0; j < scores.length; j++) {
        if (!Float.isFinite(scores[j])) {
          return new InputException(
              "the score of candidate "
                  + j
                  + " in stage "
                  + stage.stage()
                  + " (picture "
                  + stage.image()
                  + ", "
                  + stage.where().label()
                  + " block "
                  + stage.layer()
                  + ") is not finite; the weights are damaged");
        }
      }
    }
    if (ints(fault)[0] != 0) {
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

  public Plan plan() {
    return pruner == null ? plan : pruner.plan();
  }

  /** Tokens this session may draw. */
  public int room() {
    return plan().room();
  }

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

  /** Logits of the token drawn last, before temperature: one per row of the output head. */
  public float[] logits() {
    return floats(logits);
  }

  /** Rows each layer's cache held when prefill ended. */
  public int[] cachedRows() {
    return cached.clone();
  }

  /** Bytes allocated for keys and values, room for generation and padding included. */
  public long reservedBytes() {
    return reservedBytes;
  }

  /** Milliseconds in tower and projector, pruning there included. */
  public double visionMillis() {
    return device.millis(start, seen);
  }

  /** Milliseconds of scores, selection and compaction in all stages. */
  public double pruneMillis() {
    return pruner.millis();
  }

  /** Milliseconds from the first row entering the decoder to the first token. */
  public double prefillMillis() {
    return device.millis(seen, read);
  }

  @Override
  public void close() {
    arena.close();
  }
}
