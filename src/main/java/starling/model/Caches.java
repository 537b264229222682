package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;

/**
 * The keys and values of one sequence in every decoder layer: its {@link Slot}, and where each
 * layer finds it, while the prompt is read and in the steps behind it.
 */
final class Caches implements AutoCloseable {
  private final LoadedModel model;
  private final Request request;
  private final Tensor table; // i32 [layers, 16]: a segment for each layer, of the prompt
  private final Kv[] prompt;
  private final Mask[] masks;
  private Slot slot;

  /**
   * @param table i32 {@code [layers, 16]}
   */
  Caches(LoadedModel model, Request request, Tensor table) {
    int layers = model.decoder().layers();
    this.model = model;
    this.request = request;
    this.table = table;
    this.prompt = new Kv[layers];
    this.masks = new Mask[layers];
  }

  /**
   * The same keys and values in rows of their own.
   *
   * @param request of the copy
   * @param table i32 {@code [layers, 16]}
   * @param plan of both, all of it known
   */
  Caches copy(Request request, Tensor table, Plan plan) {
    var copy = new Caches(model, request, table);
    int[] capacity = slot.rows().capacity();
    copy.model
        .device()
        .upload(
            table,
            MemorySegment.ofArray(Segments.table(copy.segments(plan, capacity, capacity.length))));
    System.arraycopy(masks, 0, copy.masks, 0, masks.length);
    copy.slot = slot.copy();
    return copy;
  }

  /** Whether there are rows for any layer. */
  boolean reserved() {
    return slot != null;
  }

  /**
   * Takes rows for the first {@code known} layers, and says to the device where they are. Those
   * behind a cut that the device counts wait until its count was read.
   */
  void reserve(Plan plan, int known) {
    model.decoder().reach(plan.positions());
    int[] capacity = new int[prompt.length];
    for (int l = 0; l < known; l++) {
      capacity[l] = plan.capacity(l);
    }
    if (slot == null) {
      slot = model.pool().take(capacity);
    } else {
      slot.grow(capacity);
    }
    List<Segment> segments = segments(plan, capacity, known);
    model.device().upload(table, MemorySegment.ofArray(Segments.table(segments)));
    for (int l = 0; l < known; l++) {
      prompt[l] = slot.own(l, alone(l, plan.tokensPerLayer()[l]));
    }
  }

  /** This sequence in every layer while the prompt is read. */
  private List<Segment> segments(Plan plan, int[] capacity, int known) {
    var list = new ArrayList<Segment>();
    for (int l = 0; l < capacity.length; l++) {
      Segment reads =
          l < known ? Segment.of(0, plan.tokensPerLayer()[l], 0, capacity[l]) : Segment.idle();
      list.add(reads.hidden(hidden()).drawing(0, request.sampling()));
    }
    return list;
  }

  private int hidden() {
    return request.mode() == Mode.MASK ? 0 : -1;
  }

  /** This sequence alone in layer {@code l} while the prompt is read. */
  private Segments alone(int l, int rows) {
    return new Segments(table.rows(l, l + 1), rows, slot.capacity(l));
  }

  /**
   * Layers that hold the first rows of the prompt already, while the others are read.
   *
   * @param rows that they hold
   * @param behind i32 {@code [layers, 16]}
   */
  List<Kv> behind(int rows, Plan plan, Tensor behind) {
    var segments = new ArrayList<Segment>();
    var layers = new ArrayList<Kv>();
    for (int l = 0; l < behind.rows(); l++) {
      int more = plan.tokensPerLayer()[l] - rows;
      segments.add(Segment.of(0, more, 0, slot.capacity(l)).behind(rows));
      layers.add(slot.own(l, new Segments(behind.rows(l, l + 1), more, slot.capacity(l))));
    }
    model.device().upload(behind, MemorySegment.ofArray(Segments.table(segments)));
    return layers;
  }

  /** Layer {@code l}'s while the prompt is read. */
  Kv whilePrompt(int l) {
    return prompt[l];
  }

  /** The first {@code n} layers' while the prompt is read. */
  List<Kv> whilePromptOfFirst(int n) {
    return Arrays.asList(prompt).subList(0, n);
  }

  /** Layer {@code l} has taken in the prompt's rows; steps attend to them under {@code mask}. */
  void filled(int l, Mask mask) {
    masks[l] = mask;
  }

  /** The last layer's segment: of the prompt with its rows in that layer. */
  Segments lastOfPrompt(Plan plan) {
    int last = prompt.length - 1;
    return alone(last, plan.tokensPerLayer()[last]);
  }

  // ---- in steps ----

  /**
   * Its segment of layer {@code l} in the step that draws token {@code drawn}.
   *
   * @param place its row of the step
   * @param drawn tokens drawn before, at least 1
   */
  Segment inStep(Plan plan, int l, int place, int drawn) {
    return Segment.of(place, 1, slot.at(l), slot.capacity(l))
        .behind(plan.cachedRows()[l] + drawn - 1)
        .hidden(hidden())
        .standing(plan.nextPosition()[l] + drawn - 1)
        .drawing(drawn, request.sampling());
  }

  /** Which keys of layer {@code l} a step sees. */
  Mask mask(int l) {
    return masks[l];
  }

  /** The rows of the pool, as {@link Slot}. */
  Slot slot() {
    return slot;
  }

  /** Bytes of keys and values, room for generation and padding included. */
  long bytes() {
    return slot.bytes();
  }

  @Override
  public void close() {
    if (slot != null) {
      slot.close();
    }
  }
}
