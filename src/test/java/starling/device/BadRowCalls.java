package starling.device;

import static starling.device.BadCall.bad;
import static starling.device.BadCall.floats;
import static starling.device.BadCall.ofBoth;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Stream;

/** What is wrong with weights, rows, products and rope. */
final class BadRowCalls {
  private BadRowCalls() {}

  private static Stream<BadCall> eps(String operator) {
    return Stream.of(-1e-9f, Float.NaN, Float.POSITIVE_INFINITY)
        .map(eps -> bad(operator, "eps", eps, "my weight is F32[32] with an eps of " + eps));
  }

  private static BadCall other(String operator) {
    return bad(
        operator,
        "another device's arena",
        "my w: arena 'other' is another device's",
        (w, g) -> g.with("arena", w.other()));
  }

  static final List<BadCall> ALL =
      Stream.of(
              Stream.of(
                  bad(
                      "upload",
                      "src",
                      MemorySegment.ofArray(new float[23]),
                      "src has 92 bytes, 96 are needed"),
                  bad(
                      "download",
                      "dst",
                      MemorySegment.ofArray(new float[23]),
                      "dst has 92 bytes, 96 are needed"),
                  bad(
                      "download",
                      "dst",
                      MemorySegment.ofArray(new float[24]).asReadOnly(),
                      "dst: its memory is read-only"),
                  other("table"),
                  bad("table", "dtype", DType.I32, "my w: F32 as I32; both must be float types"),
                  bad("table", "w", floats("my w"), "my w: a table has at least one dimension"),
                  other("linear"),
                  bad("linear", "dtype", DType.U8, "my w: F32 as U8; both must be float types"),
                  bad("linear", "w2", floats("my w2", 6, 5), "my w2: a weight of shape [6, 5]"),
                  bad("linear", "w", floats("my w", 6), "my w: a weight of shape [6]"),
                  bad("linear", "w", floats("my w", 0, 4), "my w: a weight of shape [0, 4]"),
                  bad("linear", "b", floats("my b", 7), "my b: a bias of shape [7] for a weight"),
                  bad("linear", "b", floats("my b", 6, 1), "my b: a bias of shape [6, 1]"),
                  bad(
                      "linear",
                      "b",
                      new StoredTensor(
                          "my b", DType.I32, List.of(6), MemorySegment.ofArray(new int[6])),
                      "my b: I32 as F32; both must be float types"),
                  bad(
                      "linear",
                      "source",
                      new Linear.Source(List.of(), List.of(), 0, 0),
                      "source: 0 weights with 0 biases"),
                  bad(
                      "linear",
                      "source",
                      new Linear.Source(List.of(floats("w", 2, 2)), List.of(), 0, 0),
                      "source: 1 weights with 0 biases"),
                  bad("linear", "outHead", 5, "my w: 6 rows cannot be divided into heads of 5"),
                  bad("linear", "outHead", -6, "my w: 6 rows cannot be divided into heads of -6"),
                  bad("linear", "inHead", 3, "my w: 4 columns cannot be divided into heads of 3"),
                  bad(
                      "patchify",
                      "patch",
                      0,
                      "my pixels is F32[3, 8, 8], in which no patch of 0 fits"),
                  bad(
                      "patchify",
                      "patch",
                      -4,
                      "my pixels is F32[3, 8, 8], in which no patch of -4 fits"),
                  bad(
                      "patchify",
                      "patch",
                      9,
                      "my pixels is F32[3, 8, 8], in which no patch of 9 fits"),
                  bad(
                      "patchify",
                      "patch",
                      Integer.MAX_VALUE,
                      "my pixels is F32[3, 8, 8], in which no patch of 2147483647 fits"),
                  bad(
                      "patchify",
                      "an image too low",
                      "my pixels is F32[3, 4, 8], in which no patch of 5 fits",
                      (w, g) -> g.with("pixels", w.f32("my pixels", 3, 4, 8)).with("patch", 5)),
                  bad(
                      "patchify",
                      "an image too narrow",
                      "my pixels is F32[3, 8, 4], in which no patch of 5 fits",
                      (w, g) -> g.with("pixels", w.f32("my pixels", 3, 8, 4)).with("patch", 5)),
                  bad("patchify", "patch", 3, "my out is F32[4, 48], expected a float type[4, 27]"),
                  bad(
                      "embed",
                      "a table of another type",
                      "table: my table is BF16[5, 32], but my out is F32[3, 32]",
                      (w, g) -> g.with("table", w.alloc("my table", DType.BF16, 5, 32))),
                  bad("layernorm", "bias", null, "a layer norm needs a bias"),
                  bad(
                      "layernorm",
                      "rows without elements",
                      "x: my x is F32[3, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 3, 0))),
                  bad(
                      "rmsnorm",
                      "a bias",
                      "an RMS norm has no bias",
                      (w, g) -> g.with("bias", w.f32("my bias", 32))),
                  bad(
                      "rmsnorm",
                      "rows without elements",
                      "x: my x is F32[3, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 3, 0))),
                  bad(
                      "rmsnorm",
                      "an output shifted by a row",
                      "out: my x is F32[3, 32], which overlaps x, where my x is F32[3, 32]",
                      (w, g) -> {
                        Tensor x = w.f32("my x", 4, 32);
                        g.with("x", x.rows(0, 3)).with("out", x.rows(1, 4));
                      })),
              ofBoth("layernorm", "rmsnorm", BadRowCalls::eps),
              eps("gemm"),
              Stream.of(
                  bad(
                      "gemm",
                      "fewer inputs",
                      "my x is F32[3, 32], expected a float type[-1, 31]",
                      (w, g) -> g.with("part", w.f32("my part", 16, 31))),
                  bad(
                      "gemm",
                      "more outputs",
                      "my y is F32[3, 16], expected a float type[3, 17]",
                      (w, g) -> g.with("part", w.f32("my part", 17, 32)).with("b", null)),
                  bad(
                      "asLinear",
                      "no inputs",
                      "w: my part is F32[16, 0], a matrix without elements",
                      (w, g) -> g.with("part", w.f32("my part", 16, 0))),
                  bad(
                      "asLinear",
                      "no outputs",
                      "w: my part is F32[0, 32], a matrix without elements",
                      (w, g) -> g.with("part", w.f32("my part", 0, 32))),
                  bad(
                      "asLinear",
                      "a bias of another length",
                      "bias: my b is F32[15], expected F32[16]",
                      (w, g) -> g.with("b", w.f32("my b", 15))),
                  bad(
                      "gemm",
                      "an odd number of gates and ups",
                      "w: my part is F32[15, 32], an odd number of gates and ups",
                      (w, g) ->
                          g.with("part", w.f32("my part", 15, 32))
                              .with("b", null)
                              .with("activation", Activation.SILU_MUL)),
                  bad(
                      "gemm",
                      "an output narrower than its input",
                      "y: my y is BF16[3, 16], but my x is F32[3, 32]",
                      (w, g) -> g.with("y", w.alloc("my y", DType.BF16, 3, 16))),
                  bad(
                      "gemm",
                      "weights of another type",
                      "w: my part is F16[16, 32], but my x is F32[3, 32]",
                      (w, g) -> g.with("part", w.alloc("my part", DType.F16, 16, 32))),
                  bad(
                      "gemm",
                      "an output over its input",
                      "y: my both is F32[3, 16], which overlaps x",
                      (w, g) -> {
                        Tensor both = w.f32("my both", 3, 40);
                        g.with("x", both.columns(0, 32)).with("y", both.columns(24, 40));
                      }),
                  bad(
                      "gemm",
                      "statistics without a norm",
                      "known: my known is F32[3, 4], and no norm that they are for",
                      (w, g) -> g.with("weight", null).with("bias", null)),
                  bad(
                      "gemm",
                      "more parts than columns make",
                      "known: my known is F32[3, 14], which are no pairs of numbers for each part of"
                          + " my x is F32[3, 32]",
                      (w, g) -> g.with("known", w.f32("my known", 3, 14))),
                  bad(
                      "gemm",
                      "half a pair",
                      "known: my known is F32[3, 3], which are no pairs of numbers for each part of"
                          + " my x is F32[3, 32]",
                      (w, g) -> g.with("known", w.f32("my known", 3, 3))),
                  bad(
                      "gemm",
                      "an output over the residual that it picks from",
                      "y: my y is F32[3, 16], which overlaps residual, where my y is F32[3, 16]",
                      (w, g) -> g.with("residual", g.t("y"))),
                  bad(
                      "gemm",
                      "new statistics over the old",
                      "statistics: my both is F32[3, 2], which overlaps known, where my both",
                      (w, g) -> {
                        Tensor both = w.f32("my both", 3, 8);
                        g.with("known", both).with("statistics", both.columns(4, 6));
                      }),
                  bad(
                      "rowStatistics",
                      "rows without elements",
                      "x: my x is F32[3, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 3, 0))),
                  bad(
                      "rowStatistics",
                      "no part",
                      "statistics: my statistics is F32[3, 0], which are no pairs of numbers",
                      (w, g) -> g.with("statistics", w.f32("my statistics", 3, 0))),
                  bad(
                      "stepAttention",
                      "five rows of a segment",
                      "of at most 5 rows each; a step has at most 4, and 16 in all, where my q",
                      (w, g) -> g.with("rows", 5)),
                  bad(
                      "stepAttention",
                      "no segments",
                      "positions: null, and no segments that say where the rows stand",
                      (w, g) -> g.with("segments", null)),
                  bad(
                      "stepAttention",
                      "seventeen rows",
                      "of at most 4 rows each; a step has at most 4, and 16 in all, where my q is"
                          + " F32[17, 2, 32]",
                      (w, g) ->
                          g.with("q", w.f32("my q", 17, 2, 32))
                              .with("qkv", w.f32("my qkv", 17, 128))),
                  bad(
                      "stepAttention",
                      "an attention over the output",
                      "y: my both is F32[4, 16], which overlaps x, where my both is F32[4, 64]",
                      (w, g) -> {
                        Tensor both = w.f32("my both", 4, 64);
                        g.with("attended", both).with("y", both.columns(0, 16));
                      }),
                  bad(
                      "rope",
                      "rows that nobody places",
                      "positions: null, and no segments that say where the rows stand",
                      (w, g) -> g.with("positions", null).with("segments", null)),
                  bad(
                      "rope",
                      "positions on three axes of a table that has one",
                      "positions: my positions is I32[3, 4], on three axes, but the table of angles"
                          + " has no sections",
                      (w, g) -> g.with("positions", w.i32("my positions", 3, 4))),
                  bad(
                      "rope",
                      "positions on two axes",
                      "positions: my positions is I32[2, 4], expected I32[3, 4]",
                      (w, g) -> g.with("positions", w.i32("my positions", 2, 4))),
                  bad(
                      "rope",
                      "sections",
                      new int[] {2, 3, 10},
                      "sections: [2, 3, 10] are not three numbers that add up to the columns, where my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "sections",
                      new int[] {8, 8},
                      "sections: [8, 8] are not three numbers that add up to the columns, where my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "sections",
                      new int[] {-1, 9, 8},
                      "sections: [-1, 9, 8] are not three numbers that add up to the columns, where my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "segments of fewer keys than rows",
                      "segments: my segments is I32[1, 16], of at most 4 rows and 3 keys each",
                      (w, g) -> g.with("keys", 3)),
                  bad(
                      "rope",
                      "a table wider than half a head",
                      "cos: my cos is F32[9, 17], which is wider than half a head",
                      (w, g) ->
                          g.with("cos", w.f32("my cos", 9, 17))
                              .with("sin", w.f32("my sin", 9, 17))),
                  bad(
                      "rope",
                      "heads that are not those of qkv",
                      "qkv: my qkv is F32[4, 128], expected a float type[4, 192]",
                      (w, g) -> g.with("q", w.f32("my q", 4, 4, 32))),
                  bad(
                      "rope",
                      "no key head",
                      "my k is F32[8, 0, 32], whose heads do not divide the 2 query heads",
                      (w, g) ->
                          g.with("k", w.f32("my k", 8, 0, 32)).with("v", w.f32("my v", 8, 0, 32))),
                  bad(
                      "rope",
                      "more heads than an attention has",
                      "my q is F32[4, 16385, 1], expected 1 to 16384 heads",
                      (w, g) -> g.with("q", w.f32("my q", 4, 16_385, 1))),
                  bad(
                      "rope",
                      "one cache for keys and values",
                      "k: my k is F32[8, 1, 32], which overlaps v, where my k",
                      (w, g) -> g.with("v", g.t("k")))))
          .flatMap(rows -> rows)
          .toList();
}
