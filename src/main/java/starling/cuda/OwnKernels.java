package starling.cuda;

import java.lang.foreign.MemorySegment;
import java.util.List;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Norm;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.nvidia.LibraryHost;

/** What NVIDIA's libraries are given of a device, inside its calls. */
record OwnKernels(NativeStream stream, NativeMemory memory, Operators operators, Copies copies)
    implements LibraryHost {
  @Override
  public MemorySegment cudaStream() {
    return stream.cudaStream();
  }

  @Override
  public void await() {
    stream.await();
  }

  @Override
  public TensorArena arena(String name) {
    return new TensorArena(name, memory);
  }

  @Override
  public long address(Tensor t) {
    return memory.address(t);
  }

  @Override
  public void download(MemorySegment dst, Tensor src) {
    copies.download(dst, src);
  }

  @Override
  public void norm(Tensor out, Tensor x, Norm norm) {
    stream.check(
        norm.bias() == null ? operators.rmsnorm(out, x, norm) : operators.layernorm(out, x, norm));
  }

  @Override
  public void rowStatistics(Tensor statistics, Tensor x) {
    stream.check(operators.rowStatistics(statistics, x));
  }

  @Override
  public void gatherRows(Tensor out, Tensor in, Tensor rows) {
    stream.check(operators.gatherRows(List.of(out), List.of(in), rows));
  }

  @Override
  public void activation(
      Tensor out, Tensor x, Tensor bias, Activation activation, Tensor residual) {
    stream.check(operators.activation(out, x, bias, activation, residual));
  }

  @Override
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    stream.check(operators.attention(out, lse, in));
  }

  @Override
  public void sequenceLengths(Tensor lengths, Segments segments) {
    stream.check(operators.sequenceLengths(lengths, segments));
  }

  @Override
  public void lseFromNatural(Tensor lse) {
    stream.check(operators.lseFromNatural(lse));
  }
}
