import java.util.List;

/**
 * An instruction of a kernel, of the machine or of PTX.
 *
 * @param text as the compiler writes it, without its predicate
 * @param kind what it does, as far as it is counted
 * @param bytes a thread moves; for {@code WAIT} the groups of copies that may stay in flight
 * @param wavefronts of shared memory that a warp takes if no two lanes meet in a bank
 * @param sets registers that a load from global memory sets
 * @param reads registers
 * @param target label that it may jump to, or null
 * @param ends whether the next instruction is never reached from it
 * @param places of the source, the innermost first: {@code kernels/gpu/tile.h:14}
 */
record Instruction(
    String text,
    Kind kind,
    int bytes,
    int wavefronts,
    List<String> sets,
    List<String> reads,
    String target,
    boolean ends,
    List<String> places) {
  enum Kind {
    PRODUCT,
    LOAD,
    COPY,
    COMMIT,
    WAIT,
    STORE,
    OTHER
  }

  boolean is(Kind k) {
    return kind == k;
  }

  /** The innermost line that is ours. */
  String place() {
    return places.stream()
        .filter(p -> !p.startsWith("/"))
        .findFirst()
        .orElse(places.isEmpty() ? "a line unknown" : places.getFirst());
  }

  /** Where the innermost line was called from, if it was. */
  String placeAndCaller() {
    String last = places.isEmpty() ? place() : places.getLast();
    return last.equals(place()) ? last : place() + ", from " + last;
  }
}
