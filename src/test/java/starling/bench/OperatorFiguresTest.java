package starling.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import starling.bench.Operator.Sizes;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;

/**
 * Bytes and FLOPs of every operator, counted by hand from the shapes of its tensors; the sizes of
 * an operator are numbers of which none can stand for another.
 */
class OperatorFiguresTest {
  /** Bytes of a whole number, and of an f32 whatever the run's type is. */
  private static final long WORD = 4;

  /**
   * What an operator must move and compute.
   *
   * @param elements that have the run's type
   * @param bytes of everything else
   */
  private record Figures(Operator of, String sizes, long elements, long bytes, long flops) {
    @Override
    public String toString() {
      return of.name() + " " + sizes;
    }
  }

  private static Figures figures(Operator of, String sizes, long elements, long bytes, long flops) {
    return new Figures(of, sizes, elements, bytes, flops);
  }

  private static Figures moves(Operator of, String sizes, long elements, long bytes) {
    return figures(of, sizes, elements, bytes, 0);
  }

  static Sizes sizes(String text) {
    Map<String, Integer> sizes = new LinkedHashMap<>();
    for (String axis : text.split(" ", -1)) {
      String[] parts = axis.split("=", -1);
      sizes.put(parts[0], Integer.parseInt(parts[1]));
    }
    return new Sizes(sizes);
  }

  /** Keys that the last rows of a call see, of the first {@code keys}: one more from row to row. */
  private static long pairs(int from, int rows, int all, int keys) {
    return LongStream.range(from, rows).map(i -> Math.min(all - rows + i + 1, keys)).sum();
  }

  private static Stream<Figures> figures() {
    return Stream.of(rows(), attention(), candidates(), selection(), steps()).flatMap(s -> s);
  }

  private static Stream<Figures> rows() {
    return Stream.of(
        // Pixels are f32, patches have the run's type.
        moves(RowOperators.PATCHIFY, "image=35 patch=7", 3 * 35 * 35, 3 * 35 * 35 * WORD),
        moves(RowOperators.PATCHIFY, "image=35 patch=5", 3 * 35 * 35, 3 * 35 * 35 * WORD),
        // Of the table of 11 rows, 3 are read.
        moves(RowOperators.EMBED, "T=3 D=5 V=11", 3 * 5 + 3 * 5, 3 * WORD),
        moves(RowOperators.LAYERNORM, "T=3 D=5", 3 * 5 + 3 * 5 + 5 + 5, 0),
        moves(RowOperators.RMSNORM, "T=3 D=5", 3 * 5 + 3 * 5 + 5, 0),
        // Two numbers of a part: 37 columns are three of 16 with few rows, one of 64 with many.
        moves(RowOperators.ROW_STATISTICS, "T=7 D=37", 7 * 37, 7 * 2 * 3 * WORD),
        moves(RowOperators.ROW_STATISTICS, "T=17 D=37", 17 * 37, 17 * 2 * 1 * WORD),
        figures(
            RowOperators.GEMM,
            "T=3 in_features=5 out_features=7",
            3 * 5 + 7 * 5 + 3 * 7,
            0,
            2 * 3 * 5 * 7),
        figures(
            Answer.NORMED,
            "T=3 in_features=5 out_features=7",
            3 * 5 + 7 * 5 + 3 * 7,
            0,
            2 * 3 * 5 * 7),
        // Gate and up are two products of one x.
        figures(
            Answer.GATED,
            "T=3 in_features=5 out_features=7",
            3 * 5 + 2 * 7 * 5 + 3 * 7,
            0,
            2 * (2 * 3 * 5 * 7)),
        // The residual is read.
        figures(
            Answer.ADDED,
            "T=3 in_features=5 out_features=7",
            3 * 5 + 7 * 5 + 3 * 7 + 3 * 7,
            0,
            2 * 3 * 5 * 7));
  }

