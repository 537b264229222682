package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Demo;
import starling.Plugin;

/** {@code --plugins}: a method from a jar has all that the built-in ones have. */
class PluginsTest {
  private static final String SPEC = "divprune:keep=56";

  @TempDir static Path dir;

  private static Path jar;

  @BeforeAll
  static void compile() throws Exception {
    jar = Plugin.jar("methods", dir);
  }

  private static CommandLineTest.Result run(String... args) {
    return CommandLineTest.run(new byte[0], args);
  }

  private static JsonNode ask(Object plugins, String spec, String... more) {
    var args =
        new ArrayList<>(
            List.of(
                "--plugins",
                plugins.toString(),
                "run",
                "--json",
                "--logits",
                "--model",
                Demo.MODEL.toString(),
                "--image",
                Demo.image("scene-00.png").toString(),
                "--prompt",
                "What color is the heart?",
                "--prune",
                spec));
    args.addAll(Arrays.asList(more));
    return run(args.toArray(String[]::new)).json();
  }

  @Test
  void theReportTheTraceAndTheOverlayHaveIt() throws Exception {
    Path trace = dir.resolve("trace.json");
    Path overlay = dir.resolve("kept.png");
    JsonNode own = ask(jar, SPEC, "--trace", "" + trace, "--overlay", "" + overlay);
    assertEquals(SPEC, own.get("prune").asText());
    assertEquals(SPEC, own.get("prune_options").asText());
    assertEquals(56, own.at("/visual_tokens/after_stage1").asInt());
    assertEquals(70, own.at("/tokens_per_layer/0").asInt());
    assertTrue(own.at("/flops/reduction").asDouble() > 0.7);
    assertTrue(own.at("/timings_ms/prune").asDouble() > 0);
    assertTrue(own.at("/kv_bytes/pruned").asLong() < own.at("/kv_bytes/dense").asLong() / 8);
    JsonNode stage = own.at("/stages/0");
    assertEquals("projector", stage.get("where").asText());
    assertEquals(56, stage.get("kept").size());

    JsonNode masked = ask(jar, SPEC, "--mode", "mask");
    assertEquals(stage.get("kept"), masked.at("/stages/0/kept"));
    assertEquals(own.get("output_tokens"), masked.get("output_tokens"));
    assertEquals(590, masked.at("/tokens_per_layer/0").asInt());

    assertEquals(own.get("stages"), new ObjectMapper().readTree(trace.toFile()).get("stages"));
    JsonNode replayed = ask(jar, "replay:" + trace); // needs no plugin, and minds none
    assertEquals(own.get("first_logits"), replayed.get("first_logits"));

    BufferedImage png = ImageIO.read(overlay.toFile());
    for (int patch = 0; patch < 576; patch++) {
      int cell = png.getWidth() / 24;
      int rgb = png.getRGB(patch % 24 * cell + cell / 2, patch / 24 * cell + cell / 2);
      boolean dark = Math.max(Math.max(rgb >> 16 & 255, rgb >> 8 & 255), rgb & 255) < 32;
      boolean kept = stage.get("kept").toString().matches(".*[\\[,]" + patch + "[\\],].*");
      assertEquals(!kept, dark, "patch " + patch);
    }
  }

  @Test
  void inspectCountsBeforeAnythingRuns() {
    var inspect = List.of("inspect", Demo.MODEL.toString(), "--json", "--prune", SPEC);
    var args = new ArrayList<>(inspect);
    args.addAll(List.of("--plugins", jar.toString())); // behind the command as well
    JsonNode report = run(args.toArray(String[]::new)).json();
    assertEquals(96, report.at("/tokens_per_layer/7").asInt());
    assertEquals(56, report.at("/visual_tokens/after_stage2").asInt());
    // It is there as long as it was asked for.
    assertSays(2, "unknown method 'divprune'", inspect.toArray(String[]::new));
  }

  @Test
  void aCountThatIsDecidedAtRunTimeIsInTheReport() {
    JsonNode own = ask(jar, "outliers:keep=300");
    assertEquals(77, own.at("/visual_tokens/after_stage1").asInt());
    assertEquals(91, own.at("/tokens_per_layer/0").asInt());
    assertEquals(576, own.at("/stages/0/scores").size());
    assertTrue(own.at("/stages/0/counted").asBoolean());
    String text =
        run("inspect", "" + Demo.MODEL, "--prune", "outliers:keep=300", "--plugins", "" + jar)
            .out();
    assertTrue(text.contains("outliers:keep=300; it decides how many stay when it runs, below is"));
    assertTrue(text.contains("576 visual, 300 after stage 1"), text);
    assertEquals(20, ask(jar, "outliers:keep=20").at("/stages/0/kept").size());
  }

