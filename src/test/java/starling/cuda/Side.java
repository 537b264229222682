package starling.cuda;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.stream.IntStream;
import starling.device.DType;
import starling.device.Device;
import starling.device.Linear;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** One device with a set of named inputs; both sides get the same numbers. */
record Side(Device device, TensorArena arena, Random random) {
  Tensor floats(String name, DType dtype, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return device.table(
        arena, dtype, StoredTensor.of(name, IntStream.of(shape).boxed().toList(), values));
  }

  Tensor ints(String name, int... values) {
    Tensor t = arena.alloc(name, DType.I32, values.length);
    device.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  Linear linear(DType dtype, int out, int in) {
    StoredTensor w = stored("w", (float) (1 / Math.sqrt(in)), out, in);
    return device.linear(arena, dtype, Linear.Source.of(w, null));
  }

  Tensor room(String name, DType dtype, int... shape) {
    return arena.alloc(name, dtype, shape);
  }

  /** Gaussian numbers as a checkpoint stores them, in f32. */
  StoredTensor stored(String name, float scale, int... shape) {
    float[] values = new float[IntStream.of(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) random.nextGaussian();
    }
    return StoredTensor.of(name, IntStream.of(shape).boxed().toList(), values);
  }
}
