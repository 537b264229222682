package starling.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.cpu.CpuDevice;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * What a method writes, for attention whose shares are known: one head of one channel, all queries
 * 1, and keys ln(c), so that key s receives c[s] / Σc from every row.
 */
class ChoosingTest {
  private Device device;
  private TensorArena arena;
  private Tensor nonFinite;

  @BeforeEach
  void open() {
    device = CpuDevice.open(1);
    arena = device.arena("test");
    nonFinite = arena.alloc("non-finite", DType.I32, 1);
  }

  @AfterEach
  void close() {
    arena.close();
    device.close();
  }

  private Tensor floats(float... values) {
    Tensor tensor = arena.alloc("values", DType.F32, values.length);
    device.upload(tensor, MemorySegment.ofArray(values));
    return tensor;
  }

  private Tensor ints(int... values) {
    Tensor tensor = arena.alloc("numbers", DType.I32, values.length);
    device.upload(tensor, MemorySegment.ofArray(values));
    return tensor;
  }

  private int[] read(Tensor tensor) {
    int[] values = new int[tensor.rows()];
    device.download(MemorySegment.ofArray(values), tensor);
    return values;
  }

  /** A sequence whose key s receives {@code shares[s]}, which add up to 1. */
  private Attention.Part part(Candidates candidates, Span cls, Span text, double... shares) {
    int rows = shares.length;
    Tensor q = arena.alloc("q", DType.F32, rows, 1, 1);
    Tensor k = arena.alloc("k", DType.F32, rows, 1, 1);
    for (int row = 0; row < rows; row++) {
      device.upload(q.rows(row, row + 1), MemorySegment.ofArray(new float[] {1}));
      float key = (float) Math.log(shares[row]);
      device.upload(k.rows(row, row + 1), MemorySegment.ofArray(new float[] {key}));
    }
    Tensor lse = arena.alloc("lse", DType.F32, 1, rows);
    Tensor out = arena.alloc("out", DType.F32, rows, 1, 1);
    var inputs = new AttentionInputs(q, new Kv(k, k, null), Mask.NONE, 1);
    device.attention(out, lse, inputs);
    return new Attention.Part(inputs, lse, rows, candidates, cls, text);
  }

  private CutContext context(int group, int candidates, Attention attention, Tensor features) {
    return new CutContext(device, arena, group, candidates, attention, features, nonFinite);
  }

  private Selection selection(int kept, int candidates) {
    return new Selection(
        arena.alloc("keep", DType.I32, kept),
        arena.alloc("score", DType.F32, candidates),
        null,
        null,
        null);
  }

  @Test
  void oneSequenceIsChosenFromByTheSharesItsCandidatesReceive() {
    var part = part(new Candidates(1, 4, null), new Span(0, 1), null, 0.5, 0.05, 0.2, 0.1, 0.15);
    var attention = new Attention(List.of(part), 1, null);
    Selection out = selection(2, 4);
    attention.select(context(0, 4, attention, null), out.keep(), out.score(), Queries.CLS);
    assertArrayEquals(new int[] {1, 3}, read(out.keep()));
    assertArrayEquals(
        new float[] {0.05f, 0.2f, 0.1f, 0.15f},
        context(0, 4, attention, null).floats(out.score()),
        1e-6f);
  }

  @Test
  void severalCropsAreScoredEachForItselfAndChosenFromTogether() {
    var first = part(new Candidates(0, 3, null), null, null, 0.6, 0.1, 0.3);
    var second = part(new Candidates(1, 2, null), null, null, 0.1, 0.4, 0.5);
    var attention = new Attention(List.of(first, second), 1, null);
    Selection out = selection(3, 5);
    attention.select(
        context(0, 5, attention, null), out.keep(), out.score(), Queries.PATCHES_AND_CLS);
    assertArrayEquals(new int[] {0, 3, 4}, read(out.keep()));
    assertArrayEquals(
        new float[] {0.6f, 0.1f, 0.3f, 0.4f, 0.5f},
        context(0, 5, attention, null).floats(out.score()),
        1e-6f);
  }

