package starling.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.device.Arguments;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Device;
import starling.device.Graph;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The decode steps of a model. A step draws the next token of up to {@link #PLACES} sequences, each
 * of which has a place: a row of the activations and, in every layer, a row of the table that says
 * where its keys are. As long as the same sequences step together nothing is sent to the device;
 * when one comes or goes, the places are told anew. The second step of a kind is made a graph, and
 * a few graphs are kept.
 *
 * <p>What a sequence draws does not depend on the others: products of up to {@link #PLACES} rows
 * have the bits of one row, and attention goes by the table. One thread at a time.
 */
public final class Batch implements AutoCloseable {
  /** The most sequences of a step. */
  public static final int PLACES = Arguments.STEP_CALL;

  private static final int SMALLEST_CLASS = 256;
  private static final int KINDS = 8;

  /**
   * What a graph has in it beside this memory.
   *
   * @param places rows of the step, idle ones included
   * @param tensors keys and values of the pool, and what hides some of them, in every layer
   * @param keys the most keys that a sequence attends to in every layer
   * @param angles of the rotary embeddings, which grow with the positions that are asked for
   * @param penalizes whether tokens are noted, for a repetition penalty
   */
  private record Shape(
      int places, List<Tensor> tensors, List<Integer> keys, Rope angles, boolean penalizes) {}

  private final Device device;
  private final Decoder decoder;
  private final TensorArena arena;
  private final Decoder.Rows[] rows = new Decoder.Rows[PLACES + 1]; // by places
  private final Decoder.Rows all;
  private final Tensor told; // i32 [places + 16·layers·places]: the ids, then the table
  private final Tensor logits; // f32 [places, V]
  private final Tensor seen; // i32 [places, ⌈V/32⌉]
  private final Tensor nonFinite; // i32 [places]
  private final MemorySegment drawn = Arena.ofAuto().allocate(4L * PLACES, 4);
  private final Map<Shape, Kind> kinds = new LinkedHashMap<>();
  private final Runnable work = this::work;

  private final List<Generation> sitting = new ArrayList<>(); // whose logits are here
  private List<Generation> members = List.of(); // those, if the device has them as they are
  private Kind kind;
  private boolean penalizes;
  private Decoder.Rows row;
  private Tensor ids;
  private Tensor rowLogits;
  private Tensor rowSeen;
  private Tensor rowNonFinite;
  private Segments table;
  private Segments lastLayer;
  private final AttentionInputs[] layers;

  Batch(Device device, Decoder decoder, int vocabulary) {
    this.device = device;
    this.decoder = decoder;
    this.layers = new AttentionInputs[decoder.layers()];
    this.arena = device.arena("step");
    try {
      this.all = decoder.rows(arena, PLACES);
      this.told =
          arena.alloc(
              "ids and segments", DType.I32, PLACES * (1 + decoder.layers() * Segments.WIDTH));
      this.logits = arena.alloc("logits", DType.F32, PLACES, vocabulary);
      this.seen = arena.alloc("seen", DType.I32, PLACES, Math.ceilDiv(vocabulary, 32));
      this.nonFinite = arena.alloc("nonFinite", DType.I32, PLACES);
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** A number of keys of which there are few: the next power of two. */
  static int classOf(int keys) {
    return Math.max(SMALLEST_CLASS, Integer.highestOneBit(Math.max(1, keys - 1)) << 1);
  }

  /** A number of places of which there are few, so that a graph serves many batches. */
  static int placesFor(int sequences) {
    int power = Math.max(1, Integer.highestOneBit(sequences));
    return sequences == power
        ? power
        : sequences <= power + power / 2 ? power + power / 2 : 2 * power;
  }

  /**
   * Draws the next token of every sequence, each of which has its first. Their logits are there
   * until others step.
   *
   * @param together one of the {@link #groups}
   */
  public void step(List<Generation> together) {
    if (!sit(together)) {
      seat(together);
    }
    List<Generation> stepping = members;
    members = List.of(); // if it fails nobody knows what they have
    kind.step();
    device.download(drawn, ids);
    for (int i = 0; i < stepping.size(); i++) {
      stepping.get(i).drew(drawn.get(ValueLayout.JAVA_INT, 4L * i));
    }
    members = stepping;
  }

  /**
   * Who can step together: those whose keys lie in the same memory, up to {@value #PLACES} at a
   * time. One in mask mode goes alone.
   */
  public static List<List<Generation>> groups(List<Generation> sequences) {
    var byMemory = new LinkedHashMap<Object, List<Generation>>();
    for (Generation sequence : sequences) {
      Object key = sequence.hides() ? sequence : sequence.keys();
      byMemory.computeIfAbsent(key, k -> new ArrayList<>()).add(sequence);
    }
    var groups = new ArrayList<List<Generation>>();
    for (List<Generation> all : byMemory.values()) {
      for (int i = 0; i < all.size(); i += PLACES) {
        groups.add(all.subList(i, Math.min(all.size(), i + PLACES)));
      }
    }
    return groups;
  }

  /** Whether these stepped last, in this order. */
  private boolean sit(List<Generation> together) {
    boolean same = members.size() == together.size();
    for (int i = 0; same && i < members.size(); i++) { // no iterator: a step allocates nothing
      same = members.get(i) == together.get(i);
    }
    return same;
  }

  /** Steps of a shape: the first operator by operator, from the second on as a graph. */
  private final class Kind {
    private boolean done;
    private Graph graph;

    void step() {
      if (!done) {
        work.run();
        done = true;
        return;
      }
      if (graph == null) {
        graph = device.graph(work);
      }
      graph.launch();
    }

    void close() {
      if (graph != null) {
        graph.close();
      }
    }
  }

  /** The steps of a shape; those of the eldest are forgotten if there are many. */
  private Kind kind(Shape shape) {
    Kind known = kinds.get(shape);
    if (known == null) {
      if (kinds.size() == KINDS) {
        kinds.remove(kinds.keySet().iterator().next()).close();
      }
      known = new Kind();
      kinds.put(shape, known);
    }
    return known;
  }

  /** Tells the device who steps from now on, and where each of them is. */
  private void seat(List<Generation> together) {
    sitting.forEach(Generation::rises);
    sitting.clear();
    int places = placesFor(together.size());
    var segments = new ArrayList<Segment>();
    for (int l = 0; l < layers.length; l++) {
      for (int place = 0; place < places; place++) {
        segments.add(
            place < together.size() ? together.get(place).segment(l, place) : Segment.idle());
      }
    }
    int[] table = Segments.table(segments);
    int[] values = new int[PLACES + table.length];
    System.arraycopy(table, 0, values, PLACES, table.length);
    penalizes = false;
    for (int place = 0; place < together.size(); place++) {
      Generation member = together.get(place);
      values[place] = member.token();
      member.sitsAt(logits.rows(place, place + 1));
      sitting.add(member);
      if (!member.sampling().repeats()) {
        penalizes = true;
        device.upload(seen.rows(place, place + 1), MemorySegment.ofArray(member.seen()));
      }
    }
    device.upload(told.rows(0, values.length), MemorySegment.ofArray(values));
    arrange(together, places);
    members = List.copyOf(together);
  }

  /** Makes the views that a step of these sequences takes. */
  private void arrange(List<Generation> together, int places) {
    if (rows[places] == null) {
      rows[places] = all.first(places);
    }
    row = rows[places];
    ids = told.rows(0, places);
    rowLogits = logits.rows(0, places);
    rowSeen = seen.rows(0, places);
    rowNonFinite = nonFinite.rows(0, places);
    Generation first = together.getFirst();
    var tensors = new ArrayList<Tensor>();
    var keys = new ArrayList<Integer>();
    for (int l = 0; l < layers.length; l++) {
      int layer = l;
      int most = together.stream().mapToInt(member -> member.capacity(layer)).max().orElse(1);
      Segments own = new Segments(table(l * places, places), 1, classOf(most));
      Kv kv = first.keysInPool(own);
      Mask mask = first.mask(l);
      layers[l] = new AttentionInputs(row.q(), kv, mask, decoder.scale());
      tensors.add(kv.k());
      tensors.add(kv.v());
      if (mask.hidden() != null) {
        tensors.add(mask.hidden());
      }
      keys.add(own.keys());
    }
    int most = keys.stream().mapToInt(n -> n).max().orElse(1);
    table = new Segments(table(0, layers.length * places), 1, most);
    lastLayer = layers[layers.length - 1].kv().segments();
    kind = kind(new Shape(places, tensors, keys, decoder.angles(), penalizes));
  }

  private Tensor table(int first, int count) {
    int from = PLACES + first * Segments.WIDTH;
    return told.rows(from, from + count * Segments.WIDTH).fold(Segments.WIDTH);
  }

  /** Embeds the tokens that were drawn last, runs the layers on a row each, draws the next. */
  private void work() {
    decoder.embed(row.x(), ids);
    for (int l = 0; l < layers.length; l++) {
      decoder.step(l, row, layers[l]);
    }
    decoder.stepLogits(rowLogits, row);
    device.sample(ids, penalizes ? rowSeen : null, rowLogits, lastLayer, rowNonFinite);
    device.advance(table);
  }

  /** Knows a sequence no longer, whose rows others may get. */
  void leaves(Generation member) {
    if (members.contains(member)) {
      members = List.of();
    }
    sitting.remove(member);
  }

  @Override
  public void close() {
    kinds.values().forEach(Kind::close);
    kinds.clear();
    members = List.of();
    arena.close();
  }
}
