package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.Graph;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * What the decode steps of one sequence work in, and the last step as a graph. A model lends it to
 * one question after the other, so a step of the next question has the same addresses: if it has
 * the same classes of capacity too, the graph that the question before left serves it from its
 * first step on.
 */
final class StepMemory implements AutoCloseable {
  /**
   * What a graph has in it beside this memory.
   *
   * @param tensors keys and values of the pool, and what hides some of them, in every layer
   * @param keys the most keys that a step attends to in every layer
   */
  record Shape(List<Tensor> tensors, List<Integer> keys, boolean repeats) {}

  private static final int SMALLEST_CLASS = 256;

  private final Device device;
  private final TensorArena arena;
  private final Decoder.Rows row;
  private final Tensor id; // i32 [1]
  private final Tensor logits; // f32 [1, V]
  private final Tensor tokens; // i32 [1, ⌈V/32⌉]
  private final Tensor nonFinite; // i32 [1]
  private final Tensor table; // i32 [2·layers, 16]: a segment for each layer, of prompt and steps
  private Shape shape; // of the last step
  private Graph graph; // of that shape; null while there was one step of it

  StepMemory(Device device, Decoder decoder, int vocabulary) {
    this.device = device;
    this.arena = device.arena("step");
    try {
      this.row = decoder.rows(arena, 1);
      this.id = arena.alloc("id", DType.I32, 1);
      this.logits = arena.alloc("logits", DType.F32, 1, vocabulary);
      this.tokens = arena.alloc("tokens", DType.I32, 1, Math.ceilDiv(vocabulary, 32));
      this.nonFinite = arena.alloc("nonFinite", DType.I32, 1);
      this.table = arena.alloc("segments", DType.I32, 2 * decoder.layers(), Segments.WIDTH);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Makes it ready for a question. */
  void begin() {
    device.upload(nonFinite, MemorySegment.ofArray(new int[1]));
  }

  /** A number of keys of which there are few: the next power of two. */
  static int classOf(int keys) {
    return Math.max(SMALLEST_CLASS, Integer.highestOneBit(Math.max(1, keys - 1)) << 1);
  }

  /**
   * The graph of a step; null for the first of its shape, which is to be done one operator after
   * the other.
   */
  Graph graph(Shape now, Runnable work) {
    if (!now.equals(shape)) {
      forget();
      shape = now;
      return null;
    }
    if (graph == null) {
      graph = device.graph(work);
    }
    return graph;
  }

  private void forget() {
    shape = null;
    if (graph != null) {
      graph.close();
      graph = null;
    }
  }

  /** The row of a step. */
  Decoder.Rows row() {
    return row;
  }

  Tensor id() {
    return id;
  }

  Tensor logits() {
    return logits;
  }

  /** A bit for every token so far. */
  Tensor tokens() {
    return tokens;
  }

  Tensor nonFinite() {
    return nonFinite;
  }

  Tensor table() {
    return table;
  }

  @Override
  public void close() {
    forget();
    arena.close();
  }
}
