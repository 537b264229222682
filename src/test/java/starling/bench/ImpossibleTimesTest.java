package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cpu.CpuDevice;
import starling.cuda.FakeCuda;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;

/** What the bench refuses to give a time. */
class ImpossibleTimesTest {
  /** On the cpu, where nothing counts: right until it is timed, then nothing, or what it was. */
  @Test
  void whatIsRightOnlyBeforeItIsTimedHasNoTime() {
    Operator rmsnorm = Catalogue.operator("rmsnorm");
    try (Device device = Devices.open(DeviceType.CPU);
        Device reference = CpuDevice.scalar();
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, 0.5, 0.01)) {
      var sizes = Preset.TINY.sizes(rmsnorm).get(0);
      assertEquals(null, failure(bench, rmsnorm, sizes));
      String nothing = failure(bench, after(device, rmsnorm, first -> () -> {}), sizes);
      assertTrue(nothing.startsWith("out[0] is NaN: it was not written"), nothing);
      String same = failure(bench, after(device, rmsnorm, first -> first::put), sizes);
      assertTrue(same.startsWith("out is wrong: relative distance 1."), same);
    }
  }

  /** The first result of an operator. */
  private record Result(Device device, Tensor out, float[] values) {
    void put() {
      device.upload(out, MemorySegment.ofArray(values));
    }
  }

  /** An operator that computes the first time, and does something else from then on. */
  private static Operator after(
      Device device, Operator real, java.util.function.Function<Result, Runnable> then) {
    return new Operator(
        real.name(),
        real.axes(),
        real.typed(),
        (in, s) -> {
          Runnable call = real.body().apply(in, s);
          if (in.device != device) {
            return call;
          }
          var later = new Runnable[1];
          return () -> {
            if (later[0] != null) {
              later[0].run();
              return;
            }
            call.run();
            Tensor out = in.outputs().get(0);
            var values = new float[out.rows() * out.width()];
            device.download(MemorySegment.ofArray(values), out);
            later[0] = then.apply(new Result(device, out, values));
          };
        },
        real.bytes(),
        real.flops());
  }

  private interface Measurement {
    String on(FakeCuda gpu, KernelBench bench, Operator operator, Sizes sizes);
  }

  private static String onFakeGpu(String op, Measurement measurement) {
    try (var gpu = new FakeCuda("");
        Device device = Devices.open(DeviceType.CUDA);
        Device reference = Devices.open(DeviceType.CPU);
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, 0.5, 0.01)) {
      Operator operator = Catalogue.operator(op);
      try {
        return measurement.on(gpu, bench, operator, Preset.TINY.sizes(operator).get(0));
      } finally {
        gpu.order("");
      }
    }
  }

  private static Row row(KernelBench bench, Operator operator, Sizes sizes, CacheState cache) {
    var one = new Case(operator.name(), operator, sizes, DType.F32);
    return bench.rows(List.of(one), List.of(cache), text -> {}).get(0);
  }

  private static String failure(KernelBench bench, Operator operator, Sizes sizes) {
    return row(bench, operator, sizes, CacheState.WARM).failure();
  }

  @Test
  void aTimeAboveTheCeilingIsAnError() {
    String why =
        onFakeGpu(
            "rmsnorm",
            (gpu, bench, operator, sizes) -> {
              assertEquals(null, row(bench, operator, sizes, CacheState.COLD).failure());
              // From here events tell a ten-thousandth of the true time.
              gpu.order("clock=0.0001");
              return bench.ceilings.frozen(
                  () -> row(bench, operator, sizes, CacheState.COLD).failure());
            });
    assertTrue(why.startsWith("impossible: "), why);
    assertTrue(why.contains("% of what this device can do"), why);
  }

  @Test
  void aTimeThatDoesNotGrowIsAnError() {
    String why =
        onFakeGpu(
            "rmsnorm",
            (gpu, bench, operator, sizes) -> {
              assertEquals(
                  null, bench.growth(new Case(operator.name(), operator, sizes, DType.F32)));
              gpu.order("constant=5");
              return bench.growth(new Case(operator.name(), operator, sizes, DType.F32));
            });
    assertNotNull(why);
    assertTrue(why.startsWith("its time does not grow with the work: "), why);
  }

  @Test
  void aKernelThatWasNotLaunchedHasNoTime() {
    for (String op : List.of("rmsnorm", "token_select", "advance", "compact_rows")) {
      String why =
          onFakeGpu(
              op,
              (gpu, bench, operator, sizes) -> {
                gpu.order("mute=1");
                return failure(bench, operator, sizes);
              });
      assertNotNull(why, op);
    }
  }

  /** Nothing of the host's own time is in a cold or warm figure: events are on the stream. */
  @Test
  void hostTimeStandsApartOnAGpu() {
    onFakeGpu(
        "rmsnorm",
        (gpu, bench, operator, sizes) -> {
          Row row = row(bench, operator, sizes, CacheState.COLD);
          assertFalse(Double.isNaN(row.hostMicros()));
          assertEquals(CacheState.COLD, row.cache());
          return "";
        });
  }
}
