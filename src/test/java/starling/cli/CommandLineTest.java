package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.Demo;
import starling.cuda.Native;
import starling.image.Image;

/**
 * The command line as scripts see it: exit status, standard output, one sentence on standard error.
 */
class CommandLineTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  record Result(int status, String out, String err) {
    JsonNode json() {
      try {
        assertEquals(0, status, err);
        return JSON.readTree(out);
      } catch (IOException e) {
        throw new AssertionError("not one JSON object: " + out, e);
      }
    }
  }

  static synchronized Result run(byte[] input, String... args) {
    PrintStream out = System.out;
    PrintStream err = System.err;
    InputStream in = System.in;
    var outBytes = new ByteArrayOutputStream();
    var errBytes = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
      System.setIn(new ByteArrayInputStream(input));
      int status = Main.run(args);
      return new Result(
          status,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
      System.setIn(in);
    }
  }

  private static Result run(String... args) {
    return run(new byte[0], args);
  }

  static Result ask(String... more) {
    var args =
        new ArrayList<>(
            List.of(
                "run",
                "--model",
                Demo.MODEL.toString(),
                "--image",
                Demo.image("scene-00.png").toString(),
                "--prompt",
                "What color is the heart?"));
    args.addAll(Arrays.asList(more));
    return run(args.toArray(String[]::new));
  }

  static void assertRefused(int status, String part, Result result) {
    assertEquals(status, result.status(), result.err());
    assertTrue(result.err().contains(part), result.err());
    assertEquals(1, withoutFallback(result).lines().count(), result.err());
    assertEquals("", result.out());
  }

  /** Without the line that says, once, why device auto is not the GPU. */
  static String withoutFallback(Result result) {
    return result.err().replaceFirst("^starling: device auto is the cpu, because [^\n]*\n", "");
  }

  static List<String> names(JsonNode node) {
    var names = new ArrayList<String>();
    node.fieldNames().forEachRemaining(names::add);
    return names;
  }

  @Test
  void inspectGivesTheNumbersOfRun() {
    for (String spec : List.of("none", "star:R=0.1,K=4,P=0.9", "fastv:keep=100")) {
      JsonNode answer = ask("--json", "--prune", spec).json();
      JsonNode plan =
          run("inspect", Demo.MODEL.toString(), "--prune", spec, "--text-tokens", "14", "--json")
              .json();
      assertEquals(answer.get("tokens_per_layer"), plan.get("tokens_per_layer"));
      assertEquals(answer.at("/flops/pruned"), plan.at("/flops/pruned"));
      assertEquals(answer.at("/flops/reduction"), plan.at("/flops/reduction"));
      assertEquals(answer.get("visual_tokens"), plan.get("visual_tokens"));
    }
    Result text = run("inspect", Demo.MODEL.toString());
    assertEquals(0, text.status());
    assertTrue(text.out().contains("head from language_model.lm_head.weight"), text.out());
  }

  @Test
  void inspectNeedsNoWeights(@TempDir Path dir) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        "{\"model_type\":\"llava\",\"text_config\":{\"model_type\":\"llama\",\"vocab_size\":32064,"
            + "\"max_position_embeddings\":4096},\"vision_config\":{\"hidden_size\":1024,"
            + "\"image_size\":336,\"intermediate_size\":4096,\"num_attention_heads\":16,"
            + "\"num_hidden_layers\":24,\"patch_size\":14}}");
    JsonNode seven =
        run("inspect", dir.toString(), "--prune", "star:R=0.1,P=0.95", "--json").json();
    // LLaVA-1.5-7B, its decoder by transformers' defaults; K = 14 of 32 layers.
    assertEquals(23, seven.get("vision_blocks").intValue());
    assertEquals(518, seven.at("/visual_tokens/after_stage1").intValue());
    assertEquals(29, seven.at("/visual_tokens/after_stage2").intValue());
    assertEquals(558, seven.at("/tokens_per_layer/13").intValue());
    assertEquals(69, seven.at("/tokens_per_layer/14").intValue());
    // Mean visual tokens over the layers and KV bytes as published figures imply: 242.9 tokens of
    // 16 KiB in 32 layers.
    assertEquals(242.9, seven.get("visual_tokens_per_layer").doubleValue(), 0.05);
    assertEquals(524288L * 616, seven.at("/kv_bytes/dense").longValue());
    assertEquals(16384L * (14 * 558 + 18 * 69), seven.at("/kv_bytes/pruned").longValue());
    // F3 by hand, in TFLOPs: 616 rows in 32 layers, 23 blocks of the tower, the projector.
    assertEquals(8.567, seven.at("/flops/dense").doubleValue() / 1e12, 0.0005);
    assertEquals(4.124, seven.at("/flops/pruned").doubleValue() / 1e12, 0.0005);
    assertEquals(0.5186, seven.at("/flops/reduction").doubleValue(), 0.0001);
    assertTrue(run("inspect", dir.toString()).out().contains("no weight files in this folder"));
  }

  @Test
  void tokenizeReadsExactBytes() {
    byte[] text = "USER: <image>\nWhat é 🦜?\n".getBytes(StandardCharsets.UTF_8);
    JsonNode tokens = run(text, "tokenize", "--model", Demo.MODEL.toString(), "--json").json();
    assertEquals(1, tokens.at("/ids/0").intValue());
    assertEquals("USER:  \nWhat é 🦜?\n", tokens.get("decoded").textValue());
    assertRefused(
        1,
        "not UTF-8",
        run(new byte[] {(byte) 0xc3, 0x28}, "tokenize", "--model", Demo.MODEL.toString()));
    assertRefused(
        1,
        "standard input is longer than the 4 MiB",
        run(new byte[(4 << 20) + 1], "tokenize", "--model", Demo.MODEL.toString()));
    assertRefused(1, "not downloaded", run("tokenize", "--model", "llava-hf/llava-1.5-7b-hf"));
  }

  @Test
  void inspectFindsWhatOpeningWouldFind(@TempDir Path dir) throws IOException {
    Files.copy(Demo.MODEL.resolve("config.json"), dir.resolve("config.json"));
    Path preprocessor = Files.writeString(dir.resolve("preprocessor_config.json"), "{}");
    assertRefused(1, "crop_size makes 224x224", run("inspect", dir.toString()));
    Files.delete(preprocessor);
    Files.write(dir.resolve("model.fp16.safetensors"), new byte[9]);
    String text = run("inspect", dir.toString()).out();
    assertTrue(text.contains("no weight files in this folder, but model.fp16.safetensors"), text);
    assertRefused(2, "at most 1048576", run("inspect", dir.toString(), "--images", "2147483647"));
    assertRefused(
        1, "before any are dropped", run("inspect", dir.toString(), "--images", "1000000"));
  }

  @Test
  void doctorNamesEveryDeviceWithItsReason() {
    JsonNode report = run("doctor", "--json").json();
    assertEquals("cpu", report.at("/devices/0/name").textValue());
    assertTrue(report.at("/devices/0/usable").booleanValue());
    assertFalse(report.at("/devices/1/usable").booleanValue());
    assertTrue(report.at("/devices/0/libraries").isEmpty());
    String weights = "f32, bf16, f16 and block formats as they are stored";
    assertEquals(weights, report.at("/devices/0/weights").textValue());
    assertTrue(report.at("/devices/1/weights").isNull());
    for (int i = 1; i <= 2; i++) {
      JsonNode libraries = report.at("/devices/" + i + "/libraries");
      assertTrue(libraries.size() >= 2, "every place is named");
      assertTrue(libraries.get(0).textValue().startsWith("class path: no starling/native/"));
      assertTrue(libraries.get(1).textValue().contains("/target/native/"), libraries.toString());
    }
    JsonNode tried = report.at("/optional/0/tried");
    assertEquals("cuBLASLt", report.at("/optional/0/name").textValue());
    assertTrue(tried.size() >= 1, "every place is named");
    assertEquals("cuDNN", report.at("/optional/1/name").textValue());
    assertTrue(report.at("/optional/1/tried").size() >= 1, "every place is named");
    assertEquals("cuBLAS", report.at("/optional/2/name").textValue());
    String text = run("doctor").out();
    assertTrue(text.contains("            weights: " + weights), text);
    assertTrue(report.get("fma").isBoolean());
    String fma = report.get("fma").asBoolean() ? "FMA         in use" : "FMA         not on";
    assertTrue(text.contains(fma), text);
    assertTrue(text.contains("cuda        no: "));
    assertTrue(text.contains("cuBLASLt    for gemm on cuda"), text);
    assertTrue(text.contains("cuDNN       for attention on cuda"), text);
  }

  @Test
  void helpAndVersionAreThere() {
    assertTrue(run("--version").out().startsWith("starling 0.1"));
    for (String command : List.of("demo", "run", "serve", "tokenize", "inspect", "doctor")) {
      Result help = run(command, "--help");
      assertEquals(0, help.status());
      assertTrue(help.out().contains("Usage: starling " + command), help.out());
    }
    assertTrue(run("--help").out().contains("demo"));
  }

  @Test
  void aMissingCommandOrOptionIsStatus2() {
    assertEquals(2, run("fly").status());
    assertEquals(2, run("run", "--prompt", "x").status());
    assertEquals(2, run("run", "--model", "x").status());
    assertEquals(2, run().status());
  }

  @Test
  void demoAnswersAndDrawsAndReports(@TempDir Path dir) throws IOException {
    Result result = run("demo", "--out", dir.resolve("demo").toString(), "--pictures", "2");
    assertEquals(0, result.status(), result.err());
    String last = result.out().lines().reduce((a, b) -> b).orElseThrow();
    assertTrue(
        last.matches(
            "\\d+ of \\d+ answers right \\(dense\\), \\d+ of \\d+ \\(star:R=0.1,K=4,P=0.9\\)"),
        last);
    for (String spec : DemoCommand.SPECS) {
      assertTrue(result.out().contains(spec));
    }
    String html = Files.readString(dir.resolve("demo/report.html"));
    assertTrue(html.contains("\"scores2\":[") && !html.contains("/*DATA*/"));
    assertEquals(1352, Image.read(dir.resolve("demo/kept-scene-00.png")).width());
    assertRefused(
        1,
        "the folder cannot be made",
        run("demo", "--out", dir.resolve("demo/report.html/x").toString()));
    assertEquals(2, run("demo", "--pictures", "0").status());
  }

  // ---- bench and compare ----

  private static Result bench(String... more) {
    var args =
        new ArrayList<>(
            List.of("bench", "kernels", "--cache", "warm", "--noise", "0.5", "--max-time", "0.01"));
    args.addAll(Arrays.asList(more));
    return run(args.toArray(String[]::new));
  }

  @Test
  void benchWritesEveryFormatAndCompareReadsIt(@TempDir Path dir) throws IOException {
    var args = new ArrayList<>(List.of("--op", "embed,advance", "--T", "8,16"));
    for (String ending : List.of("json", "md", "csv")) {
      args.addAll(List.of("--out", dir.resolve("a." + ending).toString()));
    }
    Result result = bench(args.toArray(String[]::new));
    assertEquals(0, result.status(), result.err());
    assertTrue(result.out().contains("% ceiling"), result.out());
    JsonNode json = JSON.readTree(dir.resolve("a.json").toFile());
    assertEquals(2, json.path("benchmarks").size());
    assertTrue(Files.readString(dir.resolve("a.md")).startsWith("| "));
    assertTrue(Files.readString(dir.resolve("a.csv")).startsWith("op,"));
    String file = dir.resolve("a.json").toString();
    Result same = run("compare", file, file);
    assertEquals(0, same.status(), same.err());
    assertFalse(same.out().matches("(?s).*(slower|faster).*"), same.out());
    assertRefused(1, "a.md: is not JSON", run("compare", file, dir.resolve("a.md").toString()));
    assertRefused(1, "none.json: ", run("compare", dir.resolve("none.json").toString(), file));
  }

  @Test
  void whatBenchDoesNotKnowIsNamed() {
    assertEquals(2, run("bench").status());
    assertRefused(2, "'--Z' is no option; axes are ", bench("--Z", "4"));
    assertRefused(2, "--T 'four' is not a list of whole numbers", bench("--T", "four"));
    assertRefused(2, "--T has no value", bench("--T"));
    assertRefused(
        2,
        "--provider 'mkl' is not one of own, cublaslt, cudnn, jcublas",
        bench("--provider", "mkl"));
    Result absent = bench("--op", "gemm", "--T", "1", "--provider", "own,cublaslt");
    assertEquals(0, absent.status());
    assertTrue(absent.out().contains("cublaslt: not measured: gemm cublaslt needs device cuda"));
    assertRefused(2, "--cache 'hot' is not cold or warm", bench("--cache", "hot"));
    assertRefused(2, "--source and --entry go together", bench("--source", "a.cu"));
    assertRefused(1, "'rmsnrm' is not one of", bench("--op", "rmsnrm"));
    assertRefused(1, "there is no folder", bench("--op", "embed", "--out", "no/where.json"));
    assertRefused(1, "'q8'", bench("--op", "embed", "--dtype", "q8"));
    assertRefused(1, "'tpu'", bench("--op", "embed", "--device", "tpu"));
  }

  @Test
  void whatBenchCannotDoIsSaidBeforeTheWork(@TempDir Path dir) {
    for (String seconds : List.of("0", "-1", "NaN", "Infinity", "1e300", "3601")) {
      assertRefused(2, "--max-time is ", bench("--op", "embed", "--max-time", seconds));
      assertRefused(2, "--max-time is ", run("bench", "ceilings", "--max-time", seconds));
    }
    for (String option : List.of("--precision", "--noise")) {
      for (String part : List.of("0", "-0.1", "NaN", "1.5", "Infinity")) {
        assertRefused(2, "--precision is ", bench("--op", "embed", option, part));
      }
    }
    for (String name : List.of("a.txt", "a", "a.JSON.gz", "json")) {
      String file = dir.resolve(name).toString();
      assertRefused(2, "does not end with one of .json, .md, .csv", bench("--out", file));
    }
    assertRefused(
        2, "'a b' is no name of a C function", bench("--source", "a.cu", "--entry", "a b"));
    assertRefused(
        1, "cpu runs no kernels", bench("--op", "embed", "--source", "a.cu", "--entry", "a"));
    String most = "it can be at most 2147483647";
    assertRefused(1, "--T is 3000000000; " + most, bench("--op", "embed", "--T", "3000000000"));
    assertRefused(1, "--T is 99999999999999999999; " + most, bench("--T=99999999999999999999"));
    assertRefused(2, "--T '1e3' is not a list of whole numbers", bench("--T", "1e3"));
    assertRefused(2, "--T '1,' is not a list of whole numbers", bench("--T", "1,"));
    Result large = bench("--op", "gemm", "--T", "65536", "--in", "65536");
    assertEquals(1, large.status(), large.err());
    assertTrue(
        large.err().contains("gemm T=65536 in_features=65536 out_features=384 f32: it needs"),
        large.err());
  }

  /** {@code --out} was gemm's axis too, and a number was a file of that name. */
  @Test
  void numbersBehindOutAreRefusedWithTheNameOfTheAxis() {
    for (String sizes : List.of("32", "4,5", "+8", "-1")) {
      assertRefused(
          2,
          "--out '%s' is no file; the sizes of gemm's outputs are --out_features %s"
              .formatted(sizes, sizes),
          bench("--op", "gemm", "--T", "1", "--out", sizes));
      assertFalse(Files.exists(Path.of(sizes)));
    }
    assertRefused(2, "'--out_feature' is no option; axes are ", bench("--out_feature", "4"));
  }

  @Test
  void theAxisOutCanBeGiven(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("a.json");
    Result result =
        bench(
            "--op",
            "gemm",
            "--T",
            "1,1",
            "--in_features",
            "8",
            "--out_features",
            "4,5",
            "--out",
            file.toString());
    assertEquals(0, result.status(), result.err());
    JsonNode states = JSON.readTree(file.toFile()).at("/benchmarks/0/states");
    assertEquals(2, states.size(), "one row for a size that is given twice");
    assertEquals(
        "gemm T=1 in_features=8 out_features=4 f32 warm", states.at("/0/starling/key").asText());
    assertEquals(
        "gemm T=1 in_features=8 out_features=5 f32 warm", states.at("/1/starling/key").asText());
    String stopped = states.at("/0/starling/stopped").asText();
    assertTrue(stopped.matches("precision 0.5 reached|time used up at .*"), stopped);
  }

  @Test
  void workThatGrewFailsTheComparison(@TempDir Path dir) throws IOException {
    Native.needs(Native.HOST);
    Path a = dir.resolve("a.json");
    assertEquals(
        0,
        bench("--device", "emulated", "--op", "rmsnorm", "--T", "9", "--out", a.toString())
            .status());
    Result same = run("compare", a.toString(), a.toString());
    assertEquals(0, same.status(), same.err());
    assertTrue(same.out().contains("same"), same.out());
    String text = Files.readString(a);
    assertTrue(text.contains("\"blocks\":3,"), text);
    Path b =
        Files.writeString(dir.resolve("b.json"), text.replace("\"blocks\":3,", "\"blocks\":4,"));
    Result grew = run("compare", a.toString(), b.toString());
    assertEquals(1, grew.status());
    assertTrue(grew.out().contains("grew     blocks 3 -> 4"), grew.out());
    JsonNode json = JSON.readTree(run("compare", "--json", a.toString(), b.toString()).out());
    assertEquals("grew", json.at("/0/verdict").asText());
    assertEquals(3, json.at("/0/counters/blocks/a").asLong());
    assertEquals(4, json.at("/0/counters/blocks/b").asLong());
    Result shrank = run("compare", b.toString(), a.toString());
    assertEquals(0, shrank.status());
    assertTrue(shrank.out().contains("shrank   blocks 4 -> 3"), shrank.out());
  }

  /** The commit is the build's, wherever it is run. */
  @Test
  void theCommitIsNotThatOfTheFolderItRunsIn(@TempDir Path dir) throws Exception {
    for (String[] git :
        new String[][] {
          {"git", "init", "-q"},
          {
            "git",
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x"
          },
          {"git", "tag", "elsewhere"}
        }) {
      assertEquals(0, new ProcessBuilder(git).directory(dir.toFile()).start().waitFor());
    }
    var command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            absolute(System.getProperty("java.class.path")),
            "starling.cli.Main",
            "bench",
            "kernels",
            "--op",
            "advance",
            "--cache",
            "warm",
            "--max-time",
            "0.01",
            "--json");
    Process process =
        new ProcessBuilder(command)
            .directory(dir.toFile())
            .redirectError(dir.resolve("err").toFile())
            .start();
    JsonNode environment = JSON.readTree(process.getInputStream()).at("/starling/environment");
    assertEquals(0, process.waitFor(), Files.readString(dir.resolve("err")));
    String built = Files.readString(Checkout.path("target/classes/starling/bench/commit")).strip();
    assertEquals(built, environment.path("commit").asText());
    assertFalse(built.isEmpty());
    if (Files.exists(Checkout.path(".git"))) {
      assertTrue(built.matches("(.*-g)?[0-9a-f]{7,}(-dirty)?"), built);
    }
  }

  private static String absolute(String classPath) {
    return Stream.of(classPath.split(File.pathSeparator, -1))
        .map(part -> Path.of(part).toAbsolutePath().toString())
        .collect(Collectors.joining(File.pathSeparator));
  }
}
