package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cuda.Native;
import starling.cuda.NativeCeilings;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Providers;

/** That work counted at two small sizes is what is counted at the size itself. */
class CountedTest {
  @ParameterizedTest
  @CsvSource({
    "gemm, T=40 in_features=1024 out_features=64",
    "gemm, T=1 in_features=1024 out_features=64",
    "rope, T=5 H=6 G=6 d=64",
    "attention, T=70 S=70 H=4 G=4 d=64 causal=1",
    "attention, T=1 S=300 H=8 G=4 d=64 causal=1",
    "compact_rows, L=5 S=40 k=20 G=2 d=64"
  })
  void aLineThroughTwoSmallSizesIsTheWork(String operator, String axes) {
    Native.needs(Native.HOST);
    Map<String, Integer> sizes = new LinkedHashMap<>();
    for (String axis : axes.split(" ", -1)) {
      sizes.put(axis.replaceFirst("=.*", ""), Integer.parseInt(axis.replaceFirst(".*=", "")));
    }
    var c = new Case(operator, Catalogue.operator(operator), new Sizes(sizes), DType.BF16);
    try (var device = (NativeDevice) Devices.open(DeviceType.EMULATED, Providers.OWN);
        NativeCeilings counters = device.ceilings()) {
      Counted line = Counted.of(c, device, counters);
      Counted itself = Counted.at(c, sizes, device, counters);
      assertEquals(itself.launch(), line.launch());
      assertEquals(itself.launches(), line.launches());
      // Numbers of the segments and the tails of a loop are not linear: some bytes in a thousand.
      assertEquals(itself.read(), line.read(), itself.read() * 0.002);
      assertEquals(itself.written(), line.written(), itself.written() * 0.002);
      assertEquals(itself.flops(), line.flops(), itself.flops() * 0.002);
    }
  }

  /** A kernel that the table of compiled code does not have would cost nothing. */
  @Test
  void everyLaunchOfAnAnswerHasItsInstructions() {
    Native.needs(Native.HOST);
    var options =
        new Bench.Options(
            DeviceType.EMULATED,
            Preset.LLAVA_7B,
            List.of(),
            Map.of(),
            List.of(DType.BF16),
            List.of(CacheState.WARM),
            null,
            null,
            List.of(Provider.OWN),
            0.5,
            0.01);
    var all = Prediction.of(Card.of("h200"), options, row -> {}).everything();
    assertEquals(Answer.prefill().size(), all.get("prefill").size());
    assertEquals(Answer.token().size(), all.get("token").size());
    for (List<PredictedRow> rows : all.values()) {
      for (PredictedRow row : rows) {
        assertTrue(row.instructions() > 0 && row.waves() > 0, row.toString());
        boolean product = row.part().startsWith("gemm") && !row.sizes().startsWith("T=1 ");
        assertTrue(!product || row.products() > 0, row.toString());
      }
    }
  }
}
