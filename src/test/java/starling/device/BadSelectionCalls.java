package starling.device;

import static starling.device.BadCall.bad;
import static starling.device.BadCall.cuts;
import static starling.device.BadCall.keys;
import static starling.device.BadCall.known;
import static starling.device.BadCall.ofBoth;
import static starling.device.BadCall.unknown;

import java.util.List;
import java.util.stream.Stream;

/** What is wrong with attention, selection, cuts, moves and the end of a step. */
final class BadSelectionCalls {
  private BadSelectionCalls() {}

  private static Stream<BadCall> badAttention(String operator) {
    Stream<BadCall> scales =
        Stream.of(Float.NaN, Float.NEGATIVE_INFINITY)
            .map(s -> bad(operator, "scale", s, "my q is F32[4, 2, 32] with a scale of " + s));
    return Stream.concat(
        scales,
        Stream.of(
            bad(
                operator,
                "no head",
                "my q is F32[4, 0, 32], expected 1 to 16384 heads of at least 1 channel",
                (w, g) -> g.with("q", w.f32("my q", 4, 0, 32))),
            bad(
                operator,
                "heads of no channels",
                "my q is F32[4, 2, 0], expected 1 to 16384 heads of at least 1 channel",
                (w, g) -> g.with("q", w.f32("my q", 4, 2, 0))),
            bad(
                operator,
                "no key head",
                "my k is F32[8, 0, 32], whose heads do not divide the 2 query heads",
                (w, g) -> g.with("k", w.f32("my k", 8, 0, 32)).with("v", w.f32("my v", 8, 0, 32))),
            bad(
                operator,
                "key heads that do not divide",
                "my k is F32[8, 3, 32], whose heads do not divide the 2 query heads",
                (w, g) -> g.with("k", w.f32("my k", 8, 3, 32)).with("v", w.f32("my v", 8, 3, 32))),
            bad(
                operator,
                "a cache of fewer rows than the call",
                "my k is F32[3, 1, 32], which has no room for the 4 rows of the call",
                (w, g) ->
                    g.with("segments", null)
                        .with("k", w.f32("my k", 3, 1, 32))
                        .with("v", w.f32("my v", 3, 1, 32))),
            bad(
                operator,
                "a mask shorter than the cache",
                "my hidden is U8[7], which is shorter than the 8 keys of k",
                (w, g) ->
                    g.with("segments", null).with("hidden", w.alloc("my hidden", DType.U8, 7))),
            bad(
                operator,
                "values of another type",
                "v: my v is BF16[8, 1, 32], but my q is F32[4, 2, 32]",
                (w, g) -> g.with("v", w.alloc("my v", DType.BF16, 8, 1, 32)))));
  }

  private static Stream<BadCall> badKeys(String operator) {
    return Stream.concat(
        badAttention(operator),
        Stream.of(
            bad(operator, "span", new Span(1, 5), "rows: 1 to 5 of at most 4, where my q"),
            bad(
                operator,
                "keys before the first",
                "candidates: 3 from key -1 on, of 8 keys",
                unknown(keys(-1, 3))),
            bad(
                operator,
                "fewer than no keys",
                "candidates: -1 from key 0 on, of 8 keys",
                unknown(keys(0, -1))),
            bad(
                operator,
                "keys behind the last",
                "candidates: 3 from key 6 on, of 8 keys",
                unknown(keys(6, 3))),
            bad(
                operator,
                "keys behind those of the call",
                "candidates: 3 from key 2 on, of 4 keys",
                known(keys(2, 3))),
            bad(
                operator,
                "keys beyond what an int counts",
                "candidates: 2147483647 from key 2147483647 on, of 8 keys",
                unknown(keys(Integer.MAX_VALUE, Integer.MAX_VALUE))),
            bad(
                operator,
                "a list that starts behind the last key",
                "candidates: 3 from key 9 on, of 8 keys",
                unknown((w, g) -> g.with("at", 9)))));
  }

  private static Stream<BadCall> badSelection(String operator, int most) {
    return Stream.of(
        bad(
            operator,
            "nothing kept",
            "keep: my keep is I32[0], of ",
            (w, g) -> g.with("keep", w.i32("my keep", 0))),
        bad(
            operator,
            "more kept than there are",
            "keep: my keep is I32[7], of ",
            (w, g) -> g.with("keep", w.i32("my keep", 7))),
        bad(
            operator,
            "more candidates than a block sorts",
            "my score is F32[%d], expected 1 to %d candidates".formatted(most + 1, most),
            (w, g) -> g.with("score", w.f32("my score", most + 1))),
        bad(
            operator,
            "no candidates",
            "my score is F32[0], expected 1 to %d candidates".formatted(most),
            (w, g) -> g.with("score", w.f32("my score", 0))));
  }

  private static Stream<BadCall> badFlag(String operator, String name) {
    return Stream.of(
        bad(
            operator,
            "a flag of two",
            "nonFinite: my " + name + " is I32[2], expected I32[1]",
            (w, g) -> g.with(name, w.i32("my " + name, 2))));
  }

