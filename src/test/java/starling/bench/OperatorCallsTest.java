package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.StoredTensor;
import starling.device.Tensor;

/**
 * What the bench asks a device for at a size: every tensor with its type and shape, and every whole
 * number. Seed 5 moves a choice of 5 among 11 by one.
 */
class OperatorCallsTest {
  private static final int SEED = 5;
  private static RecordedCalls device;

  @BeforeAll
  static void open() {
    device = new RecordedCalls();
  }

  @AfterAll
  static void close() {
    device.close();
  }

  /**
   * Runs it as bf16; its outputs are written, and nothing around them. Its inputs are one Gaussian
   * number after another; those of weights are divided by the root of what they sum over.
   */
  private static Inputs asked(Operator o, String sizes, int seed, String... calls) {
    Inputs in = device.run(o, OperatorFiguresTest.sizes(sizes), DType.BF16, seed);
    assertEquals(List.of(calls), device.calls(), o.name() + " " + sizes);
    assertNull(in.trespass(), o.name());
    for (Tensor out : in.outputs()) {
      boolean written =
          Arrays.stream(in.values(out))
              .allMatch(x -> Double.isFinite(x) && x > Integer.MIN_VALUE / 2);
      assertTrue(written, out.name() + " of " + o.name());
    }
    numbered(new Random(20_251_125 + seed), o.name());
    return in;
  }

  private static void numbered(Random random, String name) {
    for (StoredTensor t : device.stored()) {
      double scale = t.name().equals("w") ? 1 / Math.sqrt(t.shape().get(1)) : 1;
      for (int i = 0; i < t.elements(); i++) {
        assertEquals((float) (scale * random.nextGaussian()), t.get(i), name + " " + t.name());
      }
    }
  }

  private static void asks(Operator o, String sizes, String... calls) {
    asked(o, sizes, SEED, calls);
  }

  @Test
  void rows() {
    asks(
        RowOperators.PATCHIFY,
        "image=35 patch=7",
        "patchify: out bf16[25,147]; pixels f32[3,35,35]; 7");
    asks(
        RowOperators.LAYERNORM,
        "T=3 D=5",
        "layernorm: out bf16[3,5]; x bf16[3,5]; weight bf16[5]; bias bf16[5]; 1.0E-5");
    asks(
        RowOperators.RMSNORM,
        "T=3 D=5",
        "rmsnorm: out bf16[3,5]; x bf16[3,5]; weight bf16[5]; null; 1.0E-5");
    asks(
        RowOperators.ROW_STATISTICS,
        "T=7 D=37",
        "rowStatistics: statistics f32[7,6]; x bf16[7,37]");
    asks(
        RowOperators.ROW_STATISTICS,
        "T=17 D=37",
        "rowStatistics: statistics f32[17,2]; x bf16[17,37]");
  }

  @Test
  void idsAreAnyRowsOfTheTable() {
    Inputs in =
        device.run(RowOperators.EMBED, OperatorFiguresTest.sizes("T=50 D=5 V=3"), DType.BF16, SEED);
    String call = device.calls().get(0);
    assertEquals(1, device.calls().size());
    assertTrue(
        call.matches("embed: out bf16\\[50,5]; ids i32\\[50]( [012]){50}; table bf16\\[3,5]"),
        call);
    assertTrue(call.contains(" 0") && call.contains(" 1") && call.contains(" 2"), call);
    assertNull(in.trespass());
    var random = new Random(20_251_125 + SEED);
    for (int i = 0; i < 50; i++) {
      random.nextInt(3);
    }
    numbered(random, "embed");
  }

  @Test
  void products() {
    asks(
        RowOperators.GEMM,
        "T=3 in_features=400 out_features=7",
        "gemm: y bf16[3,7]; x bf16[3,400]; w is BF16[7, 400]; null; NONE; null");
    asks(
        Answer.NORMED,
        "T=3 in_features=400 out_features=7",
        "rowStatistics: statistics f32[3,50]; x bf16[3,400]",
        "gemm: y bf16[3,7]; x bf16[3,400]; w is BF16[7, 400]; norm bf16[400]; null; 1.0E-5; NONE;"
            + " null; statistics f32[3,50]; null; null");
    asks(
        Answer.GATED,
        "T=3 in_features=400 out_features=7",
        "rowStatistics: statistics f32[3,50]; x bf16[3,400]",
        "gemm: y bf16[3,7]; x bf16[3,400]; w is BF16[14, 400]; norm bf16[400]; null; 1.0E-5;"
            + " SILU_MUL; null; statistics f32[3,50]; null; null");
    asks(
        Answer.ADDED,
        "T=3 in_features=400 out_features=37",
        "gemm: y bf16[3,37]; x bf16[3,400]; w is BF16[37, 400]; null; NONE; residual bf16[3,37];"
            + " null; null; statistics f32[3,6]");
  }

