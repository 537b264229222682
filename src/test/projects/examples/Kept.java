import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import starling.Devices;
import starling.device.*;

public class Kept {
  public static void main(String[] args) {
    try (Device device = Devices.open(DeviceType.of(args[0]));
        TensorArena arena = device.arena("mine");
        Arena memory = Arena.ofShared()) {
      // Yours: f32 [577, 16 heads of 64], the CLS token and 576 patches.
      MemorySegment mine = memory.allocate(577 * 1024 * 4, 16);
      for (int i = 0; i < 577 * 1024; i++) {
        mine.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) Math.sin(0.37 * i * i));
      }
      Tensor x = arena.view("x", DType.F32, Block.of(mine), 577, 16, 64);
      Tensor out = arena.alloc("out", DType.F32, 577, 1024);
      Tensor lse = arena.alloc("lse", DType.F32, 16, 577);
      Tensor score = arena.alloc("score", DType.F32, 576);
      Tensor keep = arena.alloc("keep", DType.I32, 58);
      Tensor kept = arena.alloc("kept", DType.F32, 58, 1024);
      Tensor nonFinite = arena.alloc("nonFinite", DType.I32, 1);

      var in = new AttentionInputs(x, new Kv(x, x, null), Mask.NONE, 0.125f);
      device.attention(out.split(16, 64), lse, in);
      var patches = new Candidates(1, 576, null); // the rows behind CLS
      device.colsumSelect(keep, score, in, lse, new Span(1, 577), patches, nonFinite);
      device.gatherRows(List.of(kept), List.of(out.rows(1, 577)), keep);

      int[] indices = new int[58];
      device.download(MemorySegment.ofArray(indices), keep); // the one call that waits
      System.out.println(Arrays.toString(Arrays.copyOf(indices, 8)));
    }
  }
}