  private static Stream<BadCall> badCuts(String operator) {
    return Stream.of(
        bad(operator, "a cut before row 0", "cuts: 5 rows from row -1 on, of 9", cuts(-1, 5)),
        bad(
            operator,
            "a cut of fewer than no rows",
            "cuts: -1 rows from row 2 on, of 9",
            cuts(2, -1)),
        bad(operator, "a cut behind the rows", "cuts: 5 rows from row 5 on, of 9", cuts(5, 5)),
        bad(
            operator,
            "a cut beyond what an int counts",
            "cuts: 2147483647 rows from row 2147483647 on, of 9, where my keep is I32[2]",
            cuts(Integer.MAX_VALUE, Integer.MAX_VALUE)),
        bad(
            operator,
            "more kept than cut",
            "keep: my keep is I32[2], of 1 candidates",
            (w, g) -> g.with("count", 1).with("candidates", null)),
        bad(
            operator,
            "more kept than there are candidates",
            "keep: my keep is I32[2], of 1 candidates",
            (w, g) -> g.with("candidates", w.i32("my candidates", 1))),
        bad(
            operator,
            "more candidates than rows",
            "candidates: my candidates is I32[4], among 3 rows",
            cuts(2, 3)),
        bad(
            operator,
            "two cuts that overlap",
            "cuts: row 4 is a candidate of two, of 3 rows from row 2 on and of 2 from row 4"
                + " on, where my keep is I32[2]",
            (w, g) ->
                g.with("cuts", List.of(new Cut(2, 3, g.t("keep")), new Cut(4, 2, g.t("keep"))))),
        bad(
            operator,
            "two cuts that overlap, the later rows first",
            "cuts: row 4 is a candidate of two, of 2 rows from row 4 on and of 3 from row 2"
                + " on, where my keep is I32[2]",
            (w, g) ->
                g.with("cuts", List.of(new Cut(4, 2, g.t("keep")), new Cut(2, 3, g.t("keep"))))),
        bad(
            operator,
            "one more axis of positions",
            "positionsOut: my out is I32[3, ",
            (w, g) ->
                g.with("positionsIn", w.i32("my in", 2, 9))
                    .with("positionsOut", w.i32("my out", 3, g.t("positionsOut").rows()))),
        bad(
            operator,
            "positions on no axis",
            "positionsIn: my in is I32[0, 9], positions on no axis",
            (w, g) -> g.with("positionsIn", w.i32("my in", 0, 9))),
        bad(
            operator,
            "65 cuts",
            "65 groups of image tokens are cut at once; the device takes 64",
            cuts(65)),
        bad(operator, "rule", null, "rule: null"));
  }