  /** Five candidates in the middle of a prompt of eight rows. */
  @Test
  void whatSeveralCropsKeepMayBeMapped() {
    var first = part(new Candidates(0, 3, null), null, null, 0.6, 0.1, 0.3);
    var second = part(new Candidates(1, 2, null), null, null, 0.1, 0.4, 0.5);
    var attention = new Attention(List.of(first, second), 1, null);
    Selection out = selection(3, 5);
    Tensor rows = arena.alloc("rows", DType.I32, 6);
    Tensor positions = arena.alloc("positions", DType.I32, 6);
    var cut = new Cut(2, 5, out.keep());
    var map =
        new RowMapping(
            rows, positions, null, ints(0, 1, 2, 3, 4, 5, 6, 7), List.of(cut), PositionRule.KEEP);
    attention.select(
        context(0, 5, attention, null), out.keep(), out.score(), Queries.PATCHES_AND_CLS, map);
    assertArrayEquals(new int[] {0, 3, 4}, read(out.keep()));
    assertArrayEquals(new int[] {0, 1, 2, 5, 6, 7}, read(rows));
    assertArrayEquals(new int[] {0, 1, 2, 5, 6, 7}, read(positions));
  }

  /** Two rows of the tower make a candidate, and the image's order is not the tower's. */
  @Test
  void candidatesOfSeveralRowsInAnotherOrderAreScoredInTheirs() {
    var first = part(new Candidates(0, 4, null), null, null, 0.1, 0.1, 0.5, 0.3);
    var second = part(new Candidates(0, 2, null), null, null, 0.25, 0.25, 0.5);
    var attention = new Attention(List.of(first, second), 2, ints(2, 0, 1));
    Selection out = selection(1, 3);
    attention.select(
        context(0, 3, attention, null), out.keep(), out.score(), Queries.PATCHES_AND_CLS);
    assertArrayEquals(
        new float[] {0.25f, 0.1f, 0.4f}, context(0, 3, attention, null).floats(out.score()), 1e-6f);
    assertArrayEquals(new int[] {2}, read(out.keep()));
    var alone = new Attention(List.of(first), 2, ints(1, 0));
    Selection two = selection(1, 2);
    alone.select(context(0, 2, alone, null), two.keep(), two.score(), Queries.PATCHES_AND_CLS);
    assertArrayEquals(new int[] {0}, read(two.keep()), "the order counts for one crop too");
  }

  @Test
  void scoresOfCropsWhoseCandidatesHaveSeveralRowsStandCloseTogether() {
    var first = part(new Candidates(0, 2, null), null, null, 0.2, 0.2, 0.6);
    var second = part(new Candidates(1, 4, null), null, null, 0.1, 0.1, 0.1, 0.3, 0.4);
    var attention = new Attention(List.of(first, second), 2, null);
    Selection out = selection(2, 3);
    attention.select(
        context(0, 3, attention, null), out.keep(), out.score(), Queries.PATCHES_AND_CLS);
    assertArrayEquals(
        new float[] {0.2f, 0.1f, 0.35f}, context(0, 3, attention, null).floats(out.score()), 1e-6f);
    assertArrayEquals(new int[] {0, 2}, read(out.keep()));
  }

  @Test
  void queriesAreTheRowsTheyAreNamedAfter() {
    var tower = new Attention.Part(null, null, 10, null, new Span(0, 1), null);
    assertEquals(new Span(1, 10), tower.rows(Queries.PATCHES));
    assertEquals(new Span(0, 10), tower.rows(Queries.PATCHES_AND_CLS));
    assertEquals(new Span(0, 1), tower.rows(Queries.CLS));
    var decoder = new Attention.Part(null, null, 10, null, null, new Span(6, 9));
    assertEquals(new Span(6, 9), decoder.rows(Queries.TEXT));
    assertEquals(new Span(9, 10), decoder.rows(Queries.LAST));
    var keys = new Candidates(3, 2, null);
    assertEquals(new Attention.Part(null, null, 10, keys, null, new Span(6, 9)), decoder.of(keys));
    String sentence = "the method goes by the attention of rows that are not there: ";
    for (Queries queries : List.of(Queries.CLS, Queries.PATCHES)) {
      assertEquals(
          sentence + queries,
          assertThrows(InputException.class, () -> decoder.rows(queries)).getMessage());
    }
    var empty = new Attention.Part(null, null, 10, null, null, new Span(9, 9));
    assertEquals(
        sentence + "TEXT",
        assertThrows(InputException.class, () -> empty.rows(Queries.TEXT)).getMessage());
  }

  @Test
  void aFixedCutWritesTheSetOfItsGroup() {
    var cut =
        new FixedCut(CutSite.PROJECTOR_INPUT, 2, List.of(new int[] {5}, new int[] {1, 4}), null);
    Selection out = selection(2, 6);
    cut.select(context(1, 6, null, null), out);
    assertArrayEquals(new int[] {1, 4}, read(out.keep()));
    assertEquals(1, cut.kept(0));
    assertEquals(2, cut.kept(1));
  }

