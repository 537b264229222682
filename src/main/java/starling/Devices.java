package starling;

import java.util.List;
import starling.cpu.CpuDevice;
import starling.device.Device;
import starling.device.InputException;

/** Opens devices by name. */
public final class Devices {
  /** What {@code --device} takes. */
  public static final List<String> NAMES = List.of("auto", "cpu", "cuda", "emulated");

  private Devices() {}

  /**
   * Opens a device; the caller closes it.
   *
   * @param name {@code auto} is the best that opens; {@code cpu} always does
   * @throws InputException if it cannot be opened, with the reason
   */
  public static Device open(String name) {
    return switch (name) {
      case "auto", "cpu" -> CpuDevice.open();
      case "cuda", "emulated" ->
          throw new InputException(
              "device " + name + ": this build has no native kernels; use cpu");
      default ->
          throw new InputException(
              "device '" + name + "' is not one of " + String.join(", ", NAMES));
    };
  }
}
