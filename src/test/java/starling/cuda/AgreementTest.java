package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Answer;
import starling.Checkout;
import starling.Demo;
import starling.Model;
import starling.Question;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.device.Sampling;
import starling.model.Mode;

/**
 * The whole model on the emulated device beside the cpu device: prefill and decode, compact and
 * masked, f32 and bf16.
 *
 * <p>In f32 the two devices add the same products in another order: kept sets are equal except for
 * candidates whose score lies within {@link #NEAR} of the cut, and with one kept set logits agree
 * within {@link #F32} and tokens are equal. VisPruner is the exception: its rounds sort by cosines,
 * and one pair that lies closer than float32 can tell reorders all that follows, so its overlap is
 * reported and its logits are compared with the cpu device's set replayed (its bookkeeping is
 * tested exactly in the operators' tests, on Gram matrices that are exact).
 *
 * <p>In bf16 every rounding may fall the other way, so kept sets are replayed and the measure is
 * the error that bf16 itself makes: the emulated device may be at most twice as far from the cpu
 * device in f32 as the cpu device in bf16 is.
 */
class AgreementTest {
  private static final double F32 = 1e-4; // logits of up to 10 through eight layers; 8e-6 seen
  private static final double NEAR = 1e-5; // relative, what a score may err by in f32
  private static final List<String> SPECS =
      List.of(
          "none",
          "random:keep=58,seed=7",
          "uniform:keep=58",
          "star:R=0.1,K=4,P=0.9",
          "star:R=0.5,K=3,P=0.9,kv=compact,queries=last",
          "star:R=0.3,P=0,score=cls",
          "fastv:K=2,keep=144",
          "fastervlm:keep=58",
          "vispruner:keep=58");

  private static Model cpu32;
  private static Model cpu16;
  private static Model native32;
  private static Model native16;

  @TempDir static Path dir;

