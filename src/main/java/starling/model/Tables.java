package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import starling.device.DType;
import starling.device.Device;
import starling.device.Tensor;
import starling.device.TensorArena;

/** The integers that a prompt needs on the device, sent there in one piece. */
final class Tables {
  private int[] values = new int[64];
  private int size;
  private Tensor all;

  /** Adds a list; {@link #at} gives it back as a tensor. */
  int add(int[] list) {
    if (size + list.length > values.length) {
      values = Arrays.copyOf(values, Math.max(2 * values.length, size + list.length));
    }
    System.arraycopy(list, 0, values, size, list.length);
    size += list.length;
    return size - list.length;
  }

  void upload(Device device, TensorArena arena) {
    all = arena.empty("tables", DType.I32, size);
    device.upload(all, MemorySegment.ofArray(values).asSlice(0, 4L * size));
  }

  /** i32 {@code [n]}: the list that was added at {@code from}. */
  Tensor at(int from, int n) {
    return all.rows(from, from + n);
  }
}
