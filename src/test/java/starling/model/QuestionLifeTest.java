package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.Demo;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Sampling;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.Request.Progress;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * What a question takes of the device, what it says of itself, and that all of it is given back.
 */
class QuestionLifeTest {
  private static final Path FOLDER = Checkout.path("src/test/resources/starling/model/names5");
  private static final List<String> OF_THE_MODEL = List.of("keys and values", "weights");
  private static final Sampling DRAWN = new Sampling(2, 0, 1, 5);

  private interface Use {
    void of(WatchedDevice watched, LoadedModel model);
  }

  private static void on(Path folder, Use use) {
    VisionLanguageModel family = Families.read(folder);
    try (var watched = new WatchedDevice();
        var files = Safetensors.open(folder)) {
      try (var model =
          new LoadedModel(watched.device(), family, family.weights(files), DType.F32)) {
        use.of(watched, model);
      }
      assertEquals(List.of(), watched.open(), "of a closed model");
    }
  }

  /** Two images, four words, nine tokens; with CLS 50 rows an image. */
  private static Request request(LoadedModel model, Method method, Mode mode, Progress progress) {
    var preprocess = PreprocessorConfig.read(FOLDER);
    var images = new ArrayList<ImageInput>();
    for (String name : List.of("small-00.png", "small-01.png")) {
      var pixels = preprocess.apply(Demo.read(name), ImageMode.CHECKPOINT, name);
      images.add(new ImageInput(model.family().typicalImage(), List.of(pixels)));
    }
    int image = model.family().imageToken();
    int[] ids = {1, image, 300, image, 301, 302};
    return new Request(ids, images, method, mode, DRAWN, 9, progress);
  }

  private static Generation prefill(LoadedModel model, String method, Mode mode) {
    return model.prefill(request(model, Methods.parse(method), mode, (phase, done, of) -> {}));
  }

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
                List.of("generation", "keys and values", "slot", "weights"), watched.open());
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
          assertTrue(calls > 100, "calls of a prompt: " + calls);
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

  /** Keeps the first candidates of a group, as many as the device says: at most nine. */
  private static class Counting implements Method, CutPoint {
    private final CutSite where;
    private final int layer;
    private final int[] said;

    Counting(CutSite where, int layer, int... said) {
      this.where = where;
      this.layer = layer;
      this.said = said;
    }

    @Override
    public CutSite where() {
      return where;
    }

    @Override
    public int layer() {
      return layer;
    }

    @Override
    public String spec(VlmShape shape) {
      return "counting";
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return List.of(this);
    }

    @Override
    public int kept(int group) {
      return 9;
    }

    @Override
    public boolean counted() {
      return true;
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      context.device().upload(out.keep(), MemorySegment.ofArray(IntStream.range(0, 9).toArray()));
      int[] count = {said[context.group()]};
      context.device().upload(out.count(), MemorySegment.ofArray(count));
    }
  }

  /**
   * Rows are reserved for what is kept, not for what might have been; so the answer is the same.
   */
  @ParameterizedTest
  @EnumSource(CutSite.class)
  void whatTheDeviceCountsIsReservedAsCounted(CutSite where) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 4, 9);
          Request request = request(model, method, Mode.COMPACT, (phase, done, of) -> {});
          try (Generation generation = model.prefill(request)) {
            generation.next();
            int all = where == CutSite.DECODER ? 4 + 2 * 50 : 4 + 2 + 4 + 9;
            int left = 4 + 2 + 4 + 9;
            int[] rows = {all, all, all, left, left};
            assertArrayEquals(rows, generation.cachedRows());
            assertEquals(
                2L * (IntStream.of(rows).sum() + 5 * 8) * 32 * 4, generation.reservedBytes());
            boolean before = where == CutSite.VISION || where == CutSite.PROJECTOR_INPUT;
            assertEquals(before ? 2 + 4 + 9 : 2 * 50, generation.plan().projectedRows());
            assertEquals(4, generation.stages().get(0).kept().rows());
            assertEquals(9, generation.stages().get(1).kept().rows());
            assertTrue(generation.stages().get(1).counted());
            generation.next();
          }
        });
  }

  /** Hidden rows stay, so they are projected; behind the last image stand two of text. */
  @ParameterizedTest
  @EnumSource(CutSite.class)
  void aMaskedPlanCountsEveryRow(CutSite where) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 4, 9);
          Request request = request(model, method, Mode.MASK, (phase, done, of) -> {});
          try (Generation generation = model.prefill(request)) {
            assertEquals(2 * 50, generation.plan().projectedRows());
            assertEquals(4 + 2 * 50, generation.plan().layout().rows());
          }
          assertEquals(2, Planner.of(model.family(), request).shape().textRows());
        });
  }

  @ParameterizedTest
  @CsvSource({"PROJECTOR_OUTPUT, 1, 0", "DECODER, 2, 0", "DECODER, 2, 10", "DECODER, 2, -1"})
  void aCountOutsideOfWhatWasSaidIsRefused(CutSite where, int stage, int count) {
    on(
        FOLDER,
        (watched, model) -> {
          var method = new Counting(where, 3, 1, count);
          Request request = request(model, method, Mode.COMPACT, (phase, done, of) -> {});
          assertEquals(
              "stage " + stage + " keeps " + count + " visual tokens; the method said 1 to 9",
              assertThrows(InputException.class, () -> model.prefill(request)).getMessage());
          assertTrue(OF_THE_MODEL.containsAll(watched.open()), watched.open().toString());
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
              assertEquals(moved.next(), hidden.next(), "token " + token);
              full.next();
              assertArrayEquals(moved.logits(), hidden.logits(), 1e-5f, "token " + token);
              differs |= !Arrays.equals(moved.logits(), full.logits());
            }
            assertTrue(differs, "otherwise nothing would be seen of the caches");
            assertTrue(moved.cachedRows()[0] < full.cachedRows()[0]);
          }
        });
  }

  /** Behind layer 1 the candidates of an image are the rows behind its CLS row, and no others. */
  @ParameterizedTest
  @EnumSource(Mode.class)
  void candidatesInTheDecoderStandBehindCls(Mode mode) {
    on(
        FOLDER,
        (watched, model) -> {
          var seen = new ArrayList<Candidates>();
          var method =
              new Counting(CutSite.DECODER, 1, 9, 9) {
                @Override
                public void select(CutContext context, Selection out) {
                  seen.add(context.attention().parts().getFirst().candidates());
                  super.select(context, out);
                }
              };
          model.prefill(request(model, method, mode, (phase, done, of) -> {})).close();
          assertEquals(List.of(1 + 1, 1 + 50 + 1 + 1), seen.stream().map(Candidates::at).toList());
          assertEquals(List.of(49, 49), seen.stream().map(Candidates::count).toList());
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