  private static Stream<Figures> attention() {
    return Stream.of(
        // Read once and written once; half a head of cosines and of sines, a position on each axis.
        moves(
            AttentionOperators.ROPE,
            "T=7 H=6 G=3 d=26",
            2 * 7 * (6 + 3 + 3) * 26,
            7 * (13 + 13 + 1) * WORD),
        moves(
            AttentionOperators.ROPE,
            "T=7 H=6 G=3 d=26 axes=3",
            2 * 7 * (6 + 3 + 3) * 26,
            7 * (13 + 13 + 3) * WORD),
        // Queries and out, keys and values, a sum of each row; q·k and p·v of every pair.
        figures(
            AttentionOperators.ATTENTION,
            "T=7 S=19 H=6 G=3 d=26 causal=0",
            7 * 6 * 26 + 7 * 6 * 26 + 19 * 3 * 26 + 19 * 3 * 26,
            6 * 7 * WORD,
            (2 + 2) * (7 * 19) * 6 * 26),
        figures(
            AttentionOperators.ATTENTION,
            "T=7 S=19 H=6 G=3 d=26 causal=1",
            7 * 6 * 26 + 7 * 6 * 26 + 19 * 3 * 26 + 19 * 3 * 26,
            6 * 7 * WORD,
            (2 + 2) * (13 + 14 + 15 + 16 + 17 + 18 + 19) * 6 * 26),
        figures(
            AttentionOperators.ATTENTION,
            "T=1 S=19 H=6 G=3 d=26 causal=1",
            6 * 26 + 6 * 26 + 19 * 3 * 26 + 19 * 3 * 26,
            6 * WORD,
            (2 + 2) * 19 * 6 * 26),
        // Five lines of seven in squares of three: 3x3 3x3 3x1, 2x3 2x3 2x1.
        figures(
            AttentionOperators.ATTENTION,
            "T=35 S=35 H=6 G=3 d=26 causal=0 across=7 window=3",
            35 * 6 * 26 + 35 * 6 * 26 + 35 * 3 * 26 + 35 * 3 * 26,
            6 * 35 * WORD,
            (2 + 2) * (9 * 9 + 9 * 9 + 3 * 3 + 6 * 6 + 6 * 6 + 2 * 2) * 6 * 26),
        // Queries and keys; the rows' sums are read, those of the columns written; q·k.
        figures(
            AttentionOperators.ATTENTION_COLSUM,
            "T=7 S=19 H=6 G=3 d=26 causal=0",
            7 * 6 * 26 + 19 * 3 * 26,
            (6 * 7 + 6 * 19) * WORD,
            2 * (7 * 19) * 6 * 26),
        figures(
            AttentionOperators.ATTENTION_COLSUM,
            "T=7 S=19 H=6 G=3 d=26 causal=1",
            7 * 6 * 26 + 19 * 3 * 26,
            (6 * 7 + 6 * 19) * WORD,
            2 * pairs(0, 7, 19, 19) * 6 * 26));
  }

  /** As many rows give scores as there are candidates' keys, or all: the others are not read. */
  private static Stream<Figures> candidates() {
    return Stream.of(
        figures(
            AttentionOperators.COLSUM_SELECT,
            "T=23 S=23 H=6 G=3 d=26 causal=0 n=11 k=5",
            11 * 6 * 26 + 11 * 3 * 26,
            (6 * 11 + 11 + 5) * WORD,
            2 * (11 * 11) * 6 * 26),
        // Two keys of a candidate.
        figures(
            AttentionOperators.COLSUM_SELECT,
            "T=29 S=29 H=6 G=3 d=26 causal=0 n=11 k=5 w=2",
            22 * 6 * 26 + 22 * 3 * 26,
            (6 * 22 + 11 + 5) * WORD,
            2 * (22 * 22) * 6 * 26),
        // Five rows that all see the first 11 of 19 keys.
        figures(
            AttentionOperators.COLSUM_SELECT,
            "T=5 S=19 H=6 G=3 d=26 causal=1 n=11 k=2",
            5 * 6 * 26 + 11 * 3 * 26,
            (6 * 5 + 11 + 2) * WORD,
            2 * (5 * 11) * 6 * 26),
        // Rows 2 to 12 see 3 to 13 keys, and of those the first 11.
        figures(
            AttentionOperators.COLSUM_SELECT,
            "T=13 S=13 H=6 G=3 d=26 causal=1 n=11 k=5",
            11 * 6 * 26 + 11 * 3 * 26,
            (6 * 11 + 11 + 5) * WORD,
            2 * (3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 11 + 11) * 6 * 26),
        // Seven rows behind twelve see 13 to 19 keys, and of those the first 17.
        figures(
            AttentionOperators.COLSUM_SELECT,
            "T=7 S=19 H=6 G=3 d=26 causal=1 n=17 k=5",
            7 * 6 * 26 + 17 * 3 * 26,
            (6 * 7 + 17 + 5) * WORD,
            2 * pairs(0, 7, 19, 17) * 6 * 26));
  }

