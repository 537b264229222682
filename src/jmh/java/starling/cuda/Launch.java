package starling.cuda;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import starling.HostCost;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Norm;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * An operator from the call of the device to its return. On {@code emulated} the call waits for the
 * threads that run the kernel, so of the whole only {@link #noRows} says anything about a GPU.
 */
public class Launch extends HostCost {
  private static final int WIDTH = 4096;

  private NativeDevice device;
  private TensorArena arena;
  private Segments counters;
  private Tensor x;
  private Tensor none;
  private Norm norm;

  @Setup
  public void open() {
    device = NativeDevice.open(DeviceType.EMULATED);
    arena = device.arena("benchmark");
    counters = new Segments(arena.alloc("counters", DType.I32, 1, Segments.WIDTH), 1, 1);
    x = arena.alloc("x", DType.F32, 1, WIDTH);
    none = x.rows(0, 0);
    norm = new Norm(arena.alloc("weight", DType.F32, WIDTH), null, 1e-5f);
  }

  @TearDown
  public void close() {
    arena.close();
    device.close();
  }

  /** What the host does for any operator, checks included, without a launch. */
  @Benchmark
  public void noRows() {
    device.rmsnorm(none, none, norm);
  }

  /** The smallest launch: one block, one number. */
  @Benchmark
  public void advance() {
    device.advance(counters);
  }

  /** One row of 4096: one block in which one warp works. */
  @Benchmark
  public void rmsnorm() {
    device.rmsnorm(x, x, norm);
  }
}
