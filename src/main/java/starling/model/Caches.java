package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.AttentionInputs;
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
  private final Tensor stepQueries;
  private final Tensor table; // i32 [2·layers, 16]: a segment for each layer, of prompt and steps
  private final Kv[] prompt;
  private final AttentionInputs[] steps;
  private final Mask[] masks;
  private Slot slot;
  private Segments allSteps;

  Caches(LoadedModel model, Request request, StepMemory steps) {
    int layers = model.decoder().layers();
    this.model = model;
    this.request = request;
    this.stepQueries = steps.row().q();
    this.table = steps.table();
    this.prompt = new Kv[layers];
    this.steps = new AttentionInputs[layers];
    this.masks = new Mask[layers];
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
    int layers = prompt.length;
    int[] capacity = new int[layers];
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
    int most = IntStream.of(capacity).max().orElse(0);
    allSteps = new Segments(table.rows(layers, 2 * layers), 1, most);
    for (int l = 0; l < known; l++) {
      prompt[l] = slot.own(l, alone(l, plan.tokensPerLayer()[l]));
      if (masks[l] != null) {
        filled(l, masks[l]);
      }
    }
  }

  /** This sequence in every layer while the prompt is read, and from then on. */
  private List<Segment> segments(Plan plan, int[] capacity, int known) {
    var list = new ArrayList<Segment>();
    int hidden = request.mode() == Mode.MASK ? 0 : -1;
    for (int l = 0; l < capacity.length; l++) {
      Segment reads =
          l < known ? Segment.of(0, plan.tokensPerLayer()[l], 0, capacity[l]) : Segment.idle();
      list.add(reads.hidden(hidden).drawing(0, request.sampling()));
    }
    int rows = plan.tokenBudget() > 1 ? 1 : 0;
    for (int l = 0; l < capacity.length; l++) {
      Segment step =
          l < known
              ? Segment.of(0, rows, slot.at(l), capacity[l]).behind(plan.cachedRows()[l])
              : Segment.idle();
      list.add(step.hidden(hidden).standing(plan.nextPosition()[l]).drawing(1, request.sampling()));
    }
    return list;
  }

  /** This sequence alone in layer {@code l} while the prompt is read. */
  private Segments alone(int l, int rows) {
    return new Segments(table.rows(l, l + 1), rows, slot.capacity(l));
  }

  /** Its segment of a step, in the pool: with a class of capacity, of which there are few. */
  private Segments step(int l, int capacity) {
    int index = prompt.length + l;
    return new Segments(table.rows(index, index + 1), 1, StepMemory.classOf(capacity));
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
    Kv own = slot.shared(step(l, slot.capacity(l)));
    steps[l] = new AttentionInputs(stepQueries, own, mask, model.decoder().scale());
  }

  /** What a graph of a step depends on. */
  StepMemory.Shape shape() {
    var tensors = new ArrayList<Tensor>();
    var keys = new ArrayList<Integer>();
    for (AttentionInputs step : steps) {
      tensors.add(step.kv().k());
      tensors.add(step.kv().v());
      if (step.mask().hidden() != null) {
        tensors.add(step.mask().hidden());
      }
      keys.add(step.kv().segments().keys());
    }
    return new StepMemory.Shape(tensors, keys, request.sampling().repeats());
  }

  /** What a step attends to in layer {@code l}. */
  AttentionInputs stepIn(int l) {
    return steps[l];
  }

  /** This sequence in all layers, which a step advances. */
  Segments steps() {
    return allSteps;
  }

  /** The last layer's segment: of the prompt with its rows in that layer. */
  Segments lastOfPrompt(Plan plan) {
    int last = prompt.length - 1;
    return alone(last, plan.tokensPerLayer()[last]);
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
