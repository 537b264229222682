package starling.device;

import static starling.device.ReferenceAttention.hidden;
import static starling.device.ReferenceDevice.index;
import static starling.device.ReferenceDevice.put;
import static starling.device.ReferenceDevice.setIndex;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** What stays of a sequence that is cut, by its definition: moved together, or hidden. */
final class ReferenceCuts {
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private ReferenceCuts() {}

  static void rowMap(RowMapping map) {
    Tensor before = map.positionsIn();
    int[] stay = staying(before.dim(before.rank() - 1), map.cuts());
    put(map.rows(), stay);
    for (int axis = 0; axis < axes(before); axis++) {
      for (int i = 0; i < stay.length; i++) {
        int old = position(before, axis, stay[i]);
        setPosition(map.positionsOut(), axis, i, map.rule() == PositionRule.KEEP ? old : i);
      }
    }
    if (map.sources() != null) {
      Set<Integer> candidates = candidates(map.cuts());
      // What [fixed rows | kept candidates] holds, and where each row of the result stands there.
      var order = new ArrayList<Integer>();
      IntStream.of(stay).filter(row -> !candidates.contains(row)).forEach(order::add);
      IntStream.of(stay).filter(candidates::contains).forEach(order::add);
      put(map.sources(), IntStream.of(stay).map(order::indexOf).toArray());
    }
  }

  private static int axes(Tensor positions) {
    return positions.rank() == 1 ? 1 : positions.rows();
  }

  private static int position(Tensor t, int axis, int row) {
    return t.rank() == 1 ? index(t, row) : index(t, axis, row);
  }

  private static void setPosition(Tensor t, int axis, int row, int value) {
    if (t.rank() == 1) {
      setIndex(t, row, value);
    } else {
      t.memory().set(I32, t.offset(axis) + 4L * row, value);
    }
  }

  private static Set<Integer> candidates(List<Cut> cuts) {
    var rows = new HashSet<Integer>();
    for (Cut cut : cuts) {
      IntStream.range(0, cut.size()).forEach(j -> rows.add(candidate(cut, j)));
    }
    return rows;
  }

  private static int candidate(Cut cut, int j) {
    return cut.at() + (cut.candidates() == null ? j : index(cut.candidates(), j));
  }

  private static int[] staying(int count, List<Cut> cuts) {
    Set<Integer> dropped = candidates(cuts);
    for (Cut cut : cuts) {
      for (int i = 0; i < cut.keep().rows(); i++) {
        dropped.remove(candidate(cut, index(cut.keep(), i)));
      }
    }
    return IntStream.range(0, count).filter(i -> !dropped.contains(i)).toArray();
  }

  static void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    int all = positionsIn.dim(positionsIn.rank() - 1);
    int[] stay = staying(all, cuts);
    var visible = new ArrayList<Integer>();
    for (int i = 0, s = 0; i < all; i++) {
      boolean stays = s < stay.length && stay[s] == i;
      s += stays ? 1 : 0;
      if (!stays) {
        hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(i), (byte) 1);
      } else if (!hidden(hidden, i)) {
        visible.add(i);
      }
    }
    for (int axis = 0; axis < axes(positionsIn); axis++) {
      for (int i = 0; i < all; i++) {
        setPosition(positionsOut, axis, i, position(positionsIn, axis, i));
      }
      for (int rank = 0; rank < visible.size() && rule == PositionRule.CONTIGUOUS; rank++) {
        setPosition(positionsOut, axis, visible.get(rank), rank);
      }
    }
  }
}