  @Test
  void anotherDeviceTakesItToo() {
    starling.cuda.Native.needs(starling.cuda.Native.HOST);
    var device = List.of("--device", "emulated", "--dtype", "f32", "--max-tokens", "2");
    JsonNode emulated = ask(jar, SPEC, device.toArray(String[]::new));
    assertEquals(ask(jar, SPEC).at("/stages/0/kept"), emulated.at("/stages/0/kept"));
  }

  // ---- mistakes ----

  private static void assertSays(int status, String part, String... args) {
    var result = run(args);
    assertEquals(status, result.status(), result.err());
    assertTrue(result.err().contains(part), result.err());
    assertEquals(1, result.err().lines().count(), result.err());
    assertEquals("", result.out());
  }

  private static void assertSays(int status, String part, Object plugins, String spec) {
    assertSays(
        status,
        part,
        "--plugins",
        plugins.toString(),
        "run",
        "--device",
        "cpu",
        "--model",
        Demo.MODEL.toString(),
        "--image",
        Demo.image("scene-00.png").toString(),
        "--prompt",
        "x",
        "--prune",
        spec);
  }

  @Test
  void aPluginThatIsNotThereOrIsNoneIsOneSentence() throws Exception {
    Path text = Files.writeString(dir.resolve("text.jar"), "not a jar");
    Path empty = Files.createDirectories(dir.resolve("empty"));
    assertSays(1, "/absent.jar: there is no such file", dir.resolve("absent.jar"), SPEC);
    assertSays(1, "text.jar: cannot be read as a jar (", jar + ":" + text, SPEC);
    assertSays(1, "a name missing between its colons", jar + ":", SPEC);
    assertSays(1, "a name missing", "", SPEC);
    assertSays(1, "empty: has no method; the class of its MethodProvider must", empty, SPEC);
    assertSays(2, "unknown option 'x'; divprune knows budget, keep", jar, SPEC + ",x=1");
    assertSays(1, "divprune: keep=577 is 577 of the 576", jar, "divprune:keep=577");
    assertSays(2, "Missing required parameter for option '--plugins'", "--plugins");
  }

