package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.input.InputException;

/** What {@code compare} refuses to read, and what the keys of a file can do. */
class CompareFilesTest extends PlantedRuns {
  private Path edited(String from, String to) throws IOException {
    var samples = new double[] {20.5, 21.5, 22.5};
    Path file = file("edited.json", MACHINE, List.of(row(1, CacheState.COLD, samples)));
    String text = Files.readString(file);
    assertTrue(text.contains(from), text);
    return Files.writeString(file, text.replace(from, to));
  }

  @Test
  void samplesThatAreNoTimesAreRefused() throws IOException {
    Path good = file("good.json", MACHINE, List.of(row(1, CacheState.COLD, noisy(20, 0.02))));
    for (String sample :
        List.of(
            "-1",
            "0",
            "0.0",
            "-0.0",
            "\"20.5\"",
            "\"NaN\"",
            "null",
            "true",
            "1e13",
            "[20.5]",
            "{}")) {
      String why = refused(good, edited("20.5", sample));
      assertTrue(why.contains("edited.json: rmsnorm T=1 bf16 cold: a sample is no time: "), why);
      assertEquals(why, refused(edited("20.5", sample), good), "on either side");
    }
    String all = "[[20.5,21.5,22.5]]";
    assertTrue(refused(good, edited(all, "[]")).endsWith("no samples"));
    assertTrue(refused(good, edited(all, "null")).endsWith("no samples"));
    assertTrue(refused(good, edited(all, "[[]]")).endsWith("a round without samples"));
    assertTrue(refused(good, edited(all, "[20.5]")).endsWith("a round without samples"));
    assertTrue(refused(good, edited("20.5", "NaN")).contains("is not JSON"), "Jackson's own");
    String why = refused(good, edited("samples_us", "samples_ms"));
    assertTrue(why.contains("samples_ms, and times are compared in microseconds"), why);
    why = refused(good, edited(all, "[[0.0205,0.0215,0.0225]]"));
    assertTrue(why.contains("of another unit than median_us, 21.5"), why);
    why = refused(good, edited("\"samples_us\":" + all + ",", ""));
    assertTrue(why.contains("neither samples_us nor work"), why);
  }

  @Test
  void countsThatAreNoneAreRefused() throws IOException {
    Path good = file("good.json", MACHINE, List.of(counted(1, 30, 100, 200)));
    for (String count : List.of("-1", "1.5", "\"30\"", "null", "99999999999999999999")) {
      Path bad = file("bad.json", MACHINE, List.of(counted(1, 30, 100, 200)));
      String text = Files.readString(bad);
      assertTrue(text.contains("\"blocks\":30"), text);
      Files.writeString(bad, text.replace("\"blocks\":30", "\"blocks\":" + count));
      String why = refused(good, bad);
      assertTrue(why.contains("work.blocks is no count: "), why);
    }
  }

  @Test
  void whatIsNoFileOfTheBenchIsRefused() throws Exception {
    Path good = file("good.json", MACHINE, List.of(row(1, CacheState.COLD, noisy(20, 0.02))));
    for (String text :
        List.of(
            "",
            "[]",
            "{}",
            "null",
            "3",
            "{\"benchmarks\":[]}",
            "{\"benchmarks\":{},\"starling\":{}}")) {
      Path file = Files.writeString(dir.resolve("other.json"), text);
      String why = refused(good, file);
      assertTrue(why.contains("other.json: not a file that bench kernels wrote"), why);
    }
    Path twice = dir.resolve("twice.json");
    Files.writeString(twice, Files.readString(good) + Files.readString(good));
    assertTrue(refused(good, twice).contains("twice.json: is not JSON"));
    Path pipe = dir.resolve("pipe.json");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    assertTrue(refused(good, pipe).contains("pipe.json: is a pipe or a device"));
    assertTrue(refused(good, dir).contains("is a folder"));
    Path huge = dir.resolve("huge.json");
    try (var file = new RandomAccessFile(huge.toFile(), "rw")) {
      file.setLength(3L << 30);
    }
    assertTrue(refused(good, huge).contains("huge.json: is longer than the 64 MiB"));
  }