  private static Stream<Figures> selection() {
    return Stream.of(
        moves(SelectionOperators.TOKEN_SELECT, "n=11 k=5 H=3", 0, (3 * 11 + 11 + 5) * WORD),
        moves(SelectionOperators.TOKEN_SELECT, "n=11 k=5 H=3 w=7", 0, (3 * 77 + 11 + 5) * WORD),
        figures(SelectionOperators.COSINES, "n=11 D=5", 11 * 5, 11 * 11 * WORD, 2 * 11 * 11 * 5),
        // Three of seven are the best; of the other ten, five are held against five.
        moves(SelectionOperators.DROP_DUPLICATES, "n=13 k=7", 0, (13 + 7 + 5 * 5) * WORD),
        // 23 - 11 + 5 rows and as many positions.
        moves(SelectionOperators.ROW_MAP, "T=23 n=11 k=5", 0, (5 + 17 + 17) * WORD),
        // Two pairs of tensors.
        moves(SelectionOperators.GATHER_ROWS, "n=11 k=5 D=7", 2 * (5 * 7 + 5 * 7), 5 * WORD),
        // 15 rows are read, or all 11 that there are.
        moves(
            SelectionOperators.COMBINE_ROWS, "n=29 k=5 w=3 D=7", 15 * 7 + 5 * 7, (15 + 15) * WORD),
        moves(
            SelectionOperators.COMBINE_ROWS, "n=11 k=5 w=3 D=7", 11 * 7 + 5 * 7, (15 + 15) * WORD),
        // Keys and values are read and written.
        moves(
            SelectionOperators.COMPACT_ROWS,
            "L=3 S=13 k=5 G=2 d=7",
            3 * (2 + 2) * 5 * 2 * 7,
            5 * WORD),
        // A byte of each row is read and written, and its position.
        moves(
            SelectionOperators.HIDE_ROWS,
            "T=23 n=11 k=5",
            0,
            23 + 23 + (23 + 23) * WORD + 5 * WORD));
  }

  private static Stream<Figures> steps() {
    return Stream.of(
        // 18 keys and values are read and one is written; the weights; a row of queries, keys and
        // values; the residual and y.
        figures(
            StepOperators.STEP_ATTENTION,
            "S=19 H=6 G=3 d=26 out_features=11",
            (18 + 1) * 3 * 26 * 2 + 6 * 26 * 11 + (6 + 3 + 3) * 26 + 11 + 11,
            0,
            (2 + 2) * 19 * 6 * 26 + 2 * (6 * 26) * 11),
        // Beside the logits three numbers of the table, what is not finite, and the id.
        moves(StepOperators.SAMPLE, "V=13", 0, (13 + 3 + 1 + 1) * WORD),
        // Rows, length, three positions and the step are read, all but the first written.
        moves(StepOperators.ADVANCE, "n=13", 0, 13 * (6 + 5) * WORD));
  }

  @ParameterizedTest
  @MethodSource("figures")
  void theFiguresAreThoseOfTheShapes(Figures f) {
    Sizes sizes = sizes(f.sizes());
    Map<DType, Integer> bytes = Map.of(DType.F32, 4, DType.BF16, 2, DType.F16, 2);
    bytes.forEach(
        (type, each) -> {
          var c = new Case(f.of().name(), f.of(), sizes, type);
          assertEquals(f.elements() * each + f.bytes(), c.bytes(), type + " bytes");
          assertEquals(f.flops(), c.flops(), type + " flops");
        });
  }

  @Test
  void everyOperatorHasFiguresAndTensorsOfTheRunsTypeOnlyWhereItIsTyped() {
    assertEquals(
        Catalogue.OPERATORS.stream().map(Operator::name).collect(Collectors.toSet()),
        figures()
            .map(f -> f.of().name())
            .filter(name -> !name.contains(","))
            .collect(Collectors.toSet()));
    figures().forEach(f -> assertEquals(f.elements() > 0, f.of().typed(), f.toString()));
  }

