package starling.bench;

import starling.cpu.CpuDevice;
import starling.cuda.Clock;
import starling.cuda.NativeDevice;
import starling.cuda.Work;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.Tensor;

/**
 * What a bench needs of a device besides its operators: the ceilings that hardware sets, and what
 * the device can say about itself. Calls go to the same stream as the operators.
 */
interface Meter extends AutoCloseable {
  /** Of a device; the caller closes it before the device. */
  static Meter of(Device device) {
    return switch (device) {
      case CpuDevice cpu -> new CpuMeter(cpu);
      case NativeDevice kernels -> new NativeMeter(kernels);
      default -> throw new IllegalArgumentException("no meter for " + device.type().label());
    };
  }

  DeviceProperties properties();

  /** {@code out = in}, the plain copy; both hold as many bytes, a multiple of 16. */
  void copy(Tensor out, Tensor in);

  /** Reads every byte of {@code in}, a multiple of 16. */
  void read(Tensor in);

  /**
   * Products in registers, without memory, for some tens of microseconds.
   *
   * @return the FLOPs done
   */
  long products(DType dtype);

  /** Launches that do nothing, one after another; nothing at all where launches cost nothing. */
  void nothing(int launches);

  /** The same launches, captured once and replayed; false where nothing can be captured. */
  boolean nothingReplayed(int launches);

  /** Runs {@code task}; returns what the host layer counted, or null where nothing is counted. */
  Work counted(Runnable task);

  /** Null where it cannot be asked. */
  Clock clock();

  @Override
  void close();
}
