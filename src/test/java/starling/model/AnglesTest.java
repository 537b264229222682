package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import starling.Cost;
import starling.Devices;
import starling.checkpoint.TextConfig;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.device.TensorArena;

/** The table of angles has what is asked for, whatever the context. */
class AnglesTest {
  private static final int CONTEXT = 1 << 20;

  private static TextConfig config(int head, int context) {
    return new TextConfig(8, 8, 1, 1, 1, head, 1e-5f, 10000, context, 512, false, false);
  }

  @Test
  void theTableGrowsWithWhatIsAskedAndKeepsItsValues() {
    try (Device device = Devices.open(DeviceType.CPU);
        TensorArena arena = device.arena("test")) {
      int head = 1 << 16; // 8 positions at first
      var angles = new Angles(device, arena, config(head, CONTEXT), null);
      Tensor before = angles.table().cos();
      assertEquals(8, before.rows());
      angles.reach(8);
      assertEquals(8, angles.table().cos().rows());
      angles.reach(9);
      assertEquals(16, angles.table().cos().rows());
      angles.reach(100);
      assertEquals(100, angles.table().cos().rows());
      float[] cos = values(device, angles.table().cos());
      float[] sin = values(device, angles.table().sin());
      float[] old = values(device, before);
      int half = head / 2;
      for (int p : new int[] {0, 1, 7, 8, 99}) {
        for (int i : new int[] {0, 1, half / 2, half - 1}) {
          double angle = p * Math.pow(10000, -2.0 * i / head);
          assertEquals((float) Math.cos(angle), cos[p * half + i]);
          assertEquals((float) Math.sin(angle), sin[p * half + i]);
          if (p < 8) {
            assertEquals(cos[p * half + i], old[p * half + i]);
          }
        }
      }
    }
  }

  /** Half a head times a million positions would be 2^31 angles. */
  @Test
  void whatNoMemoryHoldsIsRefusedBeforeItIsTaken() {
    try (Device device = Devices.open(DeviceType.CPU);
        TensorArena arena = device.arena("test")) {
      var angles = new Angles(device, arena, config(4096, CONTEXT), null);
      Cost.ofRefusal(1, () -> angles.reach(CONTEXT), "rotary embeddings of 1048576 positions");
      Cost.ofRefusal(1, () -> angles.reach((1 << 15) + 1), "head_dim 4096");
    }
  }

  /** LLaVA-1.5 has all its positions from the start, and no more than its context. */
  @Test
  void theFirstTableIsTheContextOfLlava() {
    try (Device device = Devices.open(DeviceType.CPU);
        TensorArena arena = device.arena("test")) {
      assertEquals(4096, new Angles(device, arena, config(128, 4096), null).table().cos().rows());
      assertEquals(77, new Angles(device, arena, config(32, 77), null).table().sin().rows());
      assertEquals(1, new Angles(device, arena, config(1 << 20, 4096), null).table().cos().rows());
    }
  }

  private static float[] values(Device device, Tensor tensor) {
    float[] values = new float[tensor.rows() * tensor.width()];
    device.download(MemorySegment.ofArray(values), tensor);
    return values;
  }
}
