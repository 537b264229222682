package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.device.CallMemory.bytes;
import static starling.device.CallMemory.shape;
import static starling.device.OnEveryDevice.ACCEPTED;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.opentest4j.TestAbortedException;
import starling.cpu.CpuDevice;
import starling.cuda.FakeCuda;
import starling.cuda.Native;
import starling.cuda.NativeDevice;

/**
 * The devices there are: cpu, emulated, and cuda over made-up CUDA calls; and what they make of a
 * call, which must be the same.
 */
abstract class OnEveryDevice {
  static final List<Device> DEVICES = new ArrayList<>();
  static FakeCuda fakeCuda;

  @BeforeAll
  static void open() {
    DEVICES.add(CpuDevice.open(2));
    openIfThere(
        () -> {
          Native.needs(Native.HOST);
          return NativeDevice.open(DeviceType.EMULATED);
        });
    openIfThere(
        () -> {
          fakeCuda = new FakeCuda("");
          return NativeDevice.open(DeviceType.CUDA, Providers.OWN);
        });
  }

  static void openIfThere(java.util.function.Supplier<Device> device) {
    try {
      DEVICES.add(device.get());
    } catch (TestAbortedException e) {
      System.out.println("without one device: " + e.getMessage());
    }
  }

  @AfterAll
  static void close() {
    DEVICES.forEach(Device::close);
    DEVICES.clear();
    if (fakeCuda != null) {
      fakeCuda.close();
    }
  }

  static List<OperatorCall> operators() {
    return OperatorCall.ALL;
  }

  // ---- what becomes of a call ----

  static final String ACCEPTED = "accepted";

  static String outcome(Runnable call) {
    try {
      call.run();
      return ACCEPTED;
    } catch (RuntimeException e) {
      return e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }

  static String outcome(Device device, OperatorCall operator, CallChange change) {
    try (CallMemory w = CallMemory.of(device)) {
      CallArguments given = operator.right().apply(w);
      return outcome(
          () -> {
            change.on(w, given);
            operator.call().apply(device, given).run();
          });
    }
  }

  static boolean reachesHost(Device device) {
    return device.type() != DeviceType.CUDA;
  }

  /** What all devices make of the call; it must be the same. */
  static String outcome(OperatorCall operator, String what, CallChange change) {
    return outcome(DEVICES, operator, what, change);
  }

  static String outcome(
      List<Device> devices, OperatorCall operator, String what, CallChange change) {
    String first = null;
    for (Device device : devices) {
      String outcome = outcome(device, operator, change);
      first = first == null ? outcome : first;
      assertEquals(first, outcome, operator + " with " + what + " on " + device.type().label());
    }
    return first;
  }

  static List<Device> thoseThatReachTheHost() {
    return DEVICES.stream().filter(OnEveryDevice::reachesHost).toList();
  }

  /** The names of an operator's tensors. */
  static List<String> tensors(OperatorCall operator) {
    try (CallMemory w = CallMemory.of(DEVICES.get(0))) {
      return operator.right().apply(w).tensors();
    }
  }

  static Tensor right(CallMemory w, OperatorCall operator, String name) {
    return operator.right().apply(w).t(name);
  }

  static int rank(OperatorCall operator, String name) {
    try (CallMemory w = CallMemory.of(DEVICES.get(0))) {
      return right(w, operator, name).rank();
    }
  }

  static boolean isOf(OperatorCall operator, String name, DType type) {
    try (CallMemory w = CallMemory.of(DEVICES.get(0))) {
      return right(w, operator, name).dtype() == type;
    }
  }

  static void refused(String words, String outcome, String what) {
    assertTrue(outcome.contains(words), what + ": " + outcome + ", expected " + words);
    assertTrue(
        outcome.startsWith("IllegalArgument")
            || outcome.startsWith("IllegalState")
            || outcome.startsWith("Input"),
        what + ": " + outcome);
  }

  /** The tensor in memory that begins {@code shift} bytes behind a multiple of 64. */
  static void moved(CallMemory w, CallArguments g, String name, int shift, boolean readOnly) {
    Tensor t = g.t(name);
    long bytes = (long) t.rows() * t.width() * t.dtype().bytes();
    MemorySegment memory = w.host().allocate(bytes + shift + 64, 64).asSlice(shift, bytes);
    w.view(t.name(), t.dtype(), memory, shape(t));
    MemorySegment given = readOnly ? memory.asReadOnly() : memory;
    g.with(name, w.view(t.name(), t.dtype(), given, shape(t)));
  }
}