  @Test
  void positionsAreOfOneAxisOrOfThreeAtTheirOwnPaces() {
    String kv =
        "rope: q bf16[7,6,26]; k bf16[7,3,26]; v bf16[7,3,26];"
            + " segments i32[1,16] 0 7 0 7 0 -1 0 0 0 0; 7; 7; qkv bf16[7,312]; ";
    asks(
        AttentionOperators.ROPE,
        "T=7 H=6 G=3 d=26",
        kv + "positions i32[7] 0 1 2 3 4 5 6; cos f32[7,13]; sin f32[7,13]; null");
    asks(
        AttentionOperators.ROPE,
        "T=7 H=6 G=3 d=26 axes=3",
        kv
            + "positions i32[3,7] 0 1 2 3 4 5 6/0 2 4 6 1 3 5/0 3 6 2 5 1 4;"
            + " cos f32[7,13]; sin f32[7,13]; [3, 5, 5]");
    asked(
        AttentionOperators.ROPE,
        "T=1 H=1 G=1 d=128 axes=3",
        0,
        "rope: q bf16[1,1,128]; k bf16[1,1,128]; v bf16[1,1,128];"
            + " segments i32[1,16] 0 1 0 1 0 -1 0 0 0 0; 1; 1; qkv bf16[1,384];"
            + " positions i32[3,1] 0/0/0; cos f32[1,64]; sin f32[1,64]; [16, 24, 24]");
  }

  /** Seven rows behind twelve cached ones; scores are divided by the root of 26. */
  private static final String BEHIND =
      "q bf16[7,6,26]; k bf16[19,3,26]; v bf16[19,3,26];"
          + " segments i32[1,16] 0 7 0 19 12 -1 0 0 0 0; 7; 19; true; null; 0.19611613";

  @Test
  void attentionIsOfRowsBehindCachedOnes() {
    asks(
        AttentionOperators.ATTENTION,
        "T=7 S=19 H=6 G=3 d=26 causal=1",
        "attention: out bf16[7,6,26]; lse f32[6,7]; " + BEHIND);
    asks(
        AttentionOperators.ATTENTION,
        "T=19 S=19 H=6 G=3 d=26 causal=0",
        "attention: out bf16[19,6,26]; lse f32[6,19]; q bf16[19,6,26]; k bf16[19,3,26];"
            + " v bf16[19,3,26]; segments i32[1,16] 0 19 0 19 0 -1 0 0 0 0; 19; 19; false; null;"
            + " 0.19611613");
  }

  @Test
  void windowsAreSegmentsOneBehindTheOther() {
    asks(
        AttentionOperators.ATTENTION,
        "T=35 S=35 H=6 G=3 d=26 causal=0 across=7 window=3",
        "attention: out bf16[35,6,26]; lse f32[6,35]; q bf16[35,6,26]; k bf16[35,3,26];"
            + " v bf16[35,3,26]; segments i32[6,16] 0 9 0 9 0 -1 0 0 0 0/9 9 9 9 0 -1 0 0 0 0/"
            + "18 3 18 3 0 -1 0 0 0 0/21 6 21 6 0 -1 0 0 0 0/27 6 27 6 0 -1 0 0 0 0/"
            + "33 2 33 2 0 -1 0 0 0 0; 9; 9; false; null; 0.19611613");
  }

  @Test
  void columnsAreSummedBehindAnAttention() {
    String before = "attention: out bf16[7,6,26]; lse f32[6,7]; " + BEHIND;
    asks(
        AttentionOperators.ATTENTION_COLSUM,
        "T=7 S=19 H=6 G=3 d=26 causal=1",
        before,
        "attentionColsum: sums f32[6,19]; " + BEHIND + "; lse f32[6,7]; 0; 7; 0; 19; null");
    asks(
        AttentionOperators.COLSUM_SELECT,
        "T=7 S=19 H=6 G=3 d=26 causal=1 n=11 k=5",
        before,
        "colsumSelect: keep i32[5]; score f32[11]; "
            + BEHIND
            + "; lse f32[6,7]; 0; 7; 0; 11; null; nonFinite i32[1] 0");
    // 22 keys of 11 candidates, and as many rows: the first seven of 29 give no score.
    String all =
        "q bf16[29,6,26]; k bf16[29,3,26]; v bf16[29,3,26];"
            + " segments i32[1,16] 0 29 0 29 0 -1 0 0 0 0; 29; 29; false; null; 0.19611613";
    asks(
        AttentionOperators.COLSUM_SELECT,
        "T=29 S=29 H=6 G=3 d=26 causal=0 n=11 k=5 w=2",
        "attention: out bf16[29,6,26]; lse f32[6,29]; " + all,
        "colsumSelect: keep i32[5]; score f32[11]; "
            + all
            + "; lse f32[6,29]; 7; 29; 0; 22; null; nonFinite i32[1] 0");
  }