  @Test
  void theSizesOfARowAreInTheOrderOfItsAxes() {
    figures()
        .forEach(
            f -> {
              List<String> given = List.copyOf(sizes(f.sizes()).of().keySet());
              assertEquals(
                  f.of().axes().stream().filter(given::contains).toList(), given, f.toString());
            });
  }

  /** Far beyond an int, each exact; beyond a long the largest there is. */
  @Test
  void largeFiguresAreExact() {
    Sizes large = sizes("T=100003 in_features=50021 out_features=70001");
    long t = 100_003;
    long in = 50_021;
    long out = 70_001;
    assertEquals(2 * t * in * out, RowOperators.GEMM.flops(large, DType.F16));
    assertEquals(2 * (t * in + out * in + t * out), RowOperators.GEMM.bytes(large, DType.F16));
    Sizes rows = sizes("T=100003 S=100003 H=1 G=1 d=1 causal=1");
    assertEquals(4 * (t * (t + 1) / 2), AttentionOperators.ATTENTION.flops(rows, DType.F16));
    Sizes many = sizes("n=100003 k=50021 H=70001 w=13");
    assertEquals(
        4 * (out * t * 13 + t + in), SelectionOperators.TOKEN_SELECT.bytes(many, DType.F32));
    Sizes alike = sizes("n=100003 k=2");
    assertEquals(
        4 * (t + 2) + (t - 1) * (t - 1),
        SelectionOperators.DROP_DUPLICATES.bytes(alike, DType.F32));
    Sizes most = sizes("T=2147483647 in_features=2147483647 out_features=2147483647");
    assertEquals(Long.MAX_VALUE, RowOperators.GEMM.flops(most, DType.F32));
    assertEquals(Long.MAX_VALUE, RowOperators.GEMM.bytes(most, DType.F32));
  }

  @Test
  void windowsAreTakenLineByLine() {
    assertArrayEquals(
        new int[] {9, 9, 3, 6, 6, 2},
        AttentionOperators.windowRows(sizes("T=35 across=7 window=3")));
    assertArrayEquals(
        new int[] {4, 4, 4, 4}, AttentionOperators.windowRows(sizes("T=16 across=4 window=2")));
    assertArrayEquals(new int[] {6}, AttentionOperators.windowRows(sizes("T=6 across=3 window=4")));
  }

  @Test
  void anOperatorIsFoundByItsName() {
    for (Operator o : Catalogue.OPERATORS) {
      assertSame(o, Catalogue.operator(o.name()));
    }
    var e = assertThrows(NoSuchElementException.class, () -> Catalogue.operator("rmsnrm"));
    assertEquals("rmsnrm", e.getMessage());
  }

  @Test
  void anAxisWithoutAValueIsNamed() {
    Sizes sizes = sizes("T=3 D=5");
    assertEquals("T=3 D=5", sizes.toString());
    assertEquals(3, sizes.get("T", 7));
    assertEquals(7, sizes.get("w", 7));
    assertEquals(5.0, sizes.at("D"));
    var e = assertThrows(IllegalStateException.class, () -> sizes.at("V"));
    assertEquals("axis V has no value", e.getMessage());
  }

  /** Cublas' product has the figures of ours, and off a GPU it is ours. */
  @Test
  void aLibrarysProductIsCountedAsOurs() {
    Operator by = RowOperators.gemmBy(null, RowOperators.GEMM);
    Sizes sizes = sizes("T=3 in_features=5 out_features=7");
    assertEquals("gemm", by.name());
    assertEquals(RowOperators.GEMM.axes(), by.axes());
    assertEquals(true, by.typed());
    assertEquals(2 * (3 * 5 + 7 * 5 + 3 * 7), by.bytes(sizes, DType.BF16));
    assertEquals(2 * 3 * 5 * 7, by.flops(sizes, DType.BF16));
    try (Device device = starling.Devices.open(DeviceType.CPU);
        var arena = device.arena("products")) {
      var ours = new Inputs(device, arena, DType.F32, 0);
      var theirs = new Inputs(device, arena, DType.F32, 0);
      RowOperators.GEMM.body().apply(ours, sizes).run();
      by.body().apply(theirs, sizes).run();
      assertArrayEquals(ours.values(ours.outputs().get(0)), theirs.values(theirs.outputs().get(0)));
    }
  }
}
