package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.prune.CutPoint;

/**
 * One answer in the making: the caches, ragged by layer, and what the next step reads on the
 * device. A step allocates nothing. One integer comes down per token.
 */
public final class Session implements AutoCloseable {
  private final LoadedModel model;
  private final Device device;
  private final Request request;
  private final Planner planner;
  private final TensorArena arena;
  private final Tensor tables; // i32 [2·layers, 16]: this sequence in each layer, see segments()
  private final Tensor nonFinite; // i32 [1]
  private final Tensor id; // i32 [1]
  private final Tensor logits; // f32 [1, V]
  private final Kv[] cache;
  private final AttentionInputs[] inputs; // of a step
  private final Mask[] masks;
  private final Decoder.Rows row;
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private Slot slot;
  private Segments steps;
  private Segments lastStep;
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
    int layers = decoder.layers();
    this.nonFinite = arena.alloc("nonFinite", DType.I32, 1);
    this.id = arena.alloc("id", DType.I32, 1);
    this.logits = arena.alloc("logits", DType.F32, 1, model.family().text().vocabSize());
    this.row = decoder.rows(arena, 1);
    this.cache = new Kv[layers];
    this.inputs = new AttentionInputs[layers];
    this.masks = new Mask[layers];
    this.tables = arena.alloc("segments", DType.I32, 2 * layers, Segments.WIDTH);
    try {
      if (planner.known(0) > 0) {
        reserve(planner.known(1));
      }
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /**
   * Takes rows for the keys and values of the first {@code known} layers, and says to the device
   * where they are. Those behind a cut that the device counts wait until its count was read.
   */
  void reserve(int known) {
    model.decoder().reach(plan().positions());
    int layers = cache.length;
    int[] capacity = new int[layers];
    for (int l = 0; l < known; l++) {
      capacity[l] = plan().capacity(l);
    }
    device.upload(tables, MemorySegment.ofArray(Segments.table(segments(capacity, known))));
    if (slot == null) {
      slot = model.pool().take(capacity);
    } else {
      slot.grow(capacity);
    }
    steps =
        new Segments(tables.rows(layers, 2 * layers), 1, IntStream.of(capacity).max().orElse(0));
    lastStep = steps.only(layers - 1);
    for (int l = 0; l < known; l++) {
      cache[l] = slot.own(l, one(l, plan().tokensPerLayer()[l]));
      if (masks[l] != null) {
        entered(l, masks[l]);
      }
    }
  }

  /** This sequence in every layer while the prompt is read, and from then on. */
  private List<Segment> segments(int[] capacity, int known) {
    var list = new ArrayList<Segment>();
    Plan plan = plan();
    int hidden = request.mode() == Mode.MASK ? 0 : -1;
    for (int l = 0; l < capacity.length; l++) {
      Segment reads =
          l < known ? Segment.of(0, plan.tokensPerLayer()[l], 0, capacity[l]) : Segment.idle();
      list.add(reads.hidden(hidden).drawing(0, request.sampling()));
    }
    for (int l = 0; l < capacity.length; l++) {
      Segment step =
          l < known
              ? Segment.of(0, plan.tokenBudget() > 1 ? 1 : 0, 0, capacity[l])
                  .behind(plan.cachedRows()[l])
              : Segment.idle();
      list.add(step.hidden(hidden).standing(plan.nextPosition()[l]).drawing(1, request.sampling()));
    }
    return list;
  }

  /** This sequence alone in a row of the tables. */
  private Segments one(int index, int rows) {
    return new Segments(tables.rows(index, index + 1), rows, slot.capacity(index % cache.length));
  }

  // ---- prefill, called by LoadedModel ----

  Workspace workspace(Tensor iota, TensorArena work) {
    return new Workspace(device, arena, work, iota, nonFinite);
  }

  Pruner pruner(Tensor iota, TensorArena work, List<TokenTables> tables) {
    pruner = new Pruner(workspace(iota, work), planner, tables);
    return pruner;
  }

  /** Keys and values of a layer while the prompt is read. */
  Kv cache(int l) {
    return cache[l];
  }

  /** Layer {@code l} has taken in its rows; in decode it attends under {@code mask}. */
  void entered(int l, Mask mask) {
    masks[l] = mask;
    Kv kv = slot.own(l, one(cache.length + l, 1));
    inputs[l] = new AttentionInputs(row.q(), kv, mask, model.decoder().scale());
  }

  /** The first {@code n} layers' keys and values while the prompt is read. */
  List<Kv> caches(int n) {
    return Arrays.asList(cache).subList(0, n);
  }

  /** All images are rows of the decoder; every cut before it was counted. */
  void encoded() {
    if (slot == null) {
      reserve(planner.known(1));
    }
  }

  /** A cut in the decoder was made, which may have emptied caches, and counted what is behind. */
  void passed(CutPoint cut, Mask mask) {
    if (cut.counted()) {
      reserve(planner.known(cut.layer() + 1));
    }
    if (cut.compactsCache()) {
      for (int l = 0; l < cut.layer(); l++) {
        entered(l, mask);
      }
    }
  }

  /** The prompt is read: draws the first token. */
  void begin(Tensor lastRow, long start, long seen) {
    this.start = start;
    this.seen = seen;
    model.decoder().logits(logits, lastRow);
    device.sample(
        id, logits, one(cache.length - 1, plan().tokensPerLayer()[cache.length - 1]), nonFinite);
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
    for (int l = 0; l < inputs.length; l++) {
      decoder.attend(l, row, inputs[l], null, null);
      decoder.finish(l, row);
    }
    decoder.logits(logits, row.x());
    device.sample(id, logits, lastStep, nonFinite);
    device.advance(steps);
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
                  + " (image "
                  + stage.image()
                  + ", "
                  + stage.where().label()
                  + " block "
                  + stage.layer()
                  + ") is not finite; the weights are damaged");
        }
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

  public Plan plan() {
    return pruner == null ? planner.plan(planner.bounds()) : pruner.plan();
  }

  /** Tokens this session may draw. */
  public int tokenBudget() {
    return plan().tokenBudget();
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
    return plan().cachedRows().clone();
  }

  /** Bytes allocated for keys and values, room for generation and padding included. */
  public long reservedBytes() {
    return slot.bytes();
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

  @Override
  public void close() {
    if (slot != null) {
      slot.close();
    }
    arena.close();
  }
}
