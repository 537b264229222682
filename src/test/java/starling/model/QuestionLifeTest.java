package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.model.TinyQuestion.DRAWN;
import static starling.model.TinyQuestion.FOLDER;
import static starling.model.TinyQuestion.OF_THE_MODEL;
import static starling.model.TinyQuestion.on;
import static starling.model.TinyQuestion.prefill;
import static starling.model.TinyQuestion.request;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.input.InputException;
import starling.model.Request.Progress;
import starling.prune.Methods;

/**
 * What a question takes of the device, what it says of itself, and that all of it is given back.
 */
class QuestionLifeTest {
  // ---- what is given back ----

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "none | COMPACT",
        "star:R=0.5,K=2,P=0.9 | COMPACT",
        "star:R=0.5,K=2,P=0.9 | MASK",
        "star:R=0.5,K=2,P=0.9,kv=compact | COMPACT",
        "vispruner:keep=9 | MASK"
      })
  void aClosedQuestionHasGivenEverythingBack(String method, Mode mode) {
    on(
        FOLDER,
        (watched, model) -> {
          for (int time = 0; time < 2; time++) {
            Generation generation = prefill(model, method, mode);
            generation.next();
            generation.next();
            assertEquals(
                List.of("keys and values", "questions", "slot", "step", "weights"), watched.open());
            generation.close();
            generation.close();
            assertEquals(OF_THE_MODEL, watched.open());
          }
        });
  }

  /** Whatever call it is: of the constructor, of the tower, between two cuts. */
  @ParameterizedTest
  @ValueSource(strings = {"star:R=0.5,K=2,P=0.9,kv=compact", "fastervlm:keep=9"})
  void whereverTheDeviceFailsNothingIsLeft(String method) {
    on(
        FOLDER,
        (watched, model) -> {
          prefill(model, method, Mode.COMPACT).close();
          int before = watched.calls();
          prefill(model, method, Mode.COMPACT).close();
          int calls = watched.calls() - before;
          assertTrue(calls > 90, "calls of a prompt: " + calls);
          float[] whole = logits(model, method);
          for (int call = 0; call < calls; call++) {
            watched.failAfter(call);
            try (Generation generation = prefill(model, method, Mode.COMPACT)) {
              generation.next();
              throw new AssertionError("call " + call + " did not fail");
            } catch (WatchedDevice.Planted e) {
              assertEquals(OF_THE_MODEL, watched.open(), "after call " + call);
            }
          }
          watched.failAfter(-1);
          assertArrayEquals(whole, logits(model, method), "the model goes on as if nothing was");
        });
  }

  private static float[] logits(LoadedModel model, String method) {
    try (Generation generation = prefill(model, method, Mode.COMPACT)) {
      generation.next();
      return generation.logits();
    }
  }

  @Test
  void progressThatEndsTheWorkLeavesNothing() {
    on(
        FOLDER,
        (watched, model) -> {
          var heard = new ArrayList<String>();
          Progress listening = (phase, done, of) -> heard.add(phase + " " + done + "/" + of);
          model.prefill(request(model, Methods.parse("none"), Mode.COMPACT, listening)).close();
          assertEquals(
              List.of(
                  "vision 0/2",
                  "vision 1/2",
                  "prefill 0/5",
                  "prefill 1/5",
                  "prefill 2/5",
                  "prefill 3/5",
                  "prefill 4/5"),
              heard);
          for (String end : heard) {
            Progress ending =
                (phase, done, of) -> {
                  if (end.equals(phase + " " + done + "/" + of)) {
                    throw new CancellationException(end);
                  }
                };
            Request request = request(model, Methods.parse("none"), Mode.COMPACT, ending);
            String message =
                assertThrows(CancellationException.class, () -> model.prefill(request))
                    .getMessage();
            assertEquals(end, message);
            assertEquals(OF_THE_MODEL, watched.open(), end);
          }
        });
  }

  // ---- what it says of itself ----

  @Test
  void itsCountsAreThoseOfThePlan() {
    on(
        FOLDER,
        (watched, model) -> {
          try (Generation generation = prefill(model, "fastv:K=2,keep=9", Mode.COMPACT)) {
            generation.next();
            int all = 4 + 2 * 50;
            int left = 4 + 2 * (1 + 9);
            int[] rows = {all, all, left, left, left};
            assertArrayEquals(rows, generation.cachedRows());
            assertNotSame(generation.plan().cachedRows(), generation.cachedRows());
            assertArrayEquals(rows, generation.plan().tokensPerLayer());
            assertEquals(9, generation.tokenBudget());
            assertSame(DRAWN, generation.sampling());
            // Eight more tokens are read back than are drawn in each of five layers; a row of keys
            // or values is 32 numbers.
            long bytes = 2L * (IntStream.of(rows).sum() + 5 * 8) * 32 * 4;
            assertEquals(bytes, generation.reservedBytes());
            assertEquals(bytes, watched.bytes("keys and values"));
            assertEquals(List.of(0, 1), generation.stages().stream().map(Stage::image).toList());
            Stage stage = generation.stages().get(0);
            assertEquals(9, generation.ints(stage.kept()).length);
            assertEquals(49, generation.floats(stage.score()).length);
          }
        });
  }

  /** Parts of the time that passed while the prompt was read, none of them nothing. */
  @Test
  void itsTimesArePartsOfTheTimeThatPassed() {
    on(
        FOLDER,
        (watched, model) -> {
          long before = System.nanoTime();
          try (Generation generation = prefill(model, "star:R=0.5,K=2,P=0.9", Mode.COMPACT)) {
            double passed = (System.nanoTime() - before) / 1e6;
            assertTrue(generation.visionMillis() > 0);
            assertTrue(generation.prefillMillis() > 0);
            assertTrue(generation.pruneMillis() > 0);
            try (Generation one = prefill(model, "fastv:K=2,keep=9", Mode.COMPACT)) {
              assertTrue(one.pruneMillis() > 0, "a cut in the decoder counts, too");
            }
            assertTrue(generation.visionMillis() + generation.prefillMillis() <= passed);
            assertTrue(
                generation.pruneMillis() < generation.visionMillis() + generation.prefillMillis());
          }
        });
  }

  // ---- damaged weights ----

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "lm_head.weight | none | a logit of generated token 1 is not finite; the weights are damaged"
            + " or overflow f32",
        "model.language_model.layers.1.self_attn.q_proj.weight | fastv:K=2,keep=9 | the score of"
            + " candidate 0 in stage 2 (image 0, decoder block 2) is not finite; the weights are"
            + " damaged",
        "model.vision_tower.encoder.layers.1.self_attn.k_proj.bias | fastervlm:keep=9 | the score of"
            + " candidate 0 in stage 1 (image 0, vision block 2) is not finite; the weights are"
            + " damaged",
        "model.vision_tower.encoder.layers.1.mlp.fc2.bias | vispruner:keep=9 | a visual feature that"
            + " the pruning method compares is not finite; the weights are damaged"
      })
  void aWeightThatIsNotFiniteIsNamedByItsPlace(
      String tensor, String method, String message, @TempDir Path dir) throws IOException {
    on(
        damaged(tensor, dir),
        (watched, model) -> {
          try (Generation generation = prefill(model, method, Mode.COMPACT)) {
            assertEquals(
                message, assertThrows(InputException.class, generation::next).getMessage());
          }
        });
  }

  /** The checkpoint with a NaN as the first number of a tensor. */
  private static Path damaged(String tensor, Path dir) throws IOException {
    Files.copy(FOLDER.resolve("config.json"), dir.resolve("config.json"));
    byte[] weights = Files.readAllBytes(FOLDER.resolve("model.safetensors"));
    ByteBuffer bytes = ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN);
    int header = (int) bytes.getLong();
    var fields = new ObjectMapper().readTree(Arrays.copyOfRange(weights, 8, 8 + header));
    int at = fields.get(tensor).get("data_offsets").get(0).intValue();
    bytes.putFloat(8 + header + at, Float.NaN);
    Files.write(dir.resolve("model.safetensors"), weights);
    return dir;
  }

  /** Steps behind a cut that empties the caches below it, where rows are moved and where hidden. */
  @Test
  void compactedCachesAreReadAsHiddenOnesAre() {
    on(
        FOLDER,
        (watched, model) -> {
          String method = "star:R=0.5,K=3,P=0.9,kv=compact";
          try (Generation moved = prefill(model, method, Mode.COMPACT);
              Generation hidden = prefill(model, method, Mode.MASK);
              Generation full = prefill(model, "star:R=0.5,K=3,P=0.9", Mode.COMPACT)) {
            boolean differs = false;
            for (int token = 0; token < 6; token++) {
              int next = moved.next();
              float[] logits = moved.logits();
              assertEquals(next, hidden.next(), "token " + token);
              assertArrayEquals(logits, hidden.logits(), 1e-5f, "token " + token);
              full.next();
              differs |= !Arrays.equals(logits, full.logits());
            }
            assertTrue(differs, "otherwise nothing would be seen of the caches");
            assertTrue(moved.cachedRows()[0] < full.cachedRows()[0]);
          }
        });
  }

  /** Of five layers, 32 wide with an MLP of 40, and the head of 503 tokens, all in float32. */
  @Test
  void theDecodersBytesAreThoseOfItsMatrices() {
    on(
        FOLDER,
        (watched, model) -> {
          long layer = 32 * (3 * 32 + 32 + 2 * 40) + 32 * 40;
          assertEquals(4 * (5 * layer + 503 * 32), model.decoderBytes());
        });
  }
}
