import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A kernel's instructions as basic blocks and loops. */
final class Code {
  final List<List<Instruction>> blocks = new ArrayList<>();
  final List<List<Integer>> next = new ArrayList<>();

  /** Natural loops by the block that they begin with. */
  final Map<Integer, BitSet> loops = new TreeMap<>();

  private final BitSet reached = new BitSet();

  /**
   * @param labels at which index each label stands
   */
  Code(List<Instruction> instructions, Map<String, Integer> labels) {
    var starts = new BitSet();
    starts.set(0);
    labels.values().forEach(starts::set);
    for (int i = 0; i < instructions.size(); i++) {
      if (instructions.get(i).target() != null || instructions.get(i).ends()) {
        starts.set(i + 1);
      }
    }
    starts.clear(instructions.size(), Integer.MAX_VALUE);
    var blockAt = new HashMap<Integer, Integer>();
    for (int i = starts.nextSetBit(0); i >= 0; i = starts.nextSetBit(i + 1)) {
      int end = starts.nextSetBit(i + 1);
      blockAt.put(i, blocks.size());
      blocks.add(instructions.subList(i, end < 0 ? instructions.size() : end));
    }
    for (int b = 0; b < blocks.size(); b++) {
      Instruction last = blocks.get(b).getLast();
      var to = new ArrayList<Integer>();
      if (!last.ends() && b + 1 < blocks.size()) {
        to.add(b + 1);
      }
      Integer target = last.target() == null ? null : blockAt.get(labels.get(last.target()));
      if (target != null && !to.contains(target)) {
        to.add(target);
      }
      next.add(to);
    }
    findLoops();
  }

  boolean isReached(int block) {
    return reached.get(block);
  }

  /** All that can be executed. */
  List<Instruction> instructions() {
    return reached.stream().boxed().flatMap(b -> blocks.get(b).stream()).toList();
  }

  private void findLoops() {
    List<Integer> order = order();
    var before = new ArrayList<List<Integer>>();
    blocks.forEach(b -> before.add(new ArrayList<>()));
    order.forEach(b -> next.get(b).forEach(to -> before.get(to).add(b)));
    BitSet[] dominators = dominators(order, before);
    for (int tail : order) {
      for (int head : next.get(tail)) {
        if (dominators[tail].get(head)) {
          BitSet body = loops.computeIfAbsent(head, h -> new BitSet());
          body.set(head);
          var open = new ArrayList<>(List.of(tail));
          while (!open.isEmpty()) {
            int b = open.removeLast();
            if (!body.get(b)) {
              body.set(b);
              open.addAll(before.get(b));
            }
          }
        }
      }
    }
  }

  private static BitSet[] dominators(List<Integer> order, List<List<Integer>> before) {
    var dominators = new BitSet[before.size()];
    for (boolean changed = true; changed; ) {
      changed = false;
      for (int b : order) {
        BitSet of = null;
        for (int p : before.get(b)) {
          if (dominators[p] != null && b != order.getFirst()) {
            if (of == null) {
              of = (BitSet) dominators[p].clone();
            } else {
              of.and(dominators[p]);
            }
          }
        }
        of = of == null ? new BitSet() : of;
        of.set(b);
        if (!of.equals(dominators[b])) {
          dominators[b] = of;
          changed = true;
        }
      }
    }
    return dominators;
  }

  /** Blocks that are reached, every one before those that follow it but for jumps back. */
  private List<Integer> order() {
    var order = new ArrayList<Integer>();
    var open = new ArrayList<int[]>();
    reached.set(0);
    open.add(new int[] {0, 0});
    while (!open.isEmpty()) {
      int[] top = open.getLast();
      List<Integer> to = next.get(top[0]);
      if (top[1] == to.size()) {
        order.addFirst(top[0]);
        open.removeLast();
      } else {
        int b = to.get(top[1]++);
        if (!reached.get(b)) {
          reached.set(b);
          open.add(new int[] {b, 0});
        }
      }
    }
    return order;
  }
}
