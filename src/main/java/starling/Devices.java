package starling;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import starling.cpu.CpuDevice;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.Meter;
import starling.device.Providers;
import starling.input.InputException;

/** Opens devices by name. */
public final class Devices {
  /** What {@code --device} takes. */
  public static final List<String> NAMES = List.of("auto", "cpu", "cuda", "emulated");

  private static final AtomicBoolean SAID = new AtomicBoolean();
  private static volatile Consumer<String> fallback = why -> {};

  private Devices() {}

  /** Whether the cpu device multiplies and adds in one instruction; else it takes two. */
  public static boolean fma() {
    return CpuDevice.fma();
  }

  /**
   * Opens a device; the caller closes it.
   *
   * @param name {@code auto} is the best that opens; {@code cpu} always does
   * @throws InputException if it cannot be opened, with the reason
   */
  public static Device open(String name) {
    return open(name, Providers.AUTO);
  }

  /**
   * The same with a choice of whose kernels multiply and attend.
   *
   * @throws InputException also if a library was asked for by name and cannot be used
   */
  public static Device open(String name, Providers providers) {
    return switch (name) {
      case "auto" -> best(providers);
      case "cpu" -> {
        providers.needsCuda();
        yield CpuDevice.open();
      }
      case "cuda", "emulated" -> NativeDevice.open(name, providers);
      default ->
          throw new InputException(
              "device '" + name + "' is not one of " + String.join(", ", NAMES));
    };
  }

  /** cuda if it opens, else cpu; never emulated. */
  private static Device best(Providers providers) {
    try {
      return NativeDevice.open("cuda", providers);
    } catch (InputException e) {
      if (providers.named()) {
        throw e;
      }
      if (!SAID.getAndSet(true)) {
        fallback.accept(e.getMessage());
      }
      return CpuDevice.open();
    }
  }

  /** Is told why {@code auto} became the cpu device, the next time it does. */
  public static void onFallback(Consumer<String> listener) {
    SAID.set(false);
    fallback = listener;
  }

  /** What a bench measures a device with; closed before the device. */
  public static Meter meter(Device device) {
    return switch (device) {
      case CpuDevice cpu -> cpu.meter();
      case NativeDevice kernels -> kernels.meter();
      default -> throw new IllegalArgumentException("no meter for " + device.name());
    };
  }

  /** The cpu device without the Vector API: slower, by other code, for checking the other one. */
  public static Device reference() {
    return CpuDevice.scalar();
  }

  /**
   * A native device over a library of the caller's, in which {@code entry} takes the place of the
   * function {@code symbol}.
   */
  public static Device openReplaced(String name, Path library, String symbol, String entry) {
    return NativeDevice.openReplaced(name, library, symbol, entry);
  }

  /** The folder of the sources that this program runs from: where its build folder lies. */
  public static Path checkout() {
    try {
      Path classes =
          Path.of(Devices.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      return classes.getParent().getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The cards that the NVIDIA driver shows; {@code cuda} uses the first. */
  public static List<DeviceProperties> cards() {
    return NativeDevice.cards("cuda");
  }

  /** Places where cuBLASLt was looked for, one line each with what came of it. */
  public static List<String> triedCublasLt() {
    return NativeDevice.triedCublasLt();
  }

  /** The same for cuDNN. */
  public static List<String> triedCudnn() {
    return NativeDevice.triedCudnn();
  }

  /** Every native library that was looked for, one line each with what came of it. */
  public static List<String> tried(String name) {
    return NativeDevice.tried(name);
  }
}