  @ParameterizedTest
  @CsvSource({"F32, 1", "BF16, 1", "F16, 1", "F32, 2", "BF16, 2"})
  void valuesOfAnyTypeAreReadRowAfterRow(DType type, int rows) {
    Tensor tensor = arena.alloc("features", type, rows, 3);
    float[] values = {1, -2.5f, 0.25f, 4, 1.5f, -8};
    float[] expected = java.util.Arrays.copyOf(values, rows * 3);
    if (type == DType.F32) {
      device.upload(tensor, MemorySegment.ofArray(expected));
    } else {
      short[] bits = new short[expected.length];
      IntStream.range(0, bits.length).forEach(i -> bits[i] = (short) type.bits(values[i]));
      device.upload(tensor, MemorySegment.ofArray(bits));
    }
    assertArrayEquals(expected, context(0, 3, null, null).floats(tensor));
  }

  @Test
  void theFirstRowsOfASelectionLeaveScoreAndCount() {
    Tensor keep = ints(1, 2, 3);
    Tensor score = floats(1, 2, 3, 4);
    Tensor count = ints(2);
    Tensor index = arena.alloc("index", DType.I32, 3, 2);
    Tensor weight = arena.alloc("weight", DType.F32, 3, 2);
    Selection first = new Selection(keep, score, index, weight, count).first(2);
    assertArrayEquals(new int[] {1, 2}, read(first.keep()));
    assertEquals(score, first.score());
    assertEquals(count, first.count());
    assertEquals(2, first.index().rows());
    assertEquals(2, first.weight().rows());
    Selection plain = new Selection(keep, score, null, null, null).first(1);
    assertEquals(1, plain.keep().rows());
    assertNull(plain.index());
    assertNull(plain.weight());
  }

  /**
   * VisPruner: the first by CLS attention, and of the rest, in pairs, the one whose neighbour is
   * another's double is dropped. Without a rest nobody asks for features.
   */
  @Test
  void visPrunerDropsDuplicatesAmongTheRest() {
    var part =
        part(new Candidates(1, 5, null), new Span(0, 1), null, 0.3, 0.25, 0.16, 0.14, 0.1, 0.05);
    var attention = new Attention(List.of(part), 1, null);
    Tensor features = arena.alloc("features", DType.F32, 5, 2);
    float[] rows = {1, 0, 0, 1, 1, 0, 1, 1, 1, 1};
    for (int row = 0; row < 5; row++) {
      float[] two = {rows[2 * row], rows[2 * row + 1]};
      device.upload(features.rows(row, row + 1), MemorySegment.ofArray(two));
    }
    assertEquals(
        List.of(0, 1, 2, 4), chosen("vispruner:keep=4,important=0.25", attention, features));
    assertEquals(List.of(0, 4), chosen("vispruner:keep=2,important=0.5", attention, features));
    assertEquals(List.of(0, 1), chosen("vispruner:keep=2,important=1", attention, null));
    assertEquals(List.of(0, 1, 2, 3, 4), chosen("vispruner:keep=5,important=0.2", attention, null));
  }

  private List<Integer> chosen(String spec, Attention attention, Tensor features) {
    VlmShape shape = new VlmShape(List.of(ImageTokens.grid(1, 5, 1, false)), Budget.IMAGE, 2, 8, 1);
    CutPoint cut = Methods.parse(spec).cuts(shape).getFirst();
    assertEquals(2, cut.layer());
    assertEquals(PositionRule.CONTIGUOUS, cut.positions());
    assertEquals(CutSite.PROJECTOR_INPUT, cut.where());
    Selection out = selection(cut.kept(0), 5);
    cut.select(context(0, 5, attention, features), out);
    var list = new ArrayList<Integer>();
    for (int index : read(out.keep())) {
      list.add(index);
    }
    return list;
  }

  @Test
  void anAttentionCutChoosesByItsQueries() {
    var part = part(new Candidates(0, 3, null), null, new Span(2, 3), 0.2, 0.5, 0.3);
    var attention = new Attention(List.of(part), 1, null);
    VlmShape shape = new VlmShape(List.of(ImageTokens.grid(1, 3, 1, false)), Budget.IMAGE, 2, 8, 1);
    CutPoint cut = Methods.parse("fastv:keep=1").cuts(shape).getFirst();
    Selection out = selection(1, 3);
    cut.select(context(0, 3, attention, null), out);
    assertArrayEquals(new int[] {1}, read(out.keep()));
  }
}
