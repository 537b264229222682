package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cpu.CpuDevice;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Float8;
import starling.device.Linear;
import starling.device.StoredTensor;
import starling.device.Tensor;

/** Values by definition, and a product with a matrix that a file holds. */
class Float8Test {
  private static double value(int bits) {
    return new Float8().value(MemorySegment.ofArray(new byte[] {(byte) bits}), 0, 0);
  }

  @Test
  void valuesAreThoseOfTheDefinition() {
    assertEquals(0, value(0x00));
    assertEquals(0x1p-9, value(0x01)); // the smallest
    assertEquals(0x1p-6, value(0x08)); // the smallest with all digits
    assertEquals(1, value(0x38));
    assertEquals(-1.5, value(0xbc));
    assertEquals(448, value(0x7e)); // the largest
    assertEquals(Double.NaN, value(0x7f));
  }

  @Test
  void aMatrixOfAFileIsMultiplied(@TempDir Path dir) throws Exception {
    byte[] ones = new byte[3 * 32];
    java.util.Arrays.fill(ones, (byte) 0x38);
    var raw = new SafetensorsFile.Raw("F8_E4M3", List.of(3, 32), ones);
    SafetensorsFile.write(dir.resolve("model.safetensors"), Map.of("w", raw));
    try (var files = Safetensors.open(dir);
        var cpu = CpuDevice.open(1);
        var arena = cpu.arena("product")) {
      StoredTensor w = files.get("w", List.of(3, 32), "");
      assertEquals(new Float8(), w.format());
      Linear linear = cpu.linear(arena, DType.F32, Linear.Source.of(w, null));
      float[] twos = new float[32];
      java.util.Arrays.fill(twos, 2);
      Tensor x = cpu.table(arena, DType.F32, StoredTensor.of("x", List.of(1, 32), twos));
      Tensor y = arena.alloc("y", DType.F32, 1, 3);
      cpu.gemm(y, x, linear, null, Activation.NONE, null);
      float[] out = new float[3];
      cpu.download(MemorySegment.ofArray(out), y);
      assertEquals(64, out[2]);
    }
  }
}
