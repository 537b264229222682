package starling.bench;

import starling.cpu.CpuCeilings;
import starling.cpu.CpuDevice;
import starling.cuda.Clock;
import starling.cuda.Work;
import starling.device.DType;
import starling.device.DeviceProperties;
import starling.device.Tensor;

/** Of the cpu device, where a call is the work: launches cost nothing and nothing is counted. */
record CpuMeter(CpuCeilings ceilings) implements Meter {
  CpuMeter(CpuDevice device) {
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
    return ceilings.products();
  }

  @Override
  public void nothing(int launches) {}

  @Override
  public boolean nothingReplayed(int launches) {
    return false;
  }

  @Override
  public Work counted(Runnable task) {
    task.run();
    return null;
  }

  @Override
  public Clock clock() {
    return null;
  }

  @Override
  public void close() {}
}
