package starling.device;

import static starling.device.CallMemory.shape;

import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A call with something wrong, or at the edge of what is right.
 *
 * @param what in words
 * @param expected what the sentence says, the same on every device
 */
record BadCall(String operator, String what, CallChange change, String expected) {
  @Override
  public String toString() {
    return operator + ": " + what;
  }

  static BadCall bad(String operator, String argument, Object value, String expected) {
    return new BadCall(
        operator, argument + " is " + value, (w, g) -> g.with(argument, value), expected);
  }

  static BadCall bad(String operator, String what, String expected, CallChange change) {
    return new BadCall(operator, what, change, expected);
  }

  static CallChange keys(int at, int count) {
    return (w, g) -> {
      g.with("at", at).with("count", count).with("index", null);
      if (count >= 0 && count < 10) {
        g.with("sums", w.f32("my sums", 2, count)).with("score", w.f32("my score", count));
      }
    };
  }

  static CallChange cuts(int at, int count) {
    return (w, g) -> g.with("at", at).with("count", count);
  }

  static CallChange cuts(int number) {
    return (w, g) ->
        g.with("cuts", Collections.nCopies(number, new Cut(0, 0, w.alloc("none", DType.I32, 0))));
  }

  static Stream<BadCall> ofBoth(String a, String b, Function<String, Stream<BadCall>> rows) {
    return Stream.of(a, b).flatMap(rows);
  }

  /** With a cache of 8 keys, so that all devices know how many there are. */
  static CallChange unknown(CallChange change) {
    return (w, g) -> {
      change.on(w, g);
      g.with("q", w.f32("my q", 8, 2, 32))
          .with("lse", w.f32("my lse", 2, 8))
          .with("segments", null);
    };
  }

  static CallChange known(CallChange change) {
    return (w, g) -> {
      change.on(w, g);
      g.with("segments", null);
    };
  }

  static StoredTensor floats(String name, Integer... shape) {
    int n = Stream.of(shape).reduce(1, (a, b) -> a * b);
    return StoredTensor.of(name, List.of(shape), new float[n]);
  }
}
