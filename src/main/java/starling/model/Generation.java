package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Sampling;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.prune.CutPoint;

/**
 * The life of one question on the device. {@link LoadedModel#prefill} reads the prompt and draws
 * the first token, {@link Batch#step} draws the next of several questions at once, {@link #next} of
 * this one alone; {@link #close} gives the memory back. One integer comes down per token. One
 * thread at a time.
 */
public final class Generation implements AutoCloseable {
  private final LoadedModel model;
  private final Device device;
  private final Request request;
  private final Planner planner;
  private final TensorArena arena;
  private final Caches caches;
  private final Tensor id; // i32 [1]: the first token
  private final Tensor promptLogits; // f32 [1, V]
  private final Tensor noted; // i32 [1, ⌈V/32⌉]: seen, for the first token; null if it is not asked
  private final Tensor nonFinite; // i32 [1]
  private final int[] seen; // a bit for every token so far; null if they count for nothing
  private final MemorySegment hostId = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);
  private final List<Generation> alone = List.of(this);
  private Pruner pruner;
  private Tensor logits; // of the last token, f32 [1, V]; null when others have stepped since
  private int token; // drawn last
  private int drawn;
  private long start; // events of the device: the tower begins, the decoder, the first token
  private long begun;
  private long read;

  Generation(LoadedModel model, Request request, Planner planner) {
    this(model, request, planner, null);
  }

  /**
   * @param of the generation whose prompt this goes on from; null for one that reads its own
   */
  private Generation(LoadedModel model, Request request, Planner planner, Generation of) {
    this.model = model;
    this.device = model.device();
    this.request = request;
    this.planner = planner;
    this.arena = model.slab().arena("generation");
    try {
      int vocabulary = model.family().text().vocabSize();
      int layers = model.decoder().layers();
      boolean notes = !request.sampling().repeats();
      this.id = arena.empty("id", DType.I32, 1);
      this.promptLogits =
          of == null ? arena.empty("logits", DType.F32, 1, vocabulary) : of.promptLogits;
      this.noted = notes ? arena.empty("seen", DType.I32, 1, Math.ceilDiv(vocabulary, 32)) : null;
      this.nonFinite = of == null ? arena.empty("nonFinite", DType.I32, 1) : of.nonFinite;
      this.seen = notes ? new int[Math.ceilDiv(vocabulary, 32)] : null;
      this.logits = promptLogits;
      Tensor table = arena.empty("segments", DType.I32, layers, Segments.WIDTH);
      this.caches =
          of == null
              ? new Caches(model, request, table)
              : of.caches.copy(request, table, of.plan());
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
    try {
      if (of == null) {
        device.upload(nonFinite, MemorySegment.ofArray(new int[1]));
      }
      if (seen != null) {
        note(request.ids(), vocabulary());
      }
      if (of == null && planner.known(0) > 0) {
        caches.reserve(plan(), planner.known(1));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private int vocabulary() {
    return promptLogits.width();
  }

  /** A bit for every token of the prompt; the device adds those that it draws. */
  private void note(int[] ids, int vocabulary) {
    for (int i : ids) {
      if (i < vocabulary) { // an image's may be none that can be drawn
        seen[i / 32] |= 1 << i % 32;
      }
    }
    device.upload(noted, MemorySegment.ofArray(seen));
  }

  /**
   * Another answer to the same prompt, which is not read again: its keys and values are copied. To
   * be asked for before this one's second token, and closed before this one.
   *
   * @param sampling how its tokens are drawn, with this one's repetition penalty
   */
  public Generation again(Sampling sampling) {
    if (drawn > 1) {
      throw new IllegalStateException("an answer has begun; another one needs its prompt's logits");
    }
    var other = new Generation(model, request.sampling(sampling), planner, this);
    try {
      other.pruner = pruner;
      other.begin(start, begun);
    } catch (RuntimeException e) {
      other.close();
      throw e;
    }
    return other;
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
  void begin(long start, long begun) {
    this.start = start;
    this.begun = begun;
    device.sample(id, noted, promptLogits, caches.lastOfPrompt(plan()), nonFinite);
    this.read = device.recordEvent();
  }

  // ---- decode ----

  /**
   * The next token of the answer, drawn alone.
   *
   * @throws InputException if a score or a logit was not finite, naming the place
   */
  public int next() {
    if (drawn == 0) {
      first();
    } else {
      model.batch().step(alone);
    }
    return token();
  }

  /** Waits for the prompt and its first token, which is then {@link #token}. */
  public void first() {
    device.download(hostId, id);
    drew(hostId.get(ValueLayout.JAVA_INT, 0));
  }

  /** A step has drawn a token of this. */
  void drew(int next) {
    token = next;
    drawn++;
    if (seen != null && next >= 0) {
      seen[next / 32] |= 1 << next % 32;
    }
  }

  /**
   * The token that was drawn last.
   *
   * @throws InputException if a score or a logit was not finite, naming the place
   */
  public int token() {
    if (token < 0) {
      throw notFinite();
    }
    return token;
  }

  /** Its segment of layer {@code l} in the next step, of which it is row {@code place}. */
  Segment segment(int l, int place) {
    return caches.inStep(plan(), l, place, drawn);
  }

  /** Rows of layer {@code l}'s cache. */
  int capacity(int l) {
    return caches.slot().capacity(l);
  }

  /** The tensors in which its keys and values lie. */
  Kv keysInPool(Segments segments) {
    return caches.slot().shared(segments);
  }

  /** The keys in which those of all its layers lie, and others'. */
  Tensor keys() {
    return caches.slot().keys();
  }

  /** Which keys of layer {@code l} a step sees. */
  Mask mask(int l) {
    return caches.mask(l);
  }

  /** Whether steps do not see all keys, so that it steps alone. */
  boolean hides() {
    return request.mode() == Mode.MASK;
  }

  /** A bit for every token so far; null if they count for nothing. */
  int[] seen() {
    return seen;
  }

  /** From now on the logits of its last token are there. */
  void sitsAt(Tensor row) {
    logits = row;
  }

  /** Others get the place where its logits are. */
  void rises() {
    logits = null;
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
            + drawn
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
    return promptLogits;
  }

  /** How its tokens are drawn. */
  public Sampling sampling() {
    return request.sampling();
  }

  /**
   * Logits of the token drawn last, before penalty and temperature: one per row of the output head.
   * To be read before others step.
   */
  public float[] logits() {
    if (logits == null) {
      throw new IllegalStateException("other answers have stepped since these logits were made");
    }
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
    return device.elapsedMillis(start, begun);
  }

  /** Milliseconds of scores, selection and compaction in all stages. */
  public double pruneMillis() {
    return pruner.millis();
  }

  /** Milliseconds from the first row entering the decoder to the first token. */
  public double prefillMillis() {
    return device.elapsedMillis(begun, read);
  }

  /** Gives the memory back; harmless when repeated. */
  @Override
  public void close() {
    if (arena.isOpen()) {
      model.batch().leaves(this);
      caches.close();
      arena.close();
    }
  }
}
