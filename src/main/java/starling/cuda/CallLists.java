package starling.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.ToLongFunction;
import starling.device.Arguments;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.Tensor;

/**
 * The lists that a call hands over, in structures of {@code starling.h} that are allocated once.
 * The library reads them before it returns.
 */
final class CallLists {
  private static final int CUT = 32; // keep, candidates, at, count, n, kept
  private static final int GATHER = 48; // out, in, two strides, width, in_rows, reserved

  private final MemorySegment cuts;
  private final MemorySegment gathers;
  private final MemorySegment tensors;

  CallLists(Arena arena, int maxTensors) {
    this.cuts = arena.allocate((long) CUT * Arguments.MAX_CUTS, 8);
    this.gathers = arena.allocate((long) GATHER * Arguments.MAX_GATHERS, 8);
    this.tensors = arena.allocate(8L * maxTensors, 8);
  }

  MemorySegment cuts(List<Cut> list, ToLongFunction<Tensor> address) {
    for (int i = 0; i < list.size(); i++) {
      Cut cut = list.get(i);
      long at = (long) CUT * i;
      cuts.set(JAVA_LONG, at, address.applyAsLong(cut.keep()));
      cuts.set(
          JAVA_LONG, at + 8, cut.candidates() == null ? 0 : address.applyAsLong(cut.candidates()));
      cuts.set(JAVA_INT, at + 16, cut.at());
      cuts.set(JAVA_INT, at + 20, cut.count());
      cuts.set(JAVA_INT, at + 24, cut.size());
      cuts.set(JAVA_INT, at + 28, cut.keep().rows());
    }
    return cuts;
  }

  MemorySegment gathers(List<Tensor> out, List<Tensor> in, ToLongFunction<Tensor> address) {
    for (int i = 0; i < out.size(); i++) {
      Tensor to = out.get(i);
      Tensor from = in.get(i);
      int bytes = to.dtype().bytes();
      long at = (long) GATHER * i;
      gathers.set(JAVA_LONG, at, address.applyAsLong(to));
      gathers.set(JAVA_LONG, at + 8, address.applyAsLong(from));
      gathers.set(JAVA_LONG, at + 16, (long) to.rowStride() * bytes);
      gathers.set(JAVA_LONG, at + 24, (long) from.rowStride() * bytes);
      gathers.set(JAVA_LONG, at + 32, (long) to.width() * bytes);
      gathers.set(JAVA_INT, at + 40, from.rows());
    }
    return gathers;
  }

  MemorySegment caches(List<Kv> kv, ToLongFunction<Tensor> address) {
    for (int i = 0; i < kv.size(); i++) {
      tensors.set(JAVA_LONG, 16L * i, address.applyAsLong(kv.get(i).k()));
      tensors.set(JAVA_LONG, 16L * i + 8, address.applyAsLong(kv.get(i).v()));
    }
    return tensors;
  }
}
