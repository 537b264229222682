package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.input.InputException;
import starling.model.Mode;

/** What pruning must keep true of the whole model, whatever the method. */
class PruningTest {
  /**
   * Masked and compact forms add the same numbers in another order and grouping: float32 rounding
   * through eight layers on logits of up to 10. Dropping other tokens moves the logits by far more,
   * which is asserted beside it.
   */
  private static final double SAME = 1e-3;

  private static final double DIFFERENT = 0.1;

  private static Model model;

  @BeforeAll
  static void open() {
    model = Model.open(Demo.MODEL);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Question question() {
    return Question.of("How many objects are there?")
        .image(Demo.image("scene-03.png"))
        .maxTokens(4)
        .logits(true);
  }

  private static Answer ask(String spec) {
    return model.ask(question().prune(spec));
  }

  private static double distance(Answer a, Answer b) {
    double max = 0;
    for (int i = 0; i < a.firstLogits().size(); i++) {
      max = Math.max(max, Math.abs(a.firstLogits().get(i) - b.firstLogits().get(i)));
    }
    return max;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0,P=0",
        "fastervlm:keep=576",
        "fastv:K=2,keep=576",
        "random:keep=576",
        "uniform:keep=1.0",
        "vispruner:keep=576",
        "star:R=0.0001,P=0,score=cls",
        "star:R=0,K=7,P=0.0001"
      })
  void keepingEverythingIsTheUnprunedModelBitForBit(String spec) {
    Answer dense = ask("none");
    Answer all = ask(spec);
    assertEquals(dense.firstLogits(), all.firstLogits());
    assertEquals(dense.outputTokens(), all.outputTokens());
    assertEquals(dense.tokensPerLayer(), all.tokensPerLayer());
    for (Answer.Stage stage : all.stages()) {
      assertEquals(576, stage.kept().size());
    }
  }

