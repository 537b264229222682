package starling.prune;

import java.util.ArrayList;
import java.util.List;
import starling.device.PositionRule;
import starling.input.InputException;

/**
 * STAR, stage-wise attention-guided token reduction (arXiv 2505.12359). Two cuts: by visual
 * self-attention after the vision encoder, and by text-to-visual attention after K decoder layers.
 * The printed formulas average a row softmax over its own row, which is constant; the reading here
 * is attention received, the mean over query rows.
 *
 * @param r R, share of the N patches that stage 1 drops; 0 switches it off
 * @param k K, decoder layers that run in full before stage 2; 0 means round(14/32·layers)
 * @param p P, share of N (or of the survivors, {@code base=remaining}) that stage 2 drops; 0
 *     switches it off
 */
record Star(
    double r,
    int k,
    double p,
    Score score,
    TextQueries queries,
    Base base,
    Rounding round,
    Positions positions,
    KvRule kv)
    implements Method {

  enum Score {
    COLMEAN,
    COLMEAN_CLS,
    CLS
  }

  enum TextQueries {
    TEXT,
    LAST
  }

  enum Base {
    ORIGINAL,
    REMAINING
  }

  enum Rounding {
    NEAREST,
    FLOOR,
    CEIL
  }

  enum Positions {
    KEEP,
    COMPACT
  }

  enum KvRule {
    FULL,
    COMPACT
  }

  static Star parse(Spec spec) {
    return new Star(
        spec.share("R", 0.1),
        spec.integer("K", 0),
        spec.share("P", 0.95),
        spec.choice("score", Score.COLMEAN),
        spec.choice("queries", TextQueries.TEXT),
        spec.choice("base", Base.ORIGINAL),
        spec.choice("round", Rounding.NEAREST),
        spec.choice("positions", Positions.KEEP),
        spec.choice("kv", KvRule.FULL));
  }

  /** Stage 1: attention received from the patches, in the block whose output is the feature. */
  private CutPoint stage1(VlmShape shape, List<Integer> n1) {
    Queries rows =
        switch (score) {
          case COLMEAN -> Queries.PATCHES;
          case COLMEAN_CLS -> Queries.PATCHES_AND_CLS;
          case CLS -> Queries.CLS;
        };
    return AttentionCut.vision(shape, rows, n1);
  }

  /** Stage 2: attention received from the text behind the image, in decoder layer K − 1. */
  private CutPoint stage2(int layer, List<Integer> n2) {
    return new AttentionCut(
        CutSite.DECODER,
        layer,
        queries == TextQueries.TEXT ? Queries.TEXT : Queries.LAST,
        n2,
        positions == Positions.KEEP ? PositionRule.KEEP : PositionRule.CONTIGUOUS,
        kv == KvRule.COMPACT);
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    if (r > 0 && p > 0 && base == Base.ORIGINAL && r >= p) {
      throw new InputException(
          "star: R=" + r + " must be smaller than P=" + p + ", since stage 2 keeps fewer");
    }
    var cuts = new ArrayList<CutPoint>();
    List<Integer> all = shape.counts(VlmShape.Group::size);
    List<Integer> n1 = all;
    if (r > 0) {
      n1 = counts("R", r, all);
      cuts.add(stage1(shape, n1));
    }
    if (p > 0) {
      int layer = layer(shape);
      Spec.checkLayer("star", layer, shape);
      if (queries == TextQueries.TEXT) {
        Spec.checkText("star", shape);
      }
      cuts.add(stage2(layer, counts("P", p, base == Base.ORIGINAL ? all : n1)));
    }
    return cuts;
  }

  /** K, by the share of the layers that was best on LLaVA-1.5-7B unless it is given. */
  private int layer(VlmShape shape) {
    return k > 0 ? k : (int) Math.floor(14.0 / 32 * shape.layers() + 0.5);
  }

  private List<Integer> counts(String key, double dropped, List<Integer> of) {
    return of.stream().map(n -> count(key, dropped, n)).toList();
  }

  /** Tokens kept of {@code n} when the share {@code dropped} goes. */
  private int count(String key, double dropped, int n) {
    double exact = (1 - dropped) * n;
    int count =
        (int)
            switch (round) {
              case NEAREST -> Math.floor(exact + 0.5);
              case FLOOR -> Math.floor(exact);
              case CEIL -> Math.ceil(exact);
            };
    if (count < 1) {
      throw new InputException(
          "star: " + key + "=" + dropped + " keeps 0 of " + n + " visual tokens");
    }
    return count;
  }

  @Override
  public String spec(VlmShape shape) {
    return "star:R="
        + Spec.number(r)
        + ",K="
        + layer(shape)
        + ",P="
        + Spec.number(p)
        + ",score="
        + Spec.word(score)
        + ",queries="
        + Spec.word(queries)
        + ",base="
        + Spec.word(base)
        + ",round="
        + Spec.word(round)
        + ",positions="
        + Spec.word(positions)
        + ",kv="
        + Spec.word(kv);
  }
}
