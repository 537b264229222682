import java.lang.foreign.MemorySegment;
import java.util.List;
import jcuda.Pointer;
import jcuda.runtime.cudaStream_t;
import starling.cuda.NativeDevice;
import starling.device.*;
import starling.jcuda.Interop;

public class Select {
  /**
   * The best 58 of 576 patches by attention, on the program's stream.
   *
   * @param rows the program's f32 [577, 16 heads of 64]
   * @param room the program's memory for 58 such rows
   */
  public static int[] select(cudaStream_t stream, Pointer rows, Pointer room) {
    try (NativeDevice device = Interop.open(stream);
        TensorArena arena = device.arena("mine")) {
      Tensor flat = arena.view("rows", DType.F32, Interop.block(rows), 577, 1024);
      Tensor kept = arena.view("kept", DType.F32, Interop.block(room), 58, 1024);
      Tensor out = arena.alloc("out", DType.F32, 577, 16, 64);
      Tensor lse = arena.alloc("lse", DType.F32, 16, 577);
      Tensor score = arena.alloc("score", DType.F32, 576);
      Tensor keep = arena.alloc("keep", DType.I32, 58);
      Tensor nonFinite = arena.alloc("nonFinite", DType.I32, 1);

      Tensor x = flat.split(16, 64);
      var in = new AttentionInputs(x, new Kv(x, x, null), Mask.NONE, 0.125f);
      device.attention(out, lse, in);
      var patches = new Candidates(1, 576, null);
      device.colsumSelect(keep, score, in, lse, new Span(1, 577), patches, nonFinite);
      device.gatherRows(List.of(kept), List.of(flat.rows(1, 577)), keep);

      int[] indices = new int[58];
      device.download(MemorySegment.ofArray(indices), keep);
      return indices;
    }
  }
}
