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
import starling.device.InputException;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * One answer in the making: the caches, ragged by layer, and what the next step reads on the
 * device. A step allocates nothing. One integer comes down per token.
 */
public final class Session implements AutoCloseable {
  private final Llava model;
  private final Device device;
  private final Request request;
  private final Plan plan;
  private final TensorArena arena;
  private final Slot slot;
  private final Segments prompt; // i32 [layers, 16]: this sequence in each layer while it is read
  private final Segments steps; // the same from then on
  private final Tensor fault; // i32 [1]
  private final Tensor id; // i32 [1]
  private final Tensor logits; // f32 [1, V]
  private final List<Kv> cache;
  private final AttentionInputs[] inputs; // of a step
  private final Decoder.Rows row;
  private final Segments lastPrompt;
  private final Segments lastStep;
  private final int[] cached;
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private final long reservedBytes;
  private Pruner pruner;
  private int drawn;
  private long start;
  private long seen;
  private long read;

  Session(Llava model, Request request, Plan plan) {
    this.model = model;
    this.device = model.device();
    this.request = request;
    this.plan = plan;
    this.arena = device.arena("session");
    Decoder decoder = model.decoder();
    decoder.reach(plan.positions());
    int layers = decoder.layers();
    this.fault = arena.alloc("fault", DType.I32, 1);
    this.id = arena.alloc("id", DType.I32, 1);
    this.logits = arena.alloc("logits", DType.F32, 1, model.config().text().vocabSize());
    this.row = decoder.rows(arena, 1);
    this.inputs = new AttentionInputs[layers];
    this.cached = plan.cachedRows(request.mode());
    Tensor tables = arena.alloc("segments", DType.I32, 2 * layers, Segments.WIDTH);
    int[] capacity = capacities(layers);
    int rows = IntStream.of(plan.tokensPerLayer()).max().orElseThrow();
    int keys = IntStream.of(capacity).max().orElseThrow();
    this.prompt = new Segments(tables.rows(0, layers), rows, keys);
    this.steps = new Segments(tables.rows(layers, 2 * layers), 1, keys);
    this.lastPrompt = prompt.only(layers - 1);
    this.lastStep = steps.only(layers - 1);
    try {
      device.upload(tables, MemorySegment.ofArray(Segments.table(segments(capacity))));
      this.slot = model.pool().take(capacity);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
    this.cache = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      cache.add(slot.own(l, one(prompt, l, plan.tokensPerLayer()[l], capacity[l])));
    }
    this.reservedBytes = slot.bytes();
  }

  /** This sequence in every layer while the prompt is read, and from then on. */
  private List<Segment> segments(int[] capacity) {
    var list = new ArrayList<Segment>();
    int hidden = request.mode() == Mode.MASK ? 0 : -1;
    for (int l = 0; l < capacity.length; l++) {
      Segment reads = Segment.of(0, plan.tokensPerLayer()[l], 0, capacity[l]);
      list.add(reads.hidden(hidden).drawing(0, request.sampling()));
    }
    for (int l = 0; l < capacity.length; l++) {
      Segment step = Segment.of(0, plan.room() > 1 ? 1 : 0, 0, capacity[l]).behind(cached[l]);
      list.add(step.hidden(hidden).standing(plan.nextPosition()[l]).drawing(1, request.sampling()));
    }
    return list;
  }

  private static Segments one(Segments all, int layer, int rows, int keys) {
    return new Segments(all.table().rows(layer, layer + 1), rows, keys);
  }

  private int[] capacities(int layers) {
    int[] capacity = new int[layers];
    Arrays.setAll(capacity, plan::capacity);
    return capacity;
  }

  // ---- prefill, called by Llava ----

  Pruner pruner(Tensor iota, TensorArena work) {
    pruner =
        new Pruner(
            device, arena, work, iota, fault, plan.cuts(), request.mode(), request.pixels().size());
    return pruner;
  }

  List<Kv> cache() {
    return cache;
  }

  /** Layer {@code l} has taken in its rows; in decode it attends under {@code mask}. */
  void entered(int l, Mask mask) {
    Kv kv = slot.own(l, one(steps, l, 1, slot.capacity(l)));
    inputs[l] = new AttentionInputs(row.q(), kv, mask, model.decoder().scale());
  }

  /** The caches up to layer {@code last} have lost the rows that a cut dropped. */
  void compacted(int last, Mask mask) {
    for (int l = 0; l <= last; l++) {
      entered(l, mask);
    }
  }

  /** The prompt is read: draws the first token. */
  void begin(Tensor lastRow, long start, long seen) {
    this.start = start;
    this.seen = seen;
    model.decoder().logits(logits, lastRow);
    device.sample(id, logits, lastPrompt, fault);
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
    device.sample(id, logits, lastStep, fault);
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
    return plan;
  }

  /** Tokens this session may draw. */
  public int room() {
    return plan.room();
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
    slot.close();
    arena.close();
  }
}
