package starling;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import starling.cpu.CpuDevice;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.input.InputException;

/** Opens devices. */
public final class Devices {
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
   * @throws InputException if it cannot be opened, with the reason
   */
  public static Device open(DeviceType type) {
    return open(type, Providers.AUTO);
  }

  /**
   * The same with a choice of whose kernels multiply and attend.
   *
   * @throws InputException also if a library was asked for by name and cannot be used
   */
  public static Device open(DeviceType type, Providers providers) {
    return switch (type) {
      case AUTO -> best(providers);
      case CPU -> {
        providers.needsCuda();
        yield CpuDevice.open();
      }
      case CUDA, EMULATED -> NativeDevice.open(type, providers);
    };
  }

  /** cuda if it opens, else cpu; never emulated. */
  private static Device best(Providers providers) {
    try {
      return NativeDevice.open(DeviceType.CUDA, providers);
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

  /** The cards that the NVIDIA driver shows; {@code cuda} uses the first. */
  public static List<DeviceProperties> cards() {
    return NativeDevice.cards();
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
  public static List<String> tried(DeviceType type) {
    return NativeDevice.tried(type);
  }
}