  @Test
  void aProviderThatIsNotThereIsOneSentence() throws Exception {
    Path absent = dir.resolve("no");
    Plugin.services(absent, "no.such.Provider");
    assertSays(1, "Provider no.such.Provider not found; mend its jar", absent, "none");
    Path other = Plugin.provider("Other", "public class Other {}", dir);
    assertSays(1, "Other not a subtype", other, "none");
    Path cut = Plugin.provider("Cut", "public class Cut {}", dir);
    Path file = cut.resolve("Cut.class");
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 60));
    assertSays(1, "cannot be loaded (java.lang.ClassFormatError", cut, "none");
  }

  /** What it says of a class that is made, named and asked for a method. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "Made       | throw new IllegalStateException(); | return 'x';       | return null;         | Provider Made could not be instantiated (java.lang.IllegalState",
        "Unnamed    |                                    | throw null;       | return null;         | Unnamed failed (java.lang.NullPointerException",
        "Null       |                                    | return null;      | return null;         | Null calls its method 'null'; a name is letters, digits",
        "Colon      |                                    | return 'a:b';     | return null;         | Colon calls its method 'a:b'; a name is letters, digits",
        "Star       |                                    | return 'star';    | return null;         | Star calls its method 'star', and so does starling.prune.Star;",
        "Replay     |                                    | return 'replay';  | return null;         | Replay calls its method 'replay', and so does starling.prune.Replay;",
        "Second     |                                    | return 'divprune';| return null;         | Second calls its method 'divprune', and so does example.methods.DivPrune$Provider;",
        "NoMethod   |                                    | return 'x';       | return null;         | NoMethod makes no method of 'x'",
        "Parse      |                                    | return 'x';       | throw new Error('?');| Parse failed (java.lang.Error: ?); it came by --plugins, and --debug shows",
        "Option     |                                    | return 'x';       | throw spec.wrong('no');| pruning spec 'x': no (see"
      })
  void aProviderThatCannotBeUsedIsNamed(
      String name, String made, String named, String parse, String part) throws Exception {
    String source =
        """
        import starling.prune.*;
        public class %1$s implements MethodProvider {
          public %1$s() { if (true) { %2$s } }
          public String name() { %3$s }
          public Method parse(Spec spec) { %4$s }
        }
        """
            .formatted(name, made == null ? "" : made, named, parse)
            .replace('\'', '"');
    Path classes = Plugin.provider(name, source, dir);
    assertSays(name.equals("Option") ? 2 : 1, part, jar + ":" + classes, "x");
  }

  /** What it says of cuts that cannot be made. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "null                                                   | odd: a cut is null",
        "java.util.Arrays.asList(at(VISION, 4, 9), null)        | odd: a cut is null",
        "List.of(at(null, 4, 9))                                | odd: a cut says no place",
        "List.of(at(VISION, 4, 0))                              | odd: a cut at VISION keeps 0 of the 576 visual tokens of image 0",
        "List.of(at(VISION, 4, 577))                            | odd: a cut at VISION keeps 577 of the 576",
        "List.of(at(DECODER, 0, 9))                             | odd: a cut in the decoder behind 0 layers; it must be at least 1",
        "List.of(at(DECODER, 8, 9))                             | odd: a cut in the decoder behind 8 layers; it must be at least 1 and below the model's 8",
        "List.of(at(DECODER, 3, 9), at(DECODER, 3, 8))          | odd: a cut at DECODER behind 3 comes after one at DECODER behind 3",
        "List.of(at(DECODER, 3, 9), at(VISION, 4, 8))           | odd: a cut at VISION comes after one at DECODER behind 3;",
        "List.of(FixedCut.beforeProjector(shape, List.of()))    | odd: a cut at PROJECTOR_INPUT has no count for group 0 of 1",
        "List.of(FixedCut.beforeProjector(shape, List.of(new int[] {9, 576}))) | keep[1] is 576; it must be at least 0 and below 576; look first at what the method",
        "List.of(at(VISION, 4, 9), at(VISION, 4, 10))           | would keep 10 visual tokens, but only 9 are left"
      })
  void aCutThatCannotBeMadeIsOneSentence(String cuts, String part) throws Exception {
    String source =
        """
        import java.util.List;
        import starling.device.PositionRule;
        import starling.prune.*;
        import static starling.prune.CutSite.*;
        public class Odd implements MethodProvider, Method {
          public String name() { return "odd"; }
          public Method parse(Spec spec) { return this; }
          public String spec(VlmShape shape) { return "odd"; }
          static CutPoint at(CutSite where, int layer, int count) {
            Queries rows = where == DECODER ? Queries.LAST : Queries.CLS;
            return where == null
                ? new FixedCut(where, layer, List.of(new int[count]), PositionRule.KEEP)
                : new AttentionCut(where, layer, rows, List.of(count), PositionRule.KEEP, false);
          }
          public List<CutPoint> cuts(VlmShape shape) { return %s; }
        }
        """
            .formatted(cuts);
    Path classes = Plugin.provider("Odd", source, Files.createTempDirectory(dir, "odd"));
    assertSays(1, part, classes, "odd");
  }

  @Test
  void aMethodThatFailsIsNamed() throws Exception {
    String source =
        """
        import java.util.List;
        import starling.prune.*;
        public class Fails implements MethodProvider, Method, CutPoint {
          private String where;
          public String name() { return "fails"; }
          public Method parse(Spec spec) { where = spec.text("in", "select"); return this; }
          public String spec(VlmShape shape) { return "fails"; }
          public List<CutPoint> cuts(VlmShape shape) { return where.equals("cuts") ? List.<CutPoint>of().subList(9, 9) : List.of(this); }
          public CutSite where() { return CutSite.PROJECTOR_OUTPUT; }
          public int layer() { return 4; }
          public int kept(int group) { return 9; }
          public void select(CutContext context, Selection out) { context.device().gatherRows(List.of(out.score()), List.of(out.score()), out.keep()); }
        }
        """;
    Path classes = Plugin.provider("Fails", source, dir);
    assertSays(1, "Fails failed (java.lang.IndexOutOfBounds", classes, "fails:in=cuts");
    assertSays(1, "Fails failed (java.lang.IllegalArgumentException: out: score", classes, "fails");
  }
}
