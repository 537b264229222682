package starling.nvidia;

import java.lang.foreign.MemorySegment;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Norm;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The device that a library works for: its stream and memory, and its own kernels for what the
 * library does not have. An interface because the device knows the libraries, and they must not
 * know the device. One thread at a time calls it, the one that called the library.
 */
public interface LibraryHost {
  /** The {@code cudaStream_t} that all work runs on. */
  MemorySegment cudaStream();

  /** Waits until all work on the stream is done. */
  void await();

  /** Memory of the device; the library closes it. */
  TensorArena arena(String name);

  /** Where a tensor begins in the device's memory; 0 for null. */
  long address(Tensor t);

  /** Rows to host memory of the tensor's type, row by row, when all work before is done. */
  void download(MemorySegment dst, Tensor src);

  /** Layer norm, or RMS norm where {@code norm} has no bias; {@code [T, D]}. */
  void norm(Tensor out, Tensor x, Norm norm);

  /** Statistics of rows, in as many parts as there is room for. */
  void rowStatistics(Tensor statistics, Tensor x);

  /** {@code out[i] = in[rows[i]]}. */
  void gatherRows(Tensor out, Tensor in, Tensor rows);

  /**
   * {@code out = activation(x + bias) + residual}, all of one type.
   *
   * @param bias f32 {@code [D]}, or null
   * @param residual {@code [T, D]}, or null
   */
  void activation(Tensor out, Tensor x, Tensor bias, Activation activation, Tensor residual);

  /** Attention by the device's own kernel. */
  void attention(Tensor out, Tensor lse, AttentionInputs in);

  /** {@code lengths = {rows, length + rows}} of the one segment; i32 {@code [2]}. */
  void sequenceLengths(Tensor lengths, Segments segments);

  /** Natural logarithms become those of base 2, in place; f32 {@code [H, T]}. */
  void lseFromNatural(Tensor lse);
}
