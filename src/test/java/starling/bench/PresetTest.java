package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.device.Arguments;

/** The sizes of models, told by hand. */
class PresetTest {
  private static List<String> rows(Preset preset, String operator) {
    Operator o =
        Catalogue.OPERATORS.stream()
            .filter(c -> c.name().equals(operator))
            .findFirst()
            .orElseThrow();
    return preset.sizes(o).stream().map(s -> s.of().values().toString()).toList();
  }

  @Test
  void qwensTowerHasHeadsOf80AndItsDecoderFewKeyHeads() {
    assertEquals(
        List.of(
            "[5184, 5184, 16, 16, 80, 0]",
            "[1356, 1356, 16, 2, 128, 1]",
            "[1, 1356, 16, 2, 128, 1]",
            "[5184, 5184, 16, 16, 80, 0, 72, 8]",
            "[1564, 1564, 16, 16, 80, 0, 46, 8]"),
        rows(Preset.QWEN_3B, "attention"));
    assertEquals("[1, 1356, 28, 4, 128, 1]", rows(Preset.QWEN_7B, "attention").get(2));
    assertEquals(List.of("[1296, 5120]"), rows(Preset.QWEN_3B, "cosines"));
    assertEquals(List.of("[18, 1356, 189, 2, 128]"), rows(Preset.QWEN_3B, "compact_rows"));
    assertEquals(List.of("[152064]"), rows(Preset.QWEN_7B, "sample"));
  }

  @Test
  void qwensPositionsHaveThreeAxesAndItsTokensFourRows() {
    assertEquals(
        List.of("[1356, 28, 4, 128, 3]", "[5184, 16, 16, 80, 3]"), rows(Preset.QWEN_7B, "rope"));
    assertEquals(
        List.of("[1296, 129, 16]", "[1296, 129, 16, 4]", "[16384, 1638, 16, 4]"),
        rows(Preset.QWEN_3B, "token_select"));
    assertEquals(
        List.of(
            "[5184, 5184, 16, 16, 80, 0, 1296, 129, 4]",
            "[60, 1356, 16, 2, 128, 1, 1296, 129]",
            "[60, 16444, 16, 2, 128, 1, 16384, 1638]"),
        rows(Preset.QWEN_3B, "colsum_select"));
    assertEquals(List.of("[636, 32, 32, 128]"), rows(Preset.LLAVA_7B, "rope"));
  }

  /** 34 lines of 46 patches: 20 whole windows, four and five cut off at a border, one at both. */
  @Test
  void windowsAreCutOffAtTheBorders() {
    var sizes = new Operator.Sizes(Map.of("T", 1564, "across", 46, "window", 8));
    int[] rows = AttentionOperators.windowRows(sizes);
    assertEquals(1564, IntStream.of(rows).sum());
    var counts = new TreeMap<Integer, Integer>();
    IntStream.of(rows).forEach(n -> counts.merge(n, 1, Integer::sum));
    assertEquals(Map.of(64, 20, 48, 4, 16, 5, 12, 1), counts);
    assertEquals(48, rows[5]); // the last of the first line of windows
  }

  @Test
  void aNextImageIsCountedAsPapersDoOrAsItsCheckpointDoes() {
    assertEquals(List.of("[2880, 288, 32]"), rows(Preset.LLAVA_NEXT, "token_select"));
    assertEquals(List.of("[2144, 214, 32]"), rows(Preset.LLAVA_NEXT_STOCK, "token_select"));
    assertEquals(
        "[60, 2204, 32, 8, 128, 1, 2144, 214]",
        rows(Preset.LLAVA_NEXT_MISTRAL, "colsum_select").get(1));
  }

  @Test
  void everyPresetIsWithinTheLimits() {
    for (Preset preset : Preset.values()) {
      for (String operator : List.of("cosines", "drop_duplicates")) {
        assertEquals(
            List.of(),
            rows(preset, operator).stream()
                .filter(r -> first(r) > Arguments.MAX_COMPARED)
                .toList());
      }
    }
  }

  private static int first(String row) {
    return Integer.parseInt(row.substring(1, row.indexOf(',')));
  }
}
