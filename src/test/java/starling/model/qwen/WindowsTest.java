package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.prune.ImageTokens;

/** Orders that transformers' {@code get_window_index} gives for the same grids of patches. */
class WindowsTest {
  @Test
  void tokensStandWindowByWindow() {
    Windows windows = Windows.of(5, 7, 4);
    assertArrayEquals(
        new int[] {
          0, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 17, 21, 22, 23, 24, //
          4, 5, 6, 11, 12, 13, 18, 19, 20, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34
        },
        windows.order());
    assertArrayEquals(new int[] {16, 12, 4, 3}, windows.sizes());
    assertEquals(64 * 64 + 48 * 48 + 16 * 16 + 12 * 12, windows.squares());
  }

  @ParameterizedTest
  @CsvSource({"17, 23, 30", "36, 36, 81", "1, 9, 3", "4, 4, 1", "2, 2, 1"})
  void borderWindowsAreCut(int rows, int columns, int count) {
    Windows windows = Windows.of(rows, columns, 4);
    assertEquals(count, windows.sizes().length);
    assertEquals(rows * columns, IntStream.of(windows.sizes()).sum());
    int[] sorted = windows.order().clone();
    Arrays.sort(sorted);
    assertArrayEquals(IntStream.range(0, rows * columns).toArray(), sorted);
  }

  /** Row 64 of the tower begins the second window: token 4, whose first patch is at (0, 8). */
  @Test
  void fourPatchesOfATokenFollowEachOther() {
    Windows windows = Windows.of(5, 7, 4);
    int[] positions = windows.positions();
    int n = 140;
    assertArrayEquals(new int[] {0, 0, 1, 1}, Arrays.copyOfRange(positions, 64, 68));
    assertArrayEquals(new int[] {8, 9, 8, 9}, Arrays.copyOfRange(positions, n + 64, n + 68));
    assertArrayEquals(new int[n], Arrays.copyOfRange(positions, 2 * n, 3 * n));
    assertArrayEquals(new int[] {8, 9, 22, 23}, Arrays.copyOfRange(windows.patches(), 64, 68));
    ImageTokens tokens = windows.tokens();
    assertArrayEquals(
        new int[] {64, 65, 66, 67}, Arrays.copyOfRange(tokens.sources(), 4 * 4, 4 * 5));
    assertEquals(35, tokens.rows());
    assertEquals(4, tokens.width());
  }
}