  @Test
  void choices() {
    asks(
        SelectionOperators.TOKEN_SELECT,
        "n=11 k=5 H=3",
        "tokenSelect: keep i32[5]; score f32[11]; sums f32[3,11]; 11; nonFinite i32[1] 0");
    asks(
        SelectionOperators.TOKEN_SELECT,
        "n=11 k=5 H=3 w=7",
        "tokenSelect: keep i32[5]; score f32[11]; sums f32[3,77]; 11; nonFinite i32[1] 0");
    asks(
        SelectionOperators.COSINES,
        "n=11 D=5",
        "cosines: out f32[11,11]; x bf16[11,5]; nonFinite i32[1] 0");
    asks(
        SelectionOperators.DROP_DUPLICATES,
        "n=13 k=7",
        "dropDuplicates: keep i32[7]; score f32[13]; cosines f32[13,13]; 3");
  }

  /** An image begins behind five rows of text, or as many as there are. */
  @Test
  void cuts() {
    asks(
        SelectionOperators.ROW_MAP,
        "T=17 n=11 k=5",
        "rowMap: rows i32[11]; positions i32[11]; null;"
            + " before i32[17] 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21;"
            + " 5; 11; keep i32[5] 1 3 5 7 9; null; CONTIGUOUS");
    asks(
        SelectionOperators.ROW_MAP,
        "T=14 n=11 k=5",
        "rowMap: rows i32[8]; positions i32[8]; null;"
            + " before i32[14] 5 6 7 8 9 10 11 12 13 14 15 16 17 18;"
            + " 3; 11; keep i32[5] 1 3 5 7 9; null; CONTIGUOUS");
    asks(
        SelectionOperators.HIDE_ROWS,
        "T=13 n=11 k=5",
        "hideRows: hidden u8[13] 0 0 0 0 0 0 0 0 0 0 0 0 0; positions i32[13];"
            + " before i32[13] 5 6 7 8 9 10 11 12 13 14 15 16 17;"
            + " 2; 11; keep i32[5] 1 3 5 7 9; null; CONTIGUOUS");
  }

  @Test
  void movedRows() {
    asks(
        SelectionOperators.GATHER_ROWS,
        "n=11 k=5 D=7",
        "gatherRows: a bf16[5,7]; b bf16[5,7]; x bf16[11,7]; y bf16[11,7]; rows i32[5] 1 3 5 7 9");
    asks(
        SelectionOperators.COMBINE_ROWS,
        "n=31 k=5 w=3 D=7",
        "combineRows: out bf16[5,7]; x bf16[31,7];"
            + " index i32[5,3] 1 3 5/7 9 11/13 15 17/19 21 23/25 27 29; weight f32[5,3]");
    asks(
        SelectionOperators.COMPACT_ROWS,
        "L=2 S=13 k=5 G=2 d=7",
        "compactRows: k0 bf16[13,2,7]; v0 bf16[13,2,7]; null; k1 bf16[13,2,7]; v1 bf16[13,2,7];"
            + " null; rows i32[5] 8 9 10 11 12");
  }

  @Test
  void theEndOfAStep() {
    asks(
        StepOperators.STEP_ATTENTION,
        "S=19 H=20 G=10 d=20 out_features=11",
        "stepAttention: y bf16[1,11]; null; qkv bf16[1,800]; q bf16[1,20,20]; k bf16[19,10,20];"
            + " v bf16[19,10,20]; segments i32[1,16] 0 1 0 19 18 -1 18 18 18 0; 1; 19; true; null;"
            + " 0.2236068; cos f32[19,10]; sin f32[19,10]; null; attended bf16[1,400];"
            + " w is BF16[11, 400]; residual bf16[1,11]");
    asks(
        StepOperators.SAMPLE,
        "V=13",
        "sample: ids i32[1]; null; logits f32[1,13]; segments i32[1,16] 0 1 0 1 0 -1 0 0 0 0;"
            + " 1; 1; nonFinite i32[1] 0");
    // A seed beyond 32 begins anew.
    Inputs in =
        asked(
            StepOperators.ADVANCE,
            "n=2",
            37,
            "advance: segments i32[2,16] 0 1 0 64 5 -1 5 5 5 0/0 1 0 64 5 -1 5 5 5 0; 1; 64");
    double[] after = in.values(in.outputs().get(0));
    assertEquals(
        List.of(6.0, 6.0, 6.0, 6.0, 1.0),
        List.of(after[4], after[6], after[7], after[8], after[9]));
    assertFalse(after[10] != 0, "greedy");
  }
}
