package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.Devices;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;

/** BN-1, BN-3: what stands between the two events of a sample, and what stands before them. */
class TimerTest {
  private static final long CACHE = 1 << 20;
  private final List<String> events = new ArrayList<>();
  private long flushed;

  private <T> T recorded(Class<T> type, T target) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> {
              if (method.getName().equals("recordEvent")) {
                events.add("event");
              } else if (method.getName().equals("copy")) {
                events.add("flush");
                flushed = bytes((Tensor) arguments[0]) + bytes((Tensor) arguments[1]);
              }
              try {
                return method.invoke(target, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            }));
  }

  private static long bytes(Tensor t) {
    return (long) t.rows() * t.width() * t.dtype().bytes();
  }

  /** The events of every sample, one string each, without the warm-up. */
  private List<String> samples(boolean cold) {
    try (Device device = Devices.open(DeviceType.CPU);
        Meter meter = Meter.of(device);
        var arena = device.arena("timer")) {
      Tensor flush = Timer.flushing(device, arena, CACHE);
      var timer = new Timer(recorded(Device.class, device), recorded(Meter.class, meter), flush);
      timer.samples(cold, () -> events.add("call"), 1e-9, 0.02);
    }
    String all = String.join(" ", events);
    return List.of(all.substring(all.indexOf("flush")).split(" (?=flush)"));
  }

  @Test
  void aColdSampleIsOneCallBehindAFlushOutsideTheClock() {
    List<String> samples = samples(true);
    assertTrue(samples.size() >= 10);
    samples.forEach(s -> assertEquals("flush event call event", s));
    assertEquals(2 * CACHE, flushed);
  }

  @Test
  void aWarmSampleComesBehindACallOutsideTheClock() {
    List<String> samples = samples(false);
    assertTrue(samples.size() >= 10);
    samples.forEach(s -> assertTrue(s.matches("flush call event( call)+ event"), s));
  }
}
