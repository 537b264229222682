package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.device.BadCall.bad;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Wrong arguments, of every operator on every device there is. Each is refused before anything is
 * computed, with one sentence that is the same everywhere. {@link BadRowCalls}, {@link
 * BadSelectionCalls} and {@link BadNumbers} list what is wrong with an operator's own rules;
 * besides, every tensor of every operator is given in other types, shapes and memories ({@link
 * OperatorTensorsTest}). An operator without rows fails.
 */
class OperatorArgumentsTest extends OnEveryDevice {
  /** Methods of {@link Device} that take no tensors. */
  private static final Set<String> OTHERS =
      Set.of(
          "type",
          "description",
          "weightFormats",
          "arena",
          "graph",
          "slab",
          "headSize",
          "passesStatistics",
          "recordEvent",
          "elapsedMillis",
          "close");

  @Test
  void everyOperatorOfADeviceHasItsArgumentsAndRowsOfBadOnes() {
    var expected = new TreeSet<String>();
    for (Method method : Device.class.getMethods()) {
      if (!OTHERS.contains(method.getName())) {
        expected.add(method.getName());
      }
    }
    assertEquals(
        expected,
        new TreeSet<>(OperatorCall.ALL.stream().map(OperatorCall::name).toList()),
        "operators");
    assertEquals(
        expected, new TreeSet<>(bad().stream().map(BadCall::operator).toList()), "bad rows");
    for (Device device : DEVICES) {
      try (CallMemory w = CallMemory.of(device)) {
        for (Method method : Device.class.getMethods()) {
          if (expected.contains(method.getName())) {
            long parameters =
                Stream.of(method.getParameterTypes()).filter(t -> t == Tensor.class).count();
            CallArguments given = OperatorCall.of(method.getName()).right().apply(w);
            assertTrue(given.tensors().size() >= parameters, method.getName());
            assertTrue(given.of.keySet().containsAll(OperatorCall.of(method.getName()).outputs()));
          }
        }
      }
    }
  }

  static List<BadCall> bad() {
    return Stream.concat(BadRowCalls.ALL.stream(), BadSelectionCalls.ALL.stream()).toList();
  }

  @ParameterizedTest
  @MethodSource("bad")
  void badArgumentsGetTheSameSentenceOnEveryDevice(BadCall bad) {
    refused(
        bad.expected(),
        outcome(OperatorCall.of(bad.operator()), bad.what(), bad.change()),
        bad.toString());
  }

  static List<BadCall> numbers() {
    return BadNumbers.ALL;
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void numbersThatJavaCanReadAreCheckedOnEveryDeviceThatReachesThem(BadCall bad) {
    String outcome =
        outcome(thoseThatReachTheHost(), OperatorCall.of(bad.operator()), bad.what(), bad.change());
    refused(bad.expected(), outcome, bad.toString());
  }

  @Test
  void gathersTakeEightPairsAndNotNine() {
    for (Device device : DEVICES) {
      try (CallMemory w = CallMemory.of(device)) {
        var out = new ArrayList<Tensor>();
        var in = new ArrayList<Tensor>();
        for (int i = 0; i < 8; i++) {
          out.add(w.f32("out", 2, 8));
          in.add(w.f32("in", 3, 8));
        }
        Tensor rows = w.i32("rows", 2);
        device.gatherRows(out, in, rows);
        out.add(w.f32("out", 2, 8));
        in.add(w.f32("in", 3, 8));
        assertEquals(
            "out: 9 tensors for 9; they come in pairs, 1 to 8",
            assertThrows(IllegalArgumentException.class, () -> device.gatherRows(out, in, rows))
                .getMessage());
      }
    }
  }
}
