package starling.cpu;

import java.util.ArrayList;
import starling.device.DType;
import starling.device.Linear;
import starling.device.PlainFormat;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.device.WeightFormat;

/**
 * Weights and tables of a checkpoint for the cpu device: read where their file is mapped, as they
 * are stored. A copy is made only to round them to a narrower type.
 */
final class CpuWeights {
  private CpuWeights() {}

  static Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    var parts = new ArrayList<Tensor>();
    var formats = new ArrayList<WeightFormat>();
    for (StoredTensor weight : source.weights()) {
      boolean plain = weight.format().isPlain();
      Tensor part = plain ? table(arena, dtype, weight) : blocks(arena, weight);
      parts.add(part);
      formats.add(plain ? new PlainFormat(part.dtype()) : weight.format());
    }
    StoredTensor first = source.weights().get(0);
    Tensor bias = bias(arena, dtype, source);
    return new CpuLinear(first.name(), dtype, first.shape().get(1), parts, formats, bias);
  }

  static Tensor table(TensorArena arena, DType dtype, StoredTensor stored) {
    WeightFormat format = stored.format();
    boolean exact =
        format.isPlain() && (dtype == DType.F32 || format.equals(new PlainFormat(dtype)));
    if (exact && stored.bytes().isNative()) {
      return arena.mapped(dtype, stored);
    }
    int[] shape = stored.shape().stream().mapToInt(d -> d).toArray();
    Tensor copy = arena.alloc(stored.name(), dtype, shape);
    float[] row = new float[copy.width()];
    for (int i = 0; i < copy.rows(); i++) {
      stored.load((long) i * row.length, row.length, row, 0);
      Rows.store(row, 0, copy, i, 0, row.length);
    }
    return copy;
  }

  /** Blocks as they are mapped; those on the Java heap, which a program made up, are copied. */
  private static Tensor blocks(TensorArena arena, StoredTensor weight) {
    Tensor mapped = arena.mappedBytes(weight);
    if (weight.bytes().isNative()) {
      return mapped;
    }
    Tensor copy = arena.alloc(weight.name(), DType.U8, mapped.rows(), mapped.width());
    for (int i = 0; i < copy.rows(); i++) {
      Rows.copy(mapped, i, copy, i);
    }
    return copy;
  }

  /** In f32, of values rounded to the type of activations; null if no weight has a bias. */
  private static Tensor bias(TensorArena arena, DType dtype, Linear.Source source) {
    if (source.biases().stream().allMatch(b -> b == null)) {
      return null;
    }
    int out = source.weights().stream().mapToInt(w -> w.shape().get(0)).sum();
    Tensor bias = arena.alloc("bias", DType.F32, out);
    int at = 0;
    for (int i = 0; i < source.weights().size(); i++) {
      int rows = source.weights().get(i).shape().get(0);
      if (source.biases().get(i) != null) {
        round(source.biases().get(i), bias.rows(at, at + rows), dtype);
      }
      at += rows;
    }
    return bias;
  }

  private static void round(StoredTensor stored, Tensor f32, DType dtype) {
    float[] one = new float[1];
    for (int i = 0; i < f32.rows(); i++) {
      one[0] = stored.get(i);
      Rows.round(one, 0, 1, dtype);
      Rows.set(f32, i, 0, one[0]);
    }
  }
}