  @ParameterizedTest
  @CsvSource({"0.5, 288", "0.8, 115", "0.9, 58", "0.95, 29"})
  void starKeepsThePublishedCounts(String p, int kept) {
    Answer answer = ask("star:R=0.1,K=4,P=" + p);
    assertEquals(new Answer.VisualTokens(576, 518, kept), answer.visualTokens());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.1,K=4,P=0.9",
        "star:R=0.5,K=1,P=0.8,queries=last",
        "star:R=0.1,K=7,P=0.9,positions=compact",
        "star:R=0.1,K=4,P=0.9,kv=compact",
        "star:R=0.3,K=4,P=0.5,score=colmean_cls,base=remaining,round=ceil",
        "star:R=0.9,P=0,score=cls",
        "star:R=0,K=3,P=0.95",
        "fastv:K=2,keep=144",
        "fastervlm:keep=64",
        "vispruner:keep=58",
        "random:keep=64,seed=7",
        "uniform:keep=64"
      })
  void maskingEqualsCompactingAndBothDifferFromDense(String spec, @TempDir Path dir)
      throws IOException {
    Answer compact = ask(spec);
    Answer masked = model.ask(question().prune(spec).mode(Mode.MASK));
    Answer dense = ask("none");
    assertTrue(distance(compact, masked) < SAME, () -> "distance " + distance(compact, masked));
    assertEquals(compact.outputTokens(), masked.outputTokens());
    assertTrue(distance(compact, dense) > DIFFERENT);
    assertTrue(distance(masked, dense) > DIFFERENT);

    // The same set once more, read from the trace: a replay decides nothing itself.
    Path trace = dir.resolve("trace.json");
    Files.writeString(trace, new ObjectMapper().writeValueAsString(compact));
    Answer replayed = ask("replay:" + trace);
    Answer replayedMask = model.ask(question().prune("replay:" + trace).mode(Mode.MASK));
    assertTrue(distance(replayed, replayedMask) < SAME);
    for (int i = 0; i < compact.stages().size(); i++) {
      assertEquals(compact.stages().get(i).kept(), replayed.stages().get(i).kept());
      assertEquals(compact.stages().get(i).kept(), replayedMask.stages().get(i).kept());
      assertTrue(replayed.stages().get(i).scores().isEmpty());
    }
    boolean sameRules = !spec.contains("positions=compact") && !spec.contains("kv=compact");
    if (sameRules) {
      assertEquals(compact.firstLogits(), replayed.firstLogits());
    }
  }

  @Test
  void everyLayersCacheHoldsTheRowsThatEnteredIt() {
    int text = 590 - 576 + ask("none").promptTokens().size() - 15;
    for (int k : new int[] {1, 4, 7}) {
      Answer answer = ask("star:R=0.1,K=" + k + ",P=0.9");
      var rows = new ArrayList<Integer>();
      for (int l = 0; l < 8; l++) {
        rows.add(text + (l < k ? 518 : 58));
      }
      assertEquals(rows, answer.tokensPerLayer());
      long bytesPerRow = 2 * 4 * 32 * 4;
      assertEquals(bytesPerRow * rows.stream().mapToInt(r -> r).sum(), answer.kvBytes().pruned());
      assertEquals(bytesPerRow * 8 * (text + 576), answer.kvBytes().dense());
      assertTrue(answer.kvReservedBytes() >= answer.kvBytes().pruned());
    }
    Answer compacted = ask("star:R=0.1,K=4,P=0.9,kv=compact");
    assertEquals(2 * 4 * 32 * 4 * 8L * (text + 58), compacted.kvBytes().pruned());
  }

  @Test
  void everyOptionIsNamedInTheReport() {
    assertEquals(
        "star:R=0.1,K=4,P=0.95,score=colmean,queries=text,base=original,round=nearest,positions=keep,kv=full",
        ask("star").pruneOptions());
    assertEquals("fastv:K=2,keep=9", ask("fastv:keep=9").pruneOptions());
    assertEquals("vispruner:keep=0.25,important=0.5", ask("vispruner:keep=0.25").pruneOptions());
    assertEquals("random:keep=9,seed=0", ask("random:keep=9").pruneOptions());
  }

  @Test
  void keptPatchesAscendAndStage2ChoosesAmongStage1() {
    Answer answer = ask("star:R=0.1,K=4,P=0.9");
    List<Integer> first = answer.stages().get(0).kept();
    List<Integer> second = answer.stages().get(1).kept();
    assertEquals(first.stream().sorted().distinct().toList(), first);
    assertEquals(second.stream().sorted().distinct().toList(), second);
    assertTrue(first.containsAll(second));
    assertEquals(576, answer.stages().get(0).scores().size());
    assertEquals(518, answer.stages().get(1).scores().size());
  }

  @Test
  void scoresOfStage1AreAMeanOverProbabilities() {
    // All 576 patch rows put at most their whole mass on patches; the rest goes to CLS.
    double mass = ask("star:R=0.1,P=0").stages().get(0).scores().stream().mapToDouble(s -> s).sum();
    assertTrue(mass > 0.5 && mass < 1, () -> "mass " + mass);
  }

  @Test
  void anOddResidualOfVisPrunerKeepsTheAskedNumber() {
    for (int keep : new int[] {29, 58, 115, 128}) {
      for (String important : List.of("0.5", "0.7", "0.75", "0.9", "1", "0")) {
        assertEquals(
            keep,
            ask("vispruner:keep=" + keep + ",important=" + important)
                .stages()
                .get(0)
                .kept()
                .size());
      }
    }
  }

  @Test
  void visPrunerOfAttentionAloneIsFasterVlm() {
    assertEquals(
        ask("fastervlm:keep=64").stages().get(0).kept(),
        ask("vispruner:keep=64,important=1").stages().get(0).kept());
  }

  @Test
  void randomDependsOnSeedOnlyAndUniformIsEvenlySpaced() {
    var seven = ask("random:keep=64,seed=7").stages().get(0).kept();
    assertEquals(seven, ask("random:keep=64,seed=7").stages().get(0).kept());
    assertNotEquals(seven, ask("random:keep=64,seed=8").stages().get(0).kept());
    var uniform = ask("uniform:keep=64").stages().get(0).kept();
    for (int i = 0; i < 64; i++) {
      assertEquals((int) ((i + 0.5) * 576 / 64), uniform.get(i));
    }
  }

  @Test
  void withoutAnImageEverySpecActsAsNone() {
    Answer plain = model.ask(Question.of("Hello").maxTokens(3).logits(true));
    Answer star =
        model.ask(Question.of("Hello").maxTokens(3).logits(true).prune("star:R=0.1,K=4,P=0.9"));
    assertEquals(plain.firstLogits(), star.firstLogits());
    assertEquals(new Answer.VisualTokens(0, 0, 0), star.visualTokens());
    assertTrue(star.stages().isEmpty());
    assertEquals(0, star.flops().reduction());
  }

  @Test
  void severalImagesArePrunedEachForItself() {
    String prompt = "USER: <image>\n<image>\nWhat color is the heart? ASSISTANT:";
    // Two images of 576 rows do not fit the context of 1024; after stage 1 they do.
    var both =
        Question.of(prompt)
            .image(Demo.image("scene-00.png"))
            .image(Demo.image("scene-01.png"))
            .maxTokens(2);
    assertThrows(InputException.class, () -> model.ask(both.prune("none")));
    assertThrows(
        InputException.class, () -> model.ask(both.prune("star:R=0.5,K=4,P=0.9").mode(Mode.MASK)));
    both.mode(Mode.COMPACT);
    Answer answer = model.ask(both.prune("star:R=0.5,K=4,P=0.9"));
    assertEquals(new Answer.VisualTokens(1152, 576, 116), answer.visualTokens());
    assertEquals(4, answer.stages().size());
    for (int image = 0; image < 2; image++) {
      Answer alone =
          model.ask(
              Question.of("Is there a red circle?")
                  .image(Demo.image("scene-0" + image + ".png"))
                  .prune("star:R=0.5,K=4,P=0.9")
                  .maxTokens(1));
      // Stage 1 looks at an image alone, whatever the prompt.
      assertEquals(alone.stages().get(0).kept(), answer.stages().get(image).kept());
      assertEquals(image, answer.stages().get(image).image());
    }
    Answer masked = model.ask(both.prune("random:keep=64").mode(Mode.COMPACT));
    assertNotEquals(masked.stages().get(0).kept(), masked.stages().get(1).kept());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "star:R=0.9,P=0.5 | R=0.9 must be smaller than P=0.5",
        "star:K=8,P=0.5 | K=8 must be at least 1 and below the model's 8 decoder layers",
        "star:R=0.9999,P=0 | R=0.9999 keeps 0 of 576",
        "fastervlm:keep=577 | keep=577 is 577 of the 576 visual tokens",
        "fastervlm:keep=0 | keep=0 must be a whole number of at least 1",
        "fastervlm:keep=0.0001 | is 0 of the 576 visual tokens",
        "fastervlm | keep is missing",
        "fastv:keep=5,K=0 | K=0 must be a whole number of at least 1",
        "star:R=1 | R=1 must be at least 0 and below 1",
        "star:R=x | R=x is not a number",
        "star:R=0.1,R=0.2 | 'R' is given twice",
        "star:score=sum | score=sum must be one of cls, colmean, colmean_cls",
        "none:x=1 | unknown option 'x'; none takes none",
        "nonsense | unknown method 'nonsense'",
        "star: | '' is not key=value",
        "replay: | replay needs the file of a trace",
        "replay:no-such-file | no-such-file: there is no such file",
      })
  void refusesWhatDoesNotFitInOneSentence(String spec, String part) {
    String message = assertThrows(InputException.class, () -> ask(spec)).getMessage();
    assertTrue(message.contains(part), message);
    assertEquals(1, message.lines().count());
  }

  @Test
  void aReplayThatDoesNotFitIsRefused(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("t.json");
    String stage = "{\"stage\":%d,\"image\":0,\"layer\":%d,\"kept\":[%s]}";
    for (String stages :
        List.of(
            stage.formatted(1, 4, "3,2"),
            stage.formatted(1, 4, "2,2"),
            stage.formatted(1, 4, "576"),
            stage.formatted(2, 8, "1"),
            stage.formatted(1, 4, "1,2") + "," + stage.formatted(2, 4, "1,3"),
            stage.formatted(1, 4, ""))) {
      Files.writeString(file, "{\"stages\":[" + stages + "]}");
      String message = assertThrows(InputException.class, () -> ask("replay:" + file)).getMessage();
      assertTrue(message.startsWith(file.toString()), message);
    }
    Files.writeString(file, "{");
    assertThrows(InputException.class, () -> ask("replay:" + file));
  }

  @Test
  void aStageThatNeedsTextBehindTheImageSaysSo() {
    var question =
        Question.of("What is this? <image>").image(Demo.image("scene-00.png")).prune("star:P=0.9");
    String message = assertThrows(InputException.class, () -> model.ask(question)).getMessage();
    assertTrue(message.contains("no text after its last image"), message);
    model.ask(question.prune("star:P=0.9,queries=last").maxTokens(1));
  }
}
