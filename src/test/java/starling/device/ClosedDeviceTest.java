package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import org.junit.jupiter.api.Test;
import starling.cpu.CpuDevice;

/** A device that is closed does nothing more, whatever it is asked for. */
class ClosedDeviceTest {
  @Test
  void everyOperatorOfAClosedCpuDeviceIsRefused() {
    CpuDevice device = CpuDevice.open(2);
    try (CallMemory w = CallMemory.of(device)) {
      var calls = new ArrayList<Runnable>();
      for (OperatorCall operator : OperatorCall.ALL) {
        calls.add(operator.call().apply(device, operator.right().apply(w)));
      }
      device.close();
      for (int i = 0; i < calls.size(); i++) {
        Runnable call = calls.get(i);
        String name = OperatorCall.ALL.get(i).name();
        String why = assertThrows(IllegalStateException.class, call::run, name).getMessage();
        assertEquals("the cpu device is closed", why, name);
      }
      assertThrows(IllegalStateException.class, device::ceilings);
      assertThrows(IllegalStateException.class, () -> device.arena("late"));
    }
  }
}
