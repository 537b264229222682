package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;

/** Every device against the definition, in every type. */
class ScaleRowsTest {
  private static final float[] X = {1, 2, 3, 4, 5, 6};
  private static final float[] FACTORS = {0.5f, -3};

  private static void follows(Device device, DType dtype) {
    try (TensorArena arena = device.arena("rows")) {
      Tensor x = device.table(arena, dtype, StoredTensor.of("x", List.of(2, 3), X));
      Tensor factor = arena.alloc("factor", DType.F32, 2);
      device.upload(factor, MemorySegment.ofArray(FACTORS));
      Tensor out = arena.alloc("out", dtype, 2, 3);
      device.scaleRows(out, x, factor);
      var bytes = MemorySegment.ofArray(new byte[6 * dtype.bytes()]);
      device.download(bytes, out);
      var rows = new StoredTensor("out", dtype, List.of(2, 3), bytes);
      for (int i = 0; i < 6; i++) {
        assertEquals(X[i] * FACTORS[i / 3], rows.get(i), device.description() + " " + dtype);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16", "F16"})
  void theCpuFollowsTheDefinition(DType dtype) {
    try (var cpu = CpuDevice.open(2)) {
      follows(cpu, dtype);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16", "F16"})
  void theKernelFollowsTheDefinition(DType dtype) {
    Native.needsDevice();
    try (var device = NativeDevice.open(Native.DEVICE)) {
      follows(device, dtype);
    }
  }
}
