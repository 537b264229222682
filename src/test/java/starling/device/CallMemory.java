package starling.device;

import static starling.device.CallMemory.bytes;
import static starling.device.CallMemory.shape;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;

/** A device with memory for one call. */
record CallMemory(Device device, TensorArena arena, Arena host, TensorArena other)
    implements AutoCloseable {
  static CallMemory of(Device device) {
    var other = new ReferenceDevice().arena("other");
    return new CallMemory(device, device.arena("mine"), Arena.ofShared(), other);
  }

  /** Floats are 0; whole numbers count from 0, and in a matrix up to 2. */
  Tensor alloc(String name, DType type, int... shape) {
    Tensor t = arena.alloc(name, type, shape);
    device.upload(t, MemorySegment.ofArray(bytes(type, shape)));
    return t;
  }

  /** A table of one segment of 4 rows behind {@code length} keys of 8; the others are idle. */
  Tensor segments(int length) {
    int[] table = Segments.table(List.of(segment(length)));
    MemorySegment memory = host.allocate(4L * table.length, 16);
    MemorySegment.copy(table, 0, memory, ValueLayout.JAVA_INT, 0, table.length);
    return arena.view("my segments", DType.I32, Block.of(memory), 1, Segments.WIDTH);
  }

  Tensor f32(String name, int... shape) {
    return alloc(name, DType.F32, shape);
  }

  Tensor i32(String name, int... shape) {
    return alloc(name, DType.I32, shape);
  }

  /** The same in a caller's memory. */
  Tensor view(String name, DType type, MemorySegment memory, int... shape) {
    byte[] bytes = bytes(type, shape);
    if (!memory.isReadOnly()) {
      MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
    }
    return arena.view(name, type, Block.of(memory), shape);
  }

  Tensor ints(String name, int... values) {
    MemorySegment memory = host.allocate(4L * Math.max(1, values.length), 16);
    MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_INT, 0, values.length);
    return arena.view(name, DType.I32, Block.of(memory), values.length);
  }

  @Override
  public void close() {
    arena.close();
    host.close();
    other.close();
  }

  static byte[] bytes(DType type, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    byte[] bytes = new byte[n * type.bytes()];
    MemorySegment memory = MemorySegment.ofArray(bytes);
    if (shape.length == 2 && shape[1] == Segments.WIDTH && type == DType.I32) {
      // A table of segments, of which all but the first are idle.
      int[] table = Segments.table(List.of(segment(0)));
      int numbers = Math.min(table.length, n);
      MemorySegment.copy(table, 0, memory, ValueLayout.JAVA_INT_UNALIGNED, 0, numbers);
      return bytes;
    }
    for (int i = 0; type == DType.I32 && i < n; i++) {
      memory.set(ValueLayout.JAVA_INT_UNALIGNED, 4L * i, shape.length == 1 ? i : i % 3);
    }
    return bytes;
  }

  static Segment segment(int length) {
    return Segment.of(0, 4, 0, 8).behind(length).drawing(0, new Sampling(0.5f, 3, 0.9f, 7));
  }

  static int[] shape(Tensor t) {
    return IntStream.range(0, t.rank()).map(t::dim).toArray();
  }
}
