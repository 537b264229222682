package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static starling.model.TinyQuestion.FOLDER;
import static starling.model.TinyQuestion.on;
import static starling.model.TinyQuestion.prefill;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.DeviceType;

/** Steps of several sequences: the bits of each alone, as they come, go and change places. */
class BatchTest {
  private static final List<String> METHODS =
      List.of("none", "fastv:K=2,keep=9", "fastervlm:keep=9", "star:R=0.5,K=2,P=0.9,kv=compact");
  private static final int TOKENS = 8;

  private static Generation question(LoadedModel model, int i) {
    return prefill(model, METHODS.get(i % METHODS.size()), Mode.COMPACT);
  }

  /** Logits of every token. */
  private static List<float[]> alone(LoadedModel model, int i) {
    var all = new ArrayList<float[]>();
    try (Generation generation = question(model, i)) {
      for (int token = 0; token < TOKENS; token++) {
        generation.next();
        all.add(generation.logits());
      }
    }
    return all;
  }

  private static void together(LoadedModel model, int n) {
    model.limitCache(1 << 28, 16);
    List<List<float[]>> expected =
        METHODS.stream().map(m -> alone(model, METHODS.indexOf(m))).toList();
    prefill(model, "none", Mode.COMPACT).close();
    var answers = new ArrayList<Generation>();
    try {
      for (int i = 0; i < n; i++) {
        answers.add(question(model, i));
        answers.getLast().first();
        assertArrayEquals(expected.get(i % 4).get(0), answers.getLast().logits(), "first of " + i);
      }
      for (int token = 1; token < TOKENS; token++) {
        for (List<Generation> group : Batch.groups(answers)) {
          model.batch().step(group);
          for (Generation one : group) {
            int i = answers.indexOf(one);
            assertArrayEquals(
                expected.get(i % 4).get(token), one.logits(), "token " + token + " of " + i);
          }
        }
      }
    } finally {
      answers.forEach(Generation::close);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 6, 7, 16, 19})
  void everyNumberOfSequencesHasTheBitsOfOne(int n) {
    on(FOLDER, (watched, model) -> together(model, n));
  }

  @ParameterizedTest
  @CsvSource({"F32, 5", "BF16, 2", "BF16, 16", "F16, 3"})
  void soItIsOnTheKernels(DType dtype, int n) {
    Native.needs(Native.HOST);
    VisionLanguageModel family = Families.read(FOLDER);
    try (NativeDevice device = NativeDevice.open(DeviceType.EMULATED);
        Safetensors files = Safetensors.open(FOLDER);
        var model = new LoadedModel(device, family, family.weights(files), dtype)) {
      together(model, n);
    }
  }

  /** They join between two steps, and who leaves gives its place to another. */
  @Test
  void whoComesAndGoesChangesNothingForTheOthers() {
    on(
        FOLDER,
        (watched, model) -> {
          model.limitCache(1 << 28, 16);
          List<float[]> expected = alone(model, 1);
          Generation steady = question(model, 1);
          steady.first();
          var others = new ArrayList<Generation>();
          for (int token = 1; token < TOKENS; token++) {
            if (token == 5) {
              others.removeFirst().close();
            } else {
              others.add(question(model, token));
              others.getLast().first();
            }
            var all = new ArrayList<Generation>(others);
            all.add(token % 3, steady);
            for (List<Generation> group : Batch.groups(all)) {
              model.batch().step(group);
              if (group.contains(steady)) {
                assertArrayEquals(expected.get(token), steady.logits(), "token " + token);
              }
            }
          }
          others.forEach(Generation::close);
          steady.close();
        });
  }

  @Test
  void logitsThatOthersHaveOverwrittenAreNotGiven() {
    on(
        FOLDER,
        (watched, model) -> {
          try (Generation one = question(model, 0);
              Generation two = question(model, 1)) {
            one.next();
            two.next();
            one.next();
            two.next();
            assertEquals(
                "other answers have stepped since these logits were made",
                assertThrows(IllegalStateException.class, one::logits).getMessage());
            assertEquals(503, two.logits().length);
          }
        });
  }

  @Test
  void placesAreOfFewNumbers() {
    int[] places = {1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16};
    for (int n = 1; n <= 16; n++) {
      assertEquals(places[n - 1], Batch.placesFor(n), n + " sequences");
    }
  }
}
