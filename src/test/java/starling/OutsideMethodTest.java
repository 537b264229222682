package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.PositionRule;
import starling.model.Mode;
import starling.prune.AttentionCut;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Queries;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** Methods of a program's own: handed over, and found on the class path and the module path. */
class OutsideMethodTest {
  @TempDir static Path dir;

  private static Model model;

  @BeforeAll
  static void open() {
    model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Question question() {
    return Question.of("What color is the heart?")
        .image(Demo.image("scene-00.png"))
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
          AttentionCut.vision(shape, Queries.CLS, shape.counts(group -> first)),
          new AttentionCut(
              CutSite.DECODER,
              k,
              Queries.LAST,
              shape.counts(group -> second),
              PositionRule.KEEP,
              false));
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
                () ->
                    new AttentionCut(
                        CutSite.DECODER, 4, Queries.CLS, List.of(9), PositionRule.KEEP, false))
            .getMessage()
            .startsWith("an AttentionCut at DECODER cannot go by CLS"));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new AttentionCut(
                CutSite.VISION, 4, Queries.TEXT, List.of(9), PositionRule.CONTIGUOUS, false));
  }

  /** Keeps those of the {@code most} best that receive more than the best one's {@code share}. */
  private record Relative(CutSite where, int layer, int most, float share)
      implements Method, CutPoint {
    @Override
    public String spec(VlmShape shape) {
      return "relative:most=" + most + ",share=" + share;
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public int kept(int group) {
      return most;
    }

    @Override
    public boolean counted() {
      return true;
    }

    @Override
    public PositionRule positions() {
      return PositionRule.KEEP;
    }

    @Override
    public void select(CutContext context, Selection out) {
      Queries queries = where == CutSite.DECODER ? Queries.TEXT : Queries.CLS;
      context.attention().select(context, out.keep(), out.score(), queries);
      float[] score = context.floats(out.score());
      float[] sorted = score.clone();
      Arrays.sort(sorted);
      float above = Math.max(sorted[score.length - most], share * sorted[score.length - 1]);
      int[] keep = IntStream.range(0, score.length).filter(j -> score[j] >= above).toArray();
      context.device().upload(out.keep().rows(0, keep.length), MemorySegment.ofArray(keep));
      context.device().upload(out.count(), MemorySegment.ofArray(new int[] {keep.length}));
    }
  }

  private static Question twoImages() {
    return Question.of("USER: <image>\n<image>\nWhat color is the heart? ASSISTANT:")
        .image(Demo.image("scene-00.png"))
        .image(Demo.image("scene-01.png"))
        .maxTokens(3)
        .logits(true);
  }

  /** A count that is known only when scores are: all else is as if it had been known before. */
  @ParameterizedTest
  @EnumSource(CutSite.class)
  void aCountMayBeDecidedAtRunTime(CutSite where) throws Exception {
    var method = new Relative(where, 4, 200, 0.2f);
    Answer own = model.ask(question().prune(method));
    int kept = own.stages().get(0).kept().size();
    assertTrue(kept > 1 && kept < 200, "kept " + kept);
    assertEquals(kept, own.visualTokens().afterStage2());
    Answer replayed = assertSameAsReplayed(own, question());
    if (where != CutSite.PROJECTOR_OUTPUT) { // where the projector has seen all
      assertEquals(replayed.flops(), own.flops());
    }
    Answer masked = model.ask(question().prune(method).mode(Mode.MASK));
    assertEquals(own.stages().get(0).kept(), masked.stages().get(0).kept());
    assertEquals(own.outputTokens(), masked.outputTokens());

    if (where != CutSite.DECODER) { // 1152 rows do not fit the context
      Answer two = model.ask(twoImages().prune(method));
      int first = two.stages().get(0).kept().size();
      int second = two.stages().get(1).kept().size();
      assertEquals(own.stages().get(0).kept(), two.stages().get(0).kept());
      assertNotEquals(first, second);
      assertEquals(first + second, two.visualTokens().afterStage1());
      assertSameAsReplayed(two, twoImages());
    }
  }

  private static Answer assertSameAsReplayed(Answer own, Question question) throws Exception {
    Path trace = dir.resolve("trace.json");
    Files.writeString(trace, new ObjectMapper().writeValueAsString(own));
    Answer replayed = model.ask(question.prune("replay:" + trace));
    assertEquals(replayed.firstLogits(), own.firstLogits());
    assertEquals(replayed.outputTokens(), own.outputTokens());
    assertEquals(replayed.tokensPerLayer(), own.tokensPerLayer());
    assertEquals(replayed.visualTokens(), own.visualTokens());
    assertEquals(replayed.kvBytes(), own.kvBytes());
    return replayed;
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
            Demo.image("scene-00.png").toString(),
            "What color is the heart?",
            "divprune:keep=56",
            "outliers:keep=300",
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
        outliers:keep=300 keeps VisualTokens[input=576, afterStage1=77, afterStage2=77]: cyan diamond
        none keeps VisualTokens[input=576, afterStage1=576, afterStage2=576]: yellow
        """;
    String path = Plugin.path(Plugin.libraries(), methods, program);
    assertEquals(answers, run(List.of("-cp", path), "example.program.Ask"));
    assertEquals(answers, run(List.of("-p", path, "-m"), "example.program/example.program.Ask"));
    String without = Plugin.path(Plugin.libraries(), program);
    String said = run(List.of("-p", without, "-m"), "example.program/example.program.Ask");
    assertTrue(said.contains("unknown method 'divprune'; known are "), said);
  }
}