  @Test
  void filesThatCannotBeComparedAreRefusedWithTheField() throws IOException {
    List<Row> rows = List.of(row(1, CacheState.COLD, noisy(20, 0.02)));
    Path a = file("a.json", MACHINE, rows);
    var other = new LinkedHashMap<>(MACHINE);
    other.put("card", "Y");
    Path b = file("b.json", other, rows);
    assertTrue(refused(a, b).startsWith("card differs: 'X' in "));
    assertEquals(1, Compare.files(a, b, true).rows().size());
    Path warm = file("warm.json", MACHINE, List.of(row(1, CacheState.WARM, noisy(20, 0.02))));
    assertTrue(refused(a, warm).startsWith("cache differs: [cold] in "));
    var f16 =
        new Row(
            "rmsnorm",
            Map.of("T", 1),
            DType.F16,
            CacheState.COLD,
            new Samples(noisy(20, 0.02)),
            Double.NaN,
            1,
            0,
            1,
            "bytes",
            0,
            "",
            null,
            null,
            null,
            null);
    assertTrue(refused(a, file("f16.json", MACHINE, List.of(f16))).startsWith("dtype differs: "));
    Files.writeString(dir.resolve("text.json"), "{\"benchmarks\":");
    assertTrue(refused(a, dir.resolve("text.json")).contains("text.json: "));
    assertTrue(refused(a, dir.resolve("absent.json")).contains("absent.json"));
  }

  /** Gemm's axes were {@code in} and {@code out}; files written then still compare. */
  @Test
  void axesOfOlderFilesHaveTheNamesOfToday() throws IOException {
    var sizes = new LinkedHashMap<String, Integer>();
    sizes.put("T", 1);
    sizes.put("in_features", 8);
    sizes.put("out_features", 4);
    Row row = counted(sizes, 1, 30, 100, 200);
    Path today = file("today.json", MACHINE, List.of(row));
    String text = Files.readString(today);
    Path then = dir.resolve("then.json");
    Files.writeString(then, text.replace("in_features", "in").replace("out_features", "out"));
    assertTrue(Files.readString(then).contains("\"gemm T=1 in=8 out=4 bf16 counted\""));
    for (Comparison found :
        List.of(Compare.files(then, today, false), Compare.files(today, then, false))) {
      assertEquals(1, found.rows().size(), found.text());
      assertEquals(Verdict.SAME, found.rows().get(0).verdict());
      assertEquals("gemm T=1 in_features=8 out_features=4 bf16 counted", found.rows().get(0).key());
    }
  }

  private static String refused(Path a, Path b) {
    String why = assertThrows(InputException.class, () -> Compare.files(a, b, false)).getMessage();
    assertEquals(1, why.lines().count());
    return why;
  }

  /** On a terminal a key must do nothing; a program gets it as it is. */
  @Test
  void whatAKeySaysReachesATerminalHarmless() throws IOException {
    Path good = file("good.json", MACHINE, List.of(row(1, CacheState.COLD, noisy(20, 0.02))));
    Path evil = dir.resolve("evil.json");
    Files.writeString(
        evil, Files.readString(good).replace("rmsnorm T=1", "\\u001b[2Jx\\u009b\\n\\u202e T=1"));
    Comparison result = Compare.files(evil, evil, false);
    assertTrue(
        result.text().contains("\\u001b[2Jx\\u009b\\u000a\\u202e T=1 bf16 cold"), result.text());
    assertTrue(result.text().chars().allMatch(c -> c == '\n' || !Character.isISOControl(c)));
    assertEquals("\u001b[2Jx\u009b\n\u202e T=1 bf16 cold", result.json().get(0).get("row"));
  }

  /** Keys come from files: each stays in its row, and none acts on a terminal. */
  @Test
  void aKeyIsOneLineThatDoesNotAct() throws IOException {
    Path good = file("good.json", MACHINE, List.of(row(1, CacheState.COLD, noisy(20, 0.01))));
    String hostile = "cold\\u001b[2J\\nrmsnorm T=2 bf16 same\\u202e";
    String key = "\"key\":\"rmsnorm T=1 bf16 ";
    Path evil = dir.resolve("evil.json");
    Files.writeString(evil, Files.readString(good).replace(key + "cold", key + hostile));
    List<String> lines = Compare.files(evil, evil, false).text().lines().toList();
    assertEquals(2, lines.size(), lines.toString());
    assertTrue(
        lines
            .get(1)
            .startsWith("rmsnorm T=1 bf16 cold\\u001b[2J\\u000armsnorm T=2 bf16 same\\u202e  "),
        lines.get(1));
    assertTrue(lines.get(1).indexOf("same ", 60) == lines.get(0).indexOf("verdict"));
  }
}
