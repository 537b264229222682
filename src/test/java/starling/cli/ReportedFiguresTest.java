package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import starling.Answer;
import starling.device.DType;
import starling.device.DeviceType;

/** The figures that people read, from answers whose numbers are known. */
class ReportedFiguresTest {
  private static Answer answer(double perToken, double prefill, double total, double pruned) {
    return new Answer(
        "m",
        DeviceType.CPU,
        "a cpu",
        DType.F32,
        "none",
        "none",
        "compact",
        null,
        List.of(1, 2),
        null,
        new Answer.VisualTokens(576, 518, 58),
        List.of(new Answer.Image(576, 576, List.of(new Answer.Crop(24, 24)))),
        List.of(532, 72),
        302.4,
        List.of(),
        null,
        null,
        List.of(5, 2),
        "x",
        "stop",
        new Answer.FlopCount("F3", 4e9, pruned, 1 - pruned / 4e9, true, true, 4, 1e9),
        new Answer.KvBytes(4_849_999, 2_450_000),
        3_000_000,
        8_000_000,
        new Answer.Timings(1, 0, 2, 30.04, 3.5, prefill, perToken, total),
        List.of());
  }

  @Test
  void aRunClosesWithRowsTimesRatesAndBytes() {
    // 8 MB in 4 ms are 2 GB/s; 4 ms a token are 250 tokens a second.
    assertEquals(
        "prefill 532 rows in 16.1 ms (vision 30.0 ms), decode 250.0 tokens/s, 2.0 GB/s, KV 2.5 of 4.8 MB",
        RunCommand.summary(answer(4, 16.1, 60, 2e9)));
    assertEquals(
        "prefill 532 rows in 16.1 ms (vision 30.0 ms), decode none, KV 2.5 of 4.8 MB",
        RunCommand.summary(answer(0, 16.1, 60, 2e9)));
  }

  @Test
  void theDemosRowHasTheSharesAndTheMedians() {
    var tally = new DemoCommand.Tally("star");
    tally.answers.add(answer(1, 10, 90, 2.612e9));
    tally.answers.add(answer(1, 40, 50, 2.612e9));
    tally.answers.add(answer(1, 20, 60, 2.612e9));
    tally.right = 2;
    assertEquals(
        List.of(
            "star", "2 of 3", "58", "302", "2.61", "34.7 %", "2.45", "30.0", "3.5", "20.0", "60.0"),
        DemoTable.row(tally));
    // Of an even number, the middle of the middle two.
    tally.answers.add(answer(1, 30, 70, 2.612e9));
    assertEquals(25, DemoTable.median(tally, a -> a.timingsMs().prefill()));
    assertEquals(65, DemoTable.median(tally, a -> a.timingsMs().total()));
  }
}
