import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A way through a loop, or through a kernel beside its loops.
 *
 * <p>Of all ways it is the one with the most tensor-core products; of these the one that loads the
 * most sixteen bytes at a time (without products: the most bytes); of these the one with the fewest
 * instructions: a full tile in the middle, edges aside. A loop inside counts as one pass.
 *
 * @param way its instructions
 * @param inner of each loop inside the jump back
 */
record Region(List<Instruction> way, List<Instruction> inner, boolean loop) {
  private static final int SMALL_LOADS = 1 << 20;

  /** The hottest one of a kernel. */
  static Region hottest(Code code) {
    var products = new ArrayList<Region>();
    var innermost = new ArrayList<Region>();
    code.loops.forEach(
        (head, body) -> {
          Region r = of(code, head, body);
          if (r.count(Instruction.Kind.PRODUCT) > 0) {
            products.add(r);
          }
          if (r.inner.isEmpty()) {
            innermost.add(r);
          }
        });
    if (!products.isEmpty()) {
      return products.stream()
          .max(
              Comparator.comparingInt((Region r) -> r.count(Instruction.Kind.PRODUCT))
                  .thenComparingInt(r -> -r.way.size()))
          .get();
    }
    Region straight = straight(code);
    return innermost.stream()
        .max(Comparator.comparingInt(Region::loads).thenComparingInt(r -> r.way.size()))
        .filter(r -> r.wideLoads() >= straight.wideLoads())
        .orElse(straight);
  }

  /** The code outside all loops. */
  static Region straight(Code code) {
    var all = new BitSet();
    for (int b = 0; b < code.blocks.size(); b++) {
      all.set(b, code.isReached(b));
    }
    return new Search(code, -1, all).region(0, false);
  }

  private static Region of(Code code, int head, BitSet body) {
    return new Search(code, head, body).region(head, true);
  }

  int count(Instruction.Kind kind) {
    return (int) way.stream().filter(i -> i.is(kind)).count();
  }

  /** Bytes that a thread loads or copies from global memory. */
  int loads() {
    return way.stream().mapToInt(Region::loaded).sum();
  }

  int wideLoads() {
    return way.stream().mapToInt(Region::loaded).filter(n -> n >= 16).sum();
  }

  int wavefronts() {
    return way.stream().mapToInt(Instruction::wavefronts).sum();
  }

  private static int loaded(Instruction i) {
    return i.is(Instruction.Kind.LOAD) || i.is(Instruction.Kind.COPY) ? i.bytes() : 0;
  }

  /** The line that most instructions come from. */
  String busiestPlace() {
    var counts = new HashMap<String, Integer>();
    way.stream()
        .filter(i -> !i.is(Instruction.Kind.PRODUCT))
        .forEach(i -> counts.merge(i.place(), 1, Integer::sum));
    return counts.entrySet().stream()
        .max(Map.Entry.<String, Integer>comparingByValue().thenComparing(Map.Entry::getKey))
        .map(Map.Entry::getKey)
        .orElse("a line unknown");
  }

  /** The most loads and copies of a thread that are on their way before one of them is used. */
  int inFlight() {
    var loads = new LinkedHashMap<Integer, List<String>>();
    var groups = new ArrayList<Integer>();
    int copies = 0;
    int most = 0;
    int serial = 0;
    for (int pass = 0; pass < (loop ? 4 : 1); pass++) {
      for (Instruction i : way) {
        loads.values().removeIf(sets -> i.reads().stream().anyMatch(sets::contains));
        switch (i.kind()) {
          case LOAD -> loads.put(serial++, i.sets());
          case COPY -> copies++;
          case COMMIT -> {
            groups.add(copies);
            copies = 0;
          }
          case WAIT -> {
            while (groups.size() > i.bytes()) {
              groups.removeFirst();
            }
          }
          default -> {}
        }
        most = Math.max(most, loads.size() + copies + groups.stream().mapToInt(n -> n).sum());
      }
    }
    return most;
  }

  /** Looks for the way through blocks whose loops count as one. */
  private static final class Search {
    private final Code code;
    private final int head;
    private final BitSet body;
    private final Map<Integer, Integer> innerOf = new HashMap<>();
    private final Map<Integer, Way> best = new HashMap<>();
    private boolean products;

    private record Way(long[] worth, int at, Way rest) {}

    Search(Code code, int head, BitSet body) {
      this.code = code;
      this.head = head;
      this.body = body;
      code.loops.forEach(
          (h, inner) -> {
            if (h != head && body.get(h)) {
              inner.stream()
                  .forEach(
                      b ->
                          innerOf.merge(
                              b, h, (x, y) -> code.loops.get(x).get(y) ? x : y)); // the outer one
            }
          });
      products =
          body.stream()
              .filter(b -> head >= 0 || !innerOf.containsKey(b))
              .boxed()
              .flatMap(b -> code.blocks.get(b).stream())
              .anyMatch(i -> i.is(Instruction.Kind.PRODUCT));
    }

    Region region(int from, boolean loop) {
      var way = new ArrayList<Instruction>();
      var inner = new ArrayList<Instruction>();
      for (Way w = way(from); w != null; w = w.rest) {
        Integer of = innerOf.get(w.at);
        if (of == null) {
          way.addAll(code.blocks.get(w.at));
        } else {
          inner.add(jumpBack(of));
          if (loop) { // once
            code.loops.get(of).stream().forEach(b -> way.addAll(code.blocks.get(b)));
          }
        }
      }
      return new Region(List.copyOf(way), List.copyOf(inner), loop);
    }

    /** Its line is the loop's own. */
    private Instruction jumpBack(int loop) {
      return code.loops.get(loop).stream()
          .filter(b -> code.next.get(b).contains(loop))
          .mapToObj(b -> code.blocks.get(b).getLast())
          .findFirst()
          .orElseThrow();
    }

    /** From a block, or from the loop inside that it belongs to, to the end. */
    private Way way(int block) {
      int at = innerOf.getOrDefault(block, block);
      Way known = best.get(at);
      if (known != null) {
        return known;
      }
      BitSet own = new BitSet();
      if (innerOf.containsKey(at)) {
        own.or(code.loops.get(at));
      } else {
        own.set(at);
      }
      Way rest = null;
      for (int b = own.nextSetBit(0); b >= 0; b = own.nextSetBit(b + 1)) {
        for (int to : code.next.get(b)) {
          if (to != head && !own.get(to) && body.get(to)) {
            Way way = way(to);
            rest = rest == null || better(way.worth, rest.worth) ? way : rest;
          }
        }
      }
      long[] worth = rest == null ? new long[3] : rest.worth.clone();
      if (head >= 0 || !innerOf.containsKey(at)) {
        own.stream().boxed().flatMap(b -> code.blocks.get(b).stream()).forEach(i -> add(worth, i));
      }
      Way way = new Way(worth, at, rest);
      best.put(at, way);
      return way;
    }

    private void add(long[] worth, Instruction i) {
      int bytes = loaded(i);
      worth[0] += i.is(Instruction.Kind.PRODUCT) ? 1 : 0;
      worth[1] += bytes >= 16 ? (long) bytes * SMALL_LOADS : products ? 0 : bytes;
      worth[2]--;
    }

    private static boolean better(long[] a, long[] b) {
      for (int i = 0; i < a.length; i++) {
        if (a[i] != b[i]) {
          return a[i] > b[i];
        }
      }
      return false;
    }
  }
}
