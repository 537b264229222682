package starling.device;

import static starling.device.BadCall.bad;
import static starling.device.BadCall.keys;
import static starling.device.BadCall.ofBoth;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** What is wrong with numbers in memory: indices, segment tables, samplings. */
final class BadNumbers {
  private BadNumbers() {}

  /** Numbers in memory that Java reads, on the devices that reach it. */
  static final List<BadCall> ALL =
      Stream.of(
              Stream.of(
                  numbers(
                      "embed", "ids", "my ids[1] is 5; it must be at least 0 and below 5", 0, 5, 1),
                  numbers("embed", "ids", "my ids[2] is -1; it must be at least 0", 0, 1, -1),
                  numbers("rope", "positions", "my positions[3] is 9; it must be", 0, 1, 2, 9),
                  numbers("gatherRows", "rows", "my rows[2] is 5; it must be", 0, 4, 5),
                  numbers("compactRows", "rows", "my rows[2] is 7; it must be", 0, 4, 7),
                  numbers("compactRows", "rows", "my rows: 2 follows 4; it must ascend", 1, 4, 2),
                  numbers("compactRows", "rows", "my rows: 4 follows 4; it must ascend", 1, 4, 4),
                  bad(
                      "combineRows",
                      "a row that is not there",
                      "my index[0, 1] is 5; it must be at least 0 and below 5",
                      (w, g) -> {
                        MemorySegment m = w.host().allocate(24, 16);
                        MemorySegment.copy(
                            new int[] {0, 5, 0, 0, 0, 0}, 0, m, ValueLayout.JAVA_INT, 0, 6);
                        g.with("index", w.arena().view("my index", DType.I32, Block.of(m), 2, 3));
                      })),
              ofBoth(
                  "attentionColsum",
                  "colsumSelect",
                  o ->
                      Stream.of(
                          bad(
                              o,
                              "a candidate before the first key",
                              "my index[2] is -1; it must be at least 0 and below 3",
                              (w, g) ->
                                  g.with("index", w.ints("my index", 0, 1, -1))
                                      .with("segments", w.segments(0))),
                          bad(
                              o,
                              "a candidate behind the keys of the call",
                              "my index[2] is 3; it must be at least 0 and below 3",
                              (w, g) ->
                                  g.with("index", w.ints("my index", 0, 1, 3))
                                      .with("segments", w.segments(0))))),
              Stream.of("rope", "attention", "attentionColsum", "colsumSelect")
                  .flatMap(BadNumbers::badTables),
              Stream.of(
                  table(
                      "rope",
                      Segments.POSITION + 2,
                      6,
                      "my segments[0]: 4 rows stand at position 6 and behind; there are angles of 9 positions",
                      (w, g) -> g.with("positions", null)),
                  table(
                      "rope",
                      Segments.POSITION,
                      -1,
                      "my segments[0]: 4 rows stand at position -1 and behind;",
                      (w, g) -> g.with("positions", null))),
              Stream.of(
                  draws(Segments.STEP, -1, "my segments[0]: step -1, temperature 0.5, top-k 3"),
                  draws(Segments.TEMPERATURE, bits(-1), "temperature -1.0, top-k 3"),
                  draws(Segments.TEMPERATURE, bits(Float.NaN), "temperature NaN, top-k 3"),
                  draws(Segments.TOP_K, -1, "top-k -1 and top-p 0.9 draw no token"),
                  draws(Segments.TOP_P, bits(0), "top-p 0.0 draw no token"),
                  draws(Segments.TOP_P, bits(1.01f), "top-p 1.01 draw no token"),
                  draws(Segments.TOP_P, bits(Float.NaN), "top-p NaN draw no token"),
                  draws(
                      Segments.PENALTY,
                      bits(-1),
                      "my segments[0]: a repetition penalty of -1.0; 0 is none"),
                  draws(Segments.PENALTY, bits(Float.NaN), "a repetition penalty of NaN; 0"),
                  draws(
                      Segments.PENALTY,
                      bits(Float.POSITIVE_INFINITY),
                      "a repetition penalty of Infinity; 0 is none"),
                  table(
                      "sample",
                      Segments.PENALTY,
                      bits(1.5f),
                      "my segments[0]: a repetition penalty of 1.5 needs seen",
                      (w, g) -> g.with("seen", null))),
              Stream.of(
                  numbers("colsumSelect", "chosenFrom", "my chosenFrom[2] is 5; it must", 0, 1, 5),
                  bad(
                      "colsumSelect",
                      "what another cut keeps does not ascend",
                      "my other: 0 follows 1; it must ascend",
                      (w, g) -> g.with("cuts", List.of(new Cut(0, 3, w.ints("my other", 1, 0)))))),
              ofBoth(
                  "rowMap",
                  "hideRows",
                  o ->
                      Stream.of(
                          numbers(o, "keep", "my keep[1] is 4; it must be at least 0", 0, 4),
                          numbers(o, "keep", "my keep: 0 follows 3; it must ascend", 3, 0),
                          numbers(o, "keep", "my keep: 1 follows 1; it must ascend", 1, 1),
                          numbers(o, "candidates", "my candidates[3] is 5; it must be", 0, 1, 2, 5),
                          numbers(o, "candidates", "my candidates[0] is -1; it must", -1, 1, 2, 3),
                          numbers(o, "candidates", "my candidates: 2 follows 2; it", 0, 2, 2, 3),
                          bad(
                              o,
                              "a candidate of two cuts",
                              "cuts: row 6 is a candidate of two, of 9 rows from row 0 on and of 7 from row"
                                  + " 2 on, where my one is I32[1]",
                              (w, g) -> {
                                Tensor one = w.ints("my one", 1);
                                Tensor some = w.ints("my some", 0, 1, 6);
                                Tensor others = w.ints("my others", 0, 3, 4);
                                g.with(
                                    "cuts",
                                    List.of(new Cut(0, 9, one, some), new Cut(2, 7, one, others)));
                              }))))
          .flatMap(rows -> rows)
          .toList();

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }

  private static BadCall draws(int column, int value, String expected) {
    return table("sample", column, value, expected, (w, g) -> {});
  }

  /** A right table with one other number. */
  private static BadCall table(
      String operator, int column, int value, String expected, CallChange besides) {
    return bad(
        operator,
        "number " + column + " of a segment " + value,
        expected,
        (w, g) -> {
          Tensor table = w.segments(0);
          table.memory().set(ValueLayout.JAVA_INT, table.offset() + 4L * column, value);
          besides.on(w, g.with("segments", table));
        });
  }

  private static Stream<BadCall> badTables(String operator) {
    CallChange nothing = (w, g) -> {};
    String rows =
        "my segments[0]: %d rows (at most 4) from row %d on; they must begin at row 0 or later";
    String keys = "my segments[0]: %d keys from %d on are not in k: my k is F32[8, 1, 32]";
    String room = "my segments[0]: there is no room for 4 rows behind %d in a capacity of %d, of";
    return Stream.concat(
        Stream.of(
            table(operator, Segments.ROW, -1, String.format(rows, 4, -1), nothing),
            table(operator, Segments.ROW, 1, String.format(rows, 4, 1), nothing),
            table(operator, Segments.ROWS, -1, String.format(rows, -1, 0), nothing),
            table(operator, Segments.ROWS, 5, String.format(rows, 5, 0), nothing),
            table(operator, Segments.AT, -1, String.format(keys, 8, -1), nothing),
            table(operator, Segments.AT, 1, String.format(keys, 8, 1), nothing),
            table(operator, Segments.CAPACITY, -1, String.format(keys, -1, 0), nothing),
            table(operator, Segments.CAPACITY, 3, String.format(room, 0, 3), nothing),
            table(operator, Segments.LENGTH, -1, String.format(room, -1, 8), nothing),
            table(operator, Segments.LENGTH, 5, String.format(room, 5, 8), nothing),
            table(
                operator,
                Segments.LENGTH,
                Integer.MAX_VALUE - 1,
                String.format(room, Integer.MAX_VALUE - 1, 8),
                nothing),
            table(
                operator,
                Segments.LENGTH,
                3,
                String.format(room, 3, 8) + " at most 6 keys",
                (w, g) -> g.with("keys", 6))),
        operator.equals("rope")
            ? Stream.of()
            : Stream.of(
                table(
                    operator,
                    Segments.HIDDEN,
                    1,
                    "my segments[0]: bytes 1 to 9 are not in hidden: my hidden is U8[8]",
                    nothing),
                table(operator, Segments.HIDDEN, -2, "bytes -2 to 6 are not in hidden", nothing)));
  }

  private static BadCall numbers(String operator, String name, String expected, int... values) {
    return bad(
        operator,
        name + " of " + Arrays.toString(values),
        expected,
        (w, g) -> g.with(name, w.ints("my " + name, values)));
  }
}
