package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.apartOrSame;
import static starling.device.TensorChecks.ascending;
import static starling.device.TensorChecks.writable;

import java.util.List;
import starling.input.InputException;

/** Arguments of what drops or hides the candidates that were not kept. */
final class CutArguments {
  private final TensorChecks check;

  CutArguments(TensorChecks check) {
    this.check = check;
  }

  void rowMap(RowMapping map) {
    rowMapBehind(null, 0, map);
  }

  /**
   * A map in a call that first writes {@code chosen}.
   *
   * @param chosen may be what one of the cuts keeps, and then nothing can be read there yet; null
   *     if the call writes no such list
   * @param candidates of which it is chosen
   */
  void rowMapBehind(Tensor chosen, int candidates, RowMapping map) {
    Tensor rows = map.rows();
    Tensor positionsOut = map.positionsOut();
    Tensor sources = map.sources();
    Tensor positionsIn = map.positionsIn();
    List<Cut> cuts = map.cuts();
    int all = positions("positionsIn", positionsIn, positionsIn, -1);
    int stay = all - cuts(cuts, all, map.rule(), chosen);
    if (chosen != null) {
      chosen(chosen, candidates, positionsIn, cuts);
    }
    check.vector("rows", rows, DType.I32, stay);
    positions("positionsOut", positionsOut, positionsIn, stay);
    output("rows", rows, positionsIn, cuts);
    output("positionsOut", positionsOut, positionsIn, cuts);
    apart("rows", rows, "positionsOut", positionsOut);
    if (sources != null) {
      check.vector("sources", sources, DType.I32, stay);
      output("sources", sources, positionsIn, cuts);
      apart("sources", sources, "rows", rows);
      apart("sources", sources, "positionsOut", positionsOut);
    }
  }

  void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    int all = positions("positionsIn", positionsIn, positionsIn, -1);
    positions("positionsOut", positionsOut, positionsIn, all);
    check.vector("hidden", hidden, DType.U8, -1);
    if (hidden.rows() < all) {
      throw new IllegalArgumentException(
          "hidden: " + hidden + ", which is shorter than the " + all + " rows");
    }
    cuts(cuts, all, rule, null);
    output("hidden", hidden, positionsIn, cuts);
    output("positionsOut", positionsOut, positionsIn, cuts);
    apart("hidden", hidden, "positionsOut", positionsOut);
  }

  /**
   * A vector of positions, or a row of them for each axis, as {@code like} has them.
   *
   * @return how many rows have one
   */
  private int positions(String role, Tensor t, Tensor like, int rows) {
    if (like.rank() == 1) {
      check.vector(role, t, DType.I32, rows);
      return t.rows();
    }
    check.matrix(role, t, DType.I32, t == like ? -1 : like.rows(), rows);
    if (t.rows() < 1) {
      throw new IllegalArgumentException(role + ": " + t + ", positions on no axis");
    }
    return t.dim(1);
  }

  /** It is one of the lists that are kept, or apart from all that is read. */
  private static void chosen(Tensor chosen, int of, Tensor positionsIn, List<Cut> cuts) {
    apart("keep", chosen, "positionsIn", positionsIn);
    for (int i = 0; i < cuts.size(); i++) {
      Cut cut = cuts.get(i);
      apartOrSame("keep", chosen, "keep of a cut", cut.keep());
      apart("keep", chosen, "candidates", cut.candidates());
      if (chosen.isSame(cut.keep()) && cut.size() != of) {
        throw new IllegalArgumentException(
            "cuts: " + chosen + " is chosen of " + of + " candidates, but kept of " + cut.size());
      }
    }
  }

  static void output(String role, Tensor out, Tensor positionsIn, List<Cut> cuts) {
    writable(role, out);
    apart(role, out, "positionsIn", positionsIn);
    for (int i = 0; i < cuts.size(); i++) {
      apart(role, out, "keep", cuts.get(i).keep());
      apart(role, out, "candidates", cuts.get(i).candidates());
    }
  }

  /** Returns how many of the rows they drop. */
  private int cuts(List<Cut> cuts, int rows, PositionRule rule, Tensor chosen) {
    if (rule == null) {
      throw new IllegalArgumentException("rule: null; which positions have the rows that stay?");
    }
    if (cuts.size() > Arguments.MAX_CUTS) {
      throw new InputException(
          cuts.size()
              + " groups of image tokens are cut at once; the device takes "
              + Arguments.MAX_CUTS);
    }
    int dropped = 0;
    for (int i = 0; i < cuts.size(); i++) {
      cut(cuts.get(i), rows, chosen);
      for (int earlier = 0; earlier < i; earlier++) {
        disjoint(cuts.get(earlier), cuts.get(i));
      }
      dropped += cuts.get(i).dropped();
    }
    return dropped;
  }

  /** Candidates among the rows, and those of them that are kept. */
  private void cut(Cut cut, int rows, Tensor chosen) {
    check.vector("keep", cut.keep(), DType.I32, -1);
    if (cut.at() < 0 || cut.count() < 0 || (long) cut.at() + cut.count() > rows) {
      throw new IllegalArgumentException(
          "cuts: %s rows from row %s on, of %s, where %s"
              .formatted(cut.count(), cut.at(), rows, cut.keep()));
    }
    if (cut.candidates() != null) {
      check.vector("candidates", cut.candidates(), DType.I32, -1);
      if (cut.size() > cut.count()) {
        throw new IllegalArgumentException(
            "candidates: " + cut.candidates() + ", among " + cut.count() + " rows");
      }
      ascending("candidates", cut.candidates(), cut.count());
    }
    if (cut.keep().rows() > cut.size()) {
      throw new IllegalArgumentException(
          "keep: " + cut.keep() + ", of " + cut.size() + " candidates");
    }
    if (chosen == null || !chosen.isSame(cut.keep())) {
      ascending("keep", cut.keep(), cut.size());
    }
  }

  /** Two cuts have no candidate in common, as far as Java can read them. */
  private static void disjoint(Cut a, Cut b) {
    boolean apart = a.at() + a.count() <= b.at() || b.at() + b.count() <= a.at();
    if (apart || !isReadable(a.candidates()) || !isReadable(b.candidates())) {
      return;
    }
    for (int i = 0, j = 0; i < a.size() && j < b.size(); ) {
      int row = candidate(a, i);
      int other = candidate(b, j);
      if (row == other) {
        throw new IllegalArgumentException(
            ("cuts: row %s is a candidate of two, of %s rows from row %s on and of %s from row %s on,"
                    + " where %s")
                .formatted(row, a.count(), a.at(), b.count(), b.at(), b.keep()));
      }
      i += row < other ? 1 : 0;
      j += row < other ? 0 : 1;
    }
  }

  private static boolean isReadable(Tensor candidates) {
    return candidates == null || candidates.isReadable();
  }

  private static int candidate(Cut cut, int j) {
    return cut.at() + (cut.candidates() == null ? j : cut.candidates().index(j, 0));
  }
}
