package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.DeviceType;

/** What a row says, in every format. */
class RowTest {
  @Test
  @Tag("slow")
  void aRowSaysWhyItsSamplingEnded() {
    var axes = Map.of("T", List.of(8));
    var easy =
        new Bench.Options(
            DeviceType.CPU,
            Preset.TINY,
            List.of("rmsnorm"),
            axes,
            List.of(DType.F32),
            List.of(CacheState.WARM),
            null,
            null,
            List.of(Provider.OWN),
            1e6,
            1);
    Row reached = Bench.kernels(easy, text -> {}).rows().get(0);
    assertEquals("precision 1000000 reached", reached.stopped());
    assertEquals(20, reached.time().rounds().length);
    var hopeless =
        new Bench.Options(
            DeviceType.CPU,
            Preset.TINY,
            List.of("rmsnorm"),
            axes,
            List.of(DType.F32),
            List.of(CacheState.COLD, CacheState.WARM),
            null,
            null,
            List.of(Provider.OWN),
            1e-9,
            0.02);
    KernelReport report = Bench.kernels(hopeless, text -> {});
    for (Row row : report.rows()) {
      String at = Row.shortest(row.time().interval().precision());
      assertEquals("time used up at " + at, row.stopped());
      assertTrue(report.text().contains(row.stopped()));
      assertTrue(report.csv().contains("," + row.stopped() + ","));
      assertTrue(report.json().toString().contains("stopped=" + row.stopped()));
    }
    assertTrue(report.control().rounds().length >= 20);
  }

  @Test
  void digitsThatMatter() {
    assertEquals("0.04", Row.shortest(0.04));
    assertEquals("0.12", Row.shortest(0.1234));
    assertEquals("0.00012", Row.shortest(0.000123));
    assertEquals("1.3", Row.shortest(1.25001));
    assertEquals("more than can be said", Row.shortest(Double.POSITIVE_INFINITY));
  }

  /** RFC 4180: a column for every axis and figure, the same ones for all, nothing rounded. */
  @Test
  void theCsvHasEveryAxisAndAllDigits() {
    var times = new Samples(new double[] {1.0 / 3, 2.0 / 3, 100.0 / 7});
    var timed =
        new Row(
            "token_select",
            new LinkedHashMap<>(Map.of("n", 576)),
            DType.F32,
            CacheState.WARM,
            times,
            Double.NaN,
            123_456_789,
            7,
            12.345678901234567,
            "bytes",
            1.25e-7,
            "time used up at 3",
            null,
            null,
            null,
            null);
    var work = new starling.cuda.Work(1, 2, 3, 4, 5, 6, List.of("a", "b"));
    var counted =
        new Row(
            "row_map",
            Map.of("T", 636),
            DType.F32,
            CacheState.COUNTED,
            null,
            Double.NaN,
            10,
            0,
            Double.NaN,
            "",
            0,
            null,
            work,
            null,
            null,
            null);
    Row failed =
        Row.failed(
            "embed",
            Map.of("V", 5),
            DType.BF16,
            CacheState.COLD,
            "it said \"no\", twice\r\nand so");
    String csv =
        new KernelReport(Map.of(), null, null, List.of(), List.of(timed, counted, failed)).csv();
    String[] lines = csv.split("\n", 3);
    assertEquals(
        "op,image,patch,T,D,V,in_features,out_features,H,G,d,axes,S,causal,across,window,n,k,w,L,dtype,cache,median_us,p5_us,p95_us,"
            + "min_us,spread,samples,precision,stopped,bytes,gb_per_s,flops,tflop_per_s,"
            + "percent_of_ceiling,bound,error,host_us,mhz_before,mhz_after,throttled,kernels,"
            + "launches,blocks,barriers,read_bytes,written_bytes,counted_flops,failure",
        lines[0]);
    assertEquals(
        "token_select,,,,,,,,,,,,,,,,576,,,,f32,warm,0.6666666666666666,0.3333333333333333,"
            + "14.285714285714286,0.3333333333333333,20.92857142857143,3,Infinity,time used up at 3,"
            + "123456789,185185.1835,7,1.05E-5,12.345678901234567,bytes,1.25E-7,,,,,,,,,,,,",
        lines[1]);
    assertEquals(
        "row_map,,,636,,,,,,,,,,,,,,,,,f32,counted,,,,,,,,,10,,0,,,,0.0,,,,,a b,1,2,6,3,4,5,\n"
            + "embed,,,,,5,,,,,,,,,,,,,,,bf16,cold"
            + ",".repeat(27)
            + "\"it said \"\"no\"\", twice\r\nand so\"\n",
        lines[2]);
  }
}
