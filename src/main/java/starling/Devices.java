package starling;

import java.util.List;
import starling.cpu.CpuDevice;
import starling.cuda.NativeDevice;
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
      case "auto" -> best();
      case "cpu" -> CpuDevice.open();
      case "cuda", "emulated" -> NativeDevice.open(name);
      default ->
          throw new InputException(
              "device '" + name + "' is not one of " + String.join(", ", NAMES));
    };
  }

  /** cuda if it opens, else cpu; never emulated. */
  private static Device best() {
    try {
      return NativeDevice.open("cuda");
    } catch (InputException e) {
      return CpuDevice.open();
    }
  }

  /** Every native library that was looked for, one line each with what came of it. */
  public static List<String> tried(String name) {
    return NativeDevice.tried(name);
  }
}
