package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.device.PositionRule;
import starling.model.Mode;
import starling.prune.AttentionCut;
import starling.prune.CutPoint;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Queries;
import starling.prune.VlmShape;
import starling.prune.Where;

/** Methods of a program's own: handed over, and found on the class path and the module path. */
class OutsideMethodTest {
  @TempDir static Path dir;

  private static Model model;

  @BeforeAll
  static void open() {
    model = Model.open(Demo.MODEL, "cpu", "f32");
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Question question() {
    return Question.of("What color is the heart?")
        .image(Demo.picture("scene-00.png"))
        .maxTokens(3)
        .logits(true);
  }

  /** FastV, and FasterVLM before it. */
  private record Both(int first, int k, int second) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return "both:first=" + first + ",K=" + k + ",second=" + second;
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(
          AttentionCut.vision(shape, Queries.CLS, first),
          new AttentionCut(Where.DECODER, k, Queries.LAST, second, PositionRule.KEEP, false));
    }
  }

  @Test
  void aMethodIsHandedOver() {
    Answer own = model.ask(question().prune(new Both(300, 4, 57)));
    assertEquals("both:first=300,K=4,second=57", own.prune());
    assertEquals(own.prune(), own.pruneOptions());
    assertEquals(new Answer.VisualTokens(576, 300, 57), own.visualTokens());
    assertTrue(own.flops().reduction() > 0.3);
    assertTrue(own.timingsMs().prune() > 0);
    assertEquals(300, own.stages().get(1).scores().size());
    Answer masked = model.ask(question().prune(new Both(300, 4, 57)).mode(Mode.MASK));
    assertEquals(own.outputTokens(), masked.outputTokens());
    assertEquals(own.stages().get(1).kept(), masked.stages().get(1).kept());
  }

  @Test
  void aMethodOfTheListIsTheSameHandedOverOrNamed() {
    String spec = "star:R=0.1,K=4,P=0.9";
    Answer named = model.ask(question().prune(spec));
    Answer handed = model.ask(question().prune(new Both(1, 1, 1)).prune(Methods.parse(spec)));
    assertEquals(named.firstLogits(), handed.firstLogits());
    assertEquals(named.pruneOptions(), handed.prune());
    // What was said last counts.
    Answer again = model.ask(question().prune(new Both(1, 1, 1)).prune(spec));
    assertEquals(spec, again.prune());
    assertEquals(named.firstLogits(), again.firstLogits());
  }

  @Test
  void whatAMethodThrowsComesOutAsItIsAndTheModelStaysUsable() {
    var own = new UnsupportedOperationException("later");
    var throwing =
        new Method() {
          @Override
          public String spec(VlmShape shape) {
            return "throwing";
          }

          @Override
          public List<CutPoint> cuts(VlmShape shape) {
            throw own;
          }
        };
    var thrown =
        assertThrows(
            UnsupportedOperationException.class, () -> model.ask(question().prune(throwing)));
    assertSame(own, thrown);
    assertEquals("yellow", model.ask(question()).text());
  }

  @Test
  void attentionThatIsNotThereIsRefused() {
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> new AttentionCut(Where.DECODER, 4, Queries.CLS, 9, PositionRule.KEEP, false))
            .getMessage()
            .startsWith("an AttentionCut at DECODER cannot go by CLS"));
    assertThrows(
        IllegalArgumentException.class,
        () -> AttentionCut.vision(new VlmShape(576, 4, 8, 1, 9), Queries.TEXT, 9));
  }

  // ---- in programs of their own ----

  private static String run(List<String> options, String main) throws Exception {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.add(main);
    command.addAll(
        List.of(
            Demo.MODEL.toString(),
            Demo.picture("scene-00.png").toString(),
            "What color is the heart?",
            "divprune:keep=56",
            "none"));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return said;
  }

  /** A program names a method by its spec and knows no class of it. */
  @Test
  void aMethodIsFoundOnTheClassPathAndOnTheModulePath() throws Exception {
    Path methods = Plugin.jar("methods", dir);
    Path program = Plugin.jar("program", dir);
    String answers =
        """
        divprune:keep=56 keeps VisualTokens[input=576, afterStage1=56, afterStage2=56]: cyan
        none keeps VisualTokens[input=576, afterStage1=576, afterStage2=576]: yellow
        """;
    String path = Plugin.path(Plugin.libraries(), methods, program);
    assertEquals(answers, run(List.of("-cp", path), "example.program.Ask"));
    assertEquals(answers, run(List.of("-p", path, "-m"), "example.program/example.program.Ask"));
    String without = Plugin.path(Plugin.libraries(), program);
    String said = run(List.of("-p", without, "-m"), "example.program/example.program.Ask");
    assertTrue(said.contains("unknown method 'divprune'; known are fastervlm, fastv"), said);
  }
}