  static final List<BadCall> ALL =
      Stream.of(
              badAttention("attention"),
              badKeys("attentionColsum"),
              badKeys("colsumSelect"),
              Stream.of(
                  bad("colsumSelect", "span", new Span(2, 2), "is empty"),
                  bad("tokenSelect", "rows", 0, "sums: my sums is F32[2, 6], sums of 0 rows"),
                  bad("tokenSelect", "rows", -1, "sums: my sums is F32[2, 6], sums of -1 rows"),
                  bad(
                      "tokenSelect",
                      "no heads",
                      "sums: my sums is F32[0, 6], sums of 4 rows",
                      (w, g) -> g.with("sums", w.f32("my sums", 0, 6))),
                  bad(
                      "tokenSelect",
                      "columns that are not as many for each candidate",
                      "sums: 13 sources are no multiple of the candidates, where my score is"
                          + " F32[6]",
                      (w, g) -> g.with("sums", w.f32("my sums", 2, 13))),
                  bad(
                      "tokenSelect",
                      "fewer columns than candidates",
                      "sums: 3 sources are no multiple of the candidates, where my score is"
                          + " F32[6]",
                      (w, g) -> g.with("sums", w.f32("my sums", 2, 3))),
                  bad(
                      "colsumSelect",
                      "rows of more than stay",
                      "rows: my mapped is I32[9], expected I32[8]",
                      (w, g) -> g.with("mapped", w.i32("my mapped", 9))),
                  bad("colsumSelect", "rule", null, "rule: null"),
                  bad(
                      "colsumSelect",
                      "a cut of more candidates than are chosen from",
                      "cuts: my keep is I32[2] is chosen of 3 candidates, but kept of 5",
                      (w, g) -> g.with("cuts", List.of(new Cut(2, 5, g.t("keep"))))),
                  bad(
                      "colsumSelect",
                      "a cut that keeps part of what is chosen",
                      "keep: my keep is I32[2], which overlaps keep of a cut, where my keep is"
                          + " I32[1]",
                      (w, g) -> g.with("cuts", List.of(new Cut(2, 2, g.t("keep").rows(0, 1))))),
                  bad(
                      "colsumSelect",
                      "keys that are not as many for each candidate",
                      "candidates: 3 sources are no multiple of the candidates, where my score is"
                          + " F32[2]",
                      (w, g) -> g.with("score", w.f32("my score", 2))),
                  bad(
                      "cosines",
                      "rows without elements",
                      "x: my x is F32[6, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 6, 0))),
                  bad(
                      "cosines",
                      "more rows than are compared",
                      "x: my x is F32[4097, 8], expected 1 to 4096 rows",
                      (w, g) -> g.with("x", w.f32("my x", 4097, 8))),
                  bad(
                      "cosines",
                      "no rows",
                      "x: my x is F32[0, 32], expected 1 to 4096 rows",
                      (w, g) -> g.with("x", w.f32("my x", 0, 32))),
                  bad(
                      "dropDuplicates",
                      "best",
                      -1,
                      "best is -1; it must be at least 0 and at most the 3 that are kept"),
                  bad(
                      "dropDuplicates",
                      "best",
                      4,
                      "best is 4; it must be at least 0 and at most the 3 that are kept")),
              ofBoth("tokenSelect", "colsumSelect", name -> badSelection(name, 16_384)),
              badSelection("dropDuplicates", 4096),
              badFlag("tokenSelect", "nonFinite"),
              badFlag("colsumSelect", "nonFinite"),
              badFlag("cosines", "nonFinite"),
              ofBoth("rowMap", "hideRows", BadSelectionCalls::badCuts),
              Stream.of(
                  bad(
                      "hideRows",
                      "a mask shorter than the rows",
                      "hidden: my hidden is U8[8], which is shorter than the 9 rows",
                      (w, g) -> g.with("hidden", w.alloc("my hidden", DType.U8, 8))),
                  bad("gatherRows", "in2", null, "out: 2 tensors for 1; they come in pairs"),
                  bad("gatherRows", "out2", null, "out: 1 tensors for 2; they come in pairs"),
                  bad(
                      "gatherRows",
                      "no pairs",
                      "out: 0 tensors for 0; they come in pairs, 1 to 8",
                      (w, g) -> List.of("out", "out2", "in", "in2").forEach(g.of::remove)),
                  bad(
                      "gatherRows",
                      "another type",
                      "out: my out is F32[3, 32], expected BF16[3, 32]",
                      (w, g) -> g.with("in", w.alloc("my in", DType.BF16, 5, 32))),
                  bad(
                      "combineRows",
                      "another type",
                      "out: my out is F16[2, 32], but my in is F32[5, 32]",
                      (w, g) -> g.with("out", w.alloc("my out", DType.F16, 2, 32))),
                  bad(
                      "compactRows",
                      "layers of different types",
                      "kv: my k2 is BF16[7, 1, 32] and my k is F32[8, 1, 32] differ",
                      (w, g) ->
                          g.with("k2", w.alloc("my k2", DType.BF16, 7, 1, 32))
                              .with("v2", w.alloc("my v2", DType.BF16, 7, 1, 32))),
                  bad(
                      "compactRows",
                      "layers of different strides",
                      "kv: my k2 is F32[7, 1, 32] and my k is F32[8, 1, 32] differ",
                      (w, g) -> g.with("k2", w.f32("my k2", 7, 40).columns(0, 32).split(1, 32))),
                  bad(
                      "compactRows",
                      "more rows than a cache has",
                      "rows: my rows is I32[8], more than k has, where my k2 is F32[7, 1, 32]",
                      (w, g) -> g.with("rows", w.i32("my rows", 8))),
                  bad(
                      "compactRows",
                      "one cache twice",
                      "which overlaps another k, where my k is F32[8, 1, 32]",
                      (w, g) -> g.with("k2", g.t("k").rows(0, 7))),
                  bad(
                      "sample",
                      "more tokens than a draw can rank",
                      "logits: my logits is F32[1, 2097153], expected 1 to 2097152 tokens",
                      (w, g) ->
                          g.with("logits", w.arena().alloc("my logits", DType.F32, 1, 2_097_153))),
                  bad(
                      "sample",
                      "no tokens",
                      "logits: my logits is F32[1, 0], expected 1 to 2097152 tokens",
                      (w, g) -> g.with("logits", w.f32("my logits", 1, 0))),
                  bad(
                      "sample",
                      "a word too many of what was seen",
                      "seen: my seen is I32[1, 2], expected I32[1, 1]",
                      (w, g) -> g.with("seen", w.i32("my seen", 1, 2))),
                  bad(
                      "sample",
                      "two rows of logits",
                      "logits: my logits is F32[2, 16], expected F32[1, -1]",
                      (w, g) -> g.with("logits", w.f32("my logits", 2, 16))),
                  bad(
                      "advance",
                      "segments that are no whole numbers",
                      "segments: my segments is F32[5, 16], expected I32[-1, 16]",
                      (w, g) -> g.with("segments", w.f32("my segments", 5, Segments.WIDTH)))))
          .flatMap(rows -> rows)
          .toList();
}
