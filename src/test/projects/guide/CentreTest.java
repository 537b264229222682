package starling.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Known sets on a grid of 3 rows and 4 columns. */
class CentreTest {
  private static final VlmShape SHAPE =
      new VlmShape(List.of(ImageTokens.grid(3, 4, 1, false)), Budget.IMAGE, 2, 4, 5);

  private static int[] kept(String spec) {
    return ((FixedCut) Methods.parse(spec).cuts(SHAPE).getFirst()).keep().getFirst();
  }

  @Test
  void theMiddleStays() {
    assertArrayEquals(new int[] {5, 6}, kept("centre:keep=2"));
    assertArrayEquals(new int[] {1, 2, 5, 6, 9, 10}, kept("centre:keep=0.5"));
  }

  @Test
  void theSpecIsReadAgain() {
    assertEquals("centre:keep=2", Methods.parse("centre:keep=2").spec(SHAPE));
  }
}
