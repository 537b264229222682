package starling.cuda;

import java.lang.foreign.MemorySegment;
import starling.device.DType;
import starling.device.Device;
import starling.device.Tensor;

/** What a tensor holds, downloaded, as floats, row by row. */
public final class Floats {
  private Floats() {}

  public static float[] of(Device device, Tensor t) {
    float[] values = new float[t.rows() * t.width()];
    if (t.dtype() == DType.F32) {
      device.download(MemorySegment.ofArray(values), t);
      return values;
    }
    short[] bits = new short[values.length];
    device.download(MemorySegment.ofArray(bits), t);
    for (int i = 0; i < bits.length; i++) {
      values[i] = t.dtype().value(bits[i]);
    }
    return values;
  }
}
