package starling.bench;

import starling.cuda.Clock;
import starling.cuda.NativeCeilings;
import starling.cuda.NativeDevice;
import starling.cuda.Work;
import starling.device.DType;
import starling.device.DeviceProperties;
import starling.device.Tensor;

/** Of cuda and emulated, whose library has kernels that reach the ceilings. */
record NativeMeter(NativeCeilings ceilings) implements Meter {
  NativeMeter(NativeDevice device) {
    this(device.ceilings());
  }

  @Override
  public DeviceProperties properties() {
    return ceilings.properties();
  }

  @Override
  public void copy(Tensor out, Tensor in) {
    ceilings.copy(out, in);
  }

  @Override
  public void read(Tensor in) {
    ceilings.read(in);
  }

  @Override
  public long products(DType dtype) {
    return ceilings.products(dtype);
  }

  @Override
  public void nothing(int launches) {
    ceilings.nothing(launches);
  }

  @Override
  public boolean nothingReplayed(int launches) {
    ceilings.nothingReplayed(launches);
    return true;
  }

  @Override
  public Work counted(Runnable task) {
    return ceilings.counted(task);
  }

  @Override
  public Clock clock() {
    return ceilings.clock();
  }

  @Override
  public void close() {
    ceilings.close();
  }
}
