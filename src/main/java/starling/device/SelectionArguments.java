package starling.device;

import static starling.device.TensorChecks.apart;
import static starling.device.TensorChecks.vectors;
import static starling.device.TensorChecks.writable;

/** Arguments of what scores candidates and keeps some of them. */
final class SelectionArguments {
  private final TensorChecks check;
  private final AttentionArguments attention;

  SelectionArguments(TensorChecks check, AttentionArguments attention) {
    this.check = check;
    this.attention = attention;
  }

  void tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    check.matrix("sums", sums, DType.F32, -1, -1);
    if (rows < 1 || sums.rows() < 1) {
      throw new IllegalArgumentException(
          "sums: " + sums + ", sums of " + rows + " rows; there must be a head and a row");
    }
    selection(keep, score, nonFinite);
    sources("sums", sums.width(), score);
    writable("score", score);
    apart("keep", keep, "sums", sums);
    apart("score", score, "sums", sums);
    apart("nonFinite", nonFinite, "sums", sums);
  }

  void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates candidates,
      Tensor nonFinite) {
    attention.columnSums(in, lse, rows, candidates);
    if (rows.length() < 1) {
      throw new IllegalArgumentException(
          "rows: %s to %s is empty, where %s".formatted(rows.from(), rows.to(), in.q()));
    }
    selection(keep, score, nonFinite);
    sources("candidates", candidates.count(), score);
    AttentionArguments.columnSumsOutput("keep", keep, in, lse, candidates);
    AttentionArguments.columnSumsOutput("score", score, in, lse, candidates);
    AttentionArguments.columnSumsOutput("nonFinite", nonFinite, in, lse, candidates);
    AttentionArguments.columnSumsFit(in, rows, candidates);
  }

  /** What a selection writes, and the map behind it, apart from what both are given. */
  static void mapped(
      RowMapping map,
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Candidates candidates,
      Tensor nonFinite) {
    mapOutput("rows", map.rows(), keep, score, in, lse, candidates, nonFinite);
    mapOutput("positionsOut", map.positionsOut(), keep, score, in, lse, candidates, nonFinite);
    if (map.sources() != null) {
      mapOutput("sources", map.sources(), keep, score, in, lse, candidates, nonFinite);
    }
    CutArguments.output("score", score, map.positionsIn(), map.cuts());
    CutArguments.output("nonFinite", nonFinite, map.positionsIn(), map.cuts());
  }

  private static void mapOutput(
      String role,
      Tensor out,
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Candidates candidates,
      Tensor nonFinite) {
    AttentionArguments.columnSumsOutput(role, out, in, lse, candidates);
    apart(role, out, "keep", keep);
    apart(role, out, "score", score);
    apart(role, out, "nonFinite", nonFinite);
  }

  void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    check.matrix("x", x, null, -1, -1);
    if (x.width() == 0) {
      throw new IllegalArgumentException("x: " + x + ", rows without elements");
    }
    if (x.rows() < 1 || x.rows() > Arguments.MAX_COMPARED) {
      throw new IllegalArgumentException(
          "x: " + x + ", expected 1 to " + Arguments.MAX_COMPARED + " rows");
    }
    check.matrix("out", out, DType.F32, x.rows(), x.rows());
    check.nonFinite(nonFinite);
    vectors("x", x);
    writable("out", out);
    apart("out", out, "x", x);
    apart("out", out, "nonFinite", nonFinite);
    apart("nonFinite", nonFinite, "x", x);
  }

  void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    selection(keep, score, Arguments.MAX_COMPARED);
    check.matrix("cosines", cosines, DType.F32, score.rows(), score.rows());
    if (best < 0 || best > keep.rows()) {
      throw new IllegalArgumentException(
          "best is "
              + best
              + "; it must be at least 0 and at most the "
              + keep.rows()
              + " that are kept");
    }
    apart("keep", keep, "cosines", cosines);
  }

  /** Every candidate has the same number of sources, at least one. */
  private static void sources(String role, int all, Tensor score) {
    if (all < score.rows() || all % score.rows() != 0) {
      throw new IllegalArgumentException(
          role + ": " + all + " sources are no multiple of the candidates, where " + score);
    }
  }

  private void selection(Tensor keep, Tensor score, Tensor nonFinite) {
    selection(keep, score, Arguments.MAX_CANDIDATES);
    check.nonFinite(nonFinite);
    apart("keep", keep, "nonFinite", nonFinite);
    apart("nonFinite", nonFinite, "score", score);
  }

  /** Candidates with a score each, and those that are kept. */
  private void selection(Tensor keep, Tensor score, int most) {
    check.vector("score", score, DType.F32, -1);
    if (score.rows() < 1 || score.rows() > most) {
      throw new IllegalArgumentException(
          "score: " + score + ", expected 1 to " + most + " candidates");
    }
    check.vector("keep", keep, DType.I32, -1);
    if (keep.rows() < 1 || keep.rows() > score.rows()) {
      throw new IllegalArgumentException("keep: " + keep + ", of " + score.rows() + " candidates");
    }
    writable("keep", keep);
    apart("keep", keep, "score", score);
  }
}