  @BeforeAll
  static void open() {
    Native.needsDevice();
    cpu32 = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32);
    cpu16 = Model.open(Demo.MODEL, DeviceType.CPU, DType.BF16);
    native32 = Model.open(Demo.MODEL, Native.DEVICE, DType.F32, Providers.OWN);
    native16 = Model.open(Demo.MODEL, Native.DEVICE, DType.BF16, Providers.OWN);
  }

  @AfterAll
  static void close() {
    for (Model model : new Model[] {cpu32, cpu16, native32, native16}) {
      if (model != null) {
        model.close();
      }
    }
  }

  /** Pictures whose logits are compared; methods choose by the first. */
  private static final List<String> SCENES =
      List.of("scene-03.png", "scene-05.png", "scene-07.png");

  private static Answer ask(Model model, String spec, Mode mode) {
    return ask(model, spec, mode, SCENES.get(0));
  }

  private static Answer ask(Model model, String spec, Mode mode, String scene) {
    return model.ask(
        Question.of("How many objects are there?")
            .image(Demo.image(scene))
            .maxTokens(8)
            .logits(true)
            .mode(mode)
            .prune(spec));
  }

  private static double distance(Answer a, Answer b) {
    assertEquals(a.firstLogits().size(), b.firstLogits().size());
    double max = 0;
    for (int i = 0; i < a.firstLogits().size(); i++) {
      double d = Math.abs(a.firstLogits().get(i) - b.firstLogits().get(i));
      max = d <= max ? max : d; // NaN sticks
    }
    return max;
  }

  private static Set<Integer> different(Answer.Stage a, Answer.Stage b) {
    var difference = new HashSet<>(a.kept());
    b.kept()
        .forEach(
            i -> {
              if (!difference.remove(i)) {
                difference.add(i);
              }
            });
    return difference;
  }

  /** Every candidate that only one device kept lies within a stated distance of the cut. */
  private static int nearCut(Answer expected, Answer actual) {
    int all = 0;
    for (int s = 0; s < expected.stages().size(); s++) {
      Answer.Stage e = expected.stages().get(s);
      Answer.Stage a = actual.stages().get(s);
      Set<Integer> difference = different(e, a);
      all += difference.size();
      if (!difference.isEmpty()) {
        List<Integer> candidates =
            s == 0 ? null : expected.stages().get(s - 1).kept(); // patches behind the scores
        double cut = Double.POSITIVE_INFINITY;
        for (int i = 0; i < e.scores().size(); i++) {
          if (e.kept().contains(candidates == null ? i : candidates.get(i))) {
            cut = Math.min(cut, e.scores().get(i));
          }
        }
        for (int i = 0; i < e.scores().size(); i++) {
          if (difference.contains(candidates == null ? i : candidates.get(i))) {
            assertTrue(Math.abs(e.scores().get(i) - cut) <= NEAR * cut, e.where() + " patch " + i);
          }
        }
      }
    }
    return all;
  }

  private static String replay(Answer answer, String name) throws IOException {
    Path trace = dir.resolve(name + ".json");
    Files.writeString(trace, new ObjectMapper().writeValueAsString(answer));
    return "replay:" + trace;
  }

  private static int overlap(Answer a, Answer b) {
    Answer.Stage x = a.stages().getLast();
    Answer.Stage y = b.stages().getLast();
    return x.kept().size() - different(x, y).size() / 2;
  }

  @Test
  void everyMethodInBothTypesAndModes() throws IOException {
    var table = new ArrayList<String>();
    table.add(
        String.format(
            Locale.ROOT,
            "%-44s %-7s %9s %11s %9s %11s %9s",
            "prune",
            "mode",
            "f32 kept",
            "f32 logits",
            "bf16 kept",
            "bf16 logits",
            "cpu bf16"));
    double[] sums = new double[2]; // of ours, of the cpu device's
    for (String spec : SPECS) {
      for (Mode mode : Mode.values()) {
        table.add(compare(spec, mode, sums));
      }
    }
    // All rows together are known better than one, and held closer.
    assertTrue(sums[0] <= 1.25 * sums[1], "bf16: " + sums[0] + ", the cpu device " + sums[1]);
    String text = String.join("\n", table) + "\n";
    Files.createDirectories(Checkout.path("target"));
    Files.writeString(Checkout.path("target/agreement.txt"), text);
    System.out.println(text);
  }

  private static String compare(String spec, Mode mode, double[] sums) throws IOException {
    boolean decided = spec.startsWith("vispruner");
    Answer e = ask(cpu32, spec, mode);
    Answer a = ask(native32, spec, mode);
    assertEquals(e.visualTokens(), a.visualTokens());
    assertEquals(e.tokensPerLayer(), a.tokensPerLayer());
    int near = decided ? 0 : nearCut(e, a);
    boolean pruned = !e.stages().isEmpty();
    // A replay keeps positions and the cache as its own options say, so the set is replayed on both
    // sides.
    String again = pruned ? replay(e, "set") : "none";
    boolean same = !decided && near == 0;
    Answer e32 = same ? e : ask(cpu32, again, mode);
    Answer a32 = same ? a : ask(native32, again, mode);
    double f32 = distance(e32, a32);
    assertTrue(f32 <= F32, spec + " " + mode + ": f32 logits differ by " + f32);
    assertEquals(e32.outputTokens(), a32.outputTokens(), spec + " " + mode);

    Answer a16 = ask(native16, spec, mode);
    double ours = 0;
    double unavoidable = 0;
    for (String scene : SCENES) { // the largest distance of one picture is one draw of rounding
      Answer reference = ask(cpu32, again, mode, scene);
      ours += distance(reference, ask(native16, again, mode, scene)) / SCENES.size();
      unavoidable += distance(reference, ask(cpu16, again, mode, scene)) / SCENES.size();
    }
    sums[0] += ours;
    sums[1] += unavoidable;
    assertTrue(
        ours <= 2 * unavoidable,
        spec
            + " "
            + mode
            + ": bf16 logits differ by "
            + ours
            + ", the cpu device's by "
            + unavoidable);
    return String.format(
        Locale.ROOT,
        "%-44s %-7s %9s %11.1e %9s %11.2f %9.2f",
        spec,
        mode.name().toLowerCase(Locale.ROOT),
        pruned ? overlap(e, a) + "/" + e.stages().getLast().kept().size() : "",
        f32,
        pruned ? overlap(e, a16) + "/" + e.stages().getLast().kept().size() : "",
        ours,
        unavoidable);
  }

  /** Scores, selection and gather run, and leave every bit as it was. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0,P=0",
        "star:R=0.0001,P=0,score=cls",
        "star:R=0,K=7,P=0.0001",
        "fastervlm:keep=576",
        "fastv:K=2,keep=576",
        "vispruner:keep=576"
      })
  void keepingEverythingIsTheUnprunedModelBitForBit(String spec) {
    for (Model model : List.of(native32, native16)) {
      Answer dense = ask(model, "none", Mode.COMPACT);
      Answer all = ask(model, spec, Mode.COMPACT);
      assertEquals(dense.firstLogits(), all.firstLogits());
      assertEquals(dense.outputTokens(), all.outputTokens());
    }
  }

  /** One kept set, moved or hidden: the same answer; and neither is the unpruned one. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.1,K=4,P=0.9",
        "star:R=0.5,K=3,P=0.9,kv=compact",
        "fastv:K=2,keep=144",
        "random:keep=58"
      })
  void maskedEqualsCompacted(String spec) {
    Answer compact = ask(native32, spec, Mode.COMPACT);
    Answer mask = ask(native32, spec, Mode.MASK);
    assertEquals(compact.stages().getLast().kept(), mask.stages().getLast().kept());
    assertTrue(distance(compact, mask) <= F32);
    assertEquals(compact.outputTokens(), mask.outputTokens());
    assertTrue(distance(compact, ask(native32, "none", Mode.COMPACT)) > 1000 * F32);
  }

  @Test
  void aSeededRunDrawsTheSameTokens() {
    for (long seed : new long[] {1, 2, 3}) {
      var question =
          Question.of("Describe the image.")
              .image(Demo.image("scene-05.png"))
              .maxTokens(12)
              .sampling(new Sampling(0.8f, 0, 1, seed))
              .prune("star:R=0.1,K=4,P=0.9");
      Answer e = cpu32.ask(question);
      Answer a = native32.ask(question);
      assertEquals(e.outputTokens(), a.outputTokens());
    }
  }
}
