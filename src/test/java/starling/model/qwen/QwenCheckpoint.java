package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import starling.Checkout;
import starling.checkpoint.QwenConfig;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Device;
import starling.device.Sampling;
import starling.image.Image;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Request;
import starling.model.Stage;
import starling.prune.Method;
import starling.prune.Methods;

/**
 * A random checkpoint on a device, and what transformers makes of images with it ({@code
 * src/test/golden/make_qwen_goldens.py}).
 */
public record QwenCheckpoint(
    Path dir, JsonNode golden, Qwen25Vl family, Safetensors files, LoadedModel model)
    implements AutoCloseable {
  /** Float32 against float32 on values of a few units, through eight blocks. */
  static final double BOUND = 1e-4;

  /** Tokens of an answer. */
  static final int TOKENS = 6;

  static QwenCheckpoint open(String name, Device device) throws IOException {
    return open(name, device, -1);
  }

  /**
   * @param imageToken the id that stands for an image, in place of the checkpoint's unless negative
   */
  static QwenCheckpoint open(String name, Device device, int imageToken) throws IOException {
    Path dir = Checkout.path("src/test/resources/starling/model").resolve(name);
    JsonNode golden = new ObjectMapper().readTree(dir.resolve("golden.json").toFile());
    QwenConfig c = QwenConfig.read(dir);
    var family =
        new Qwen25Vl(
            new QwenConfig(
                c.vision(),
                c.text(),
                c.mropeSection(),
                imageToken < 0 ? c.imageTokenId() : imageToken,
                c.dtype(),
                c.eosTokenIds(),
                c.tieWordEmbeddings(),
                c.unknownKeys()));
    Safetensors files = Safetensors.open(dir);
    var model = new LoadedModel(device, family, family.weights(files), DType.F32);
    return new QwenCheckpoint(dir, golden, family, files, model);
  }

  @Override
  public void close() {
    model.close();
    files.close();
  }

  JsonNode caseAt(int index) {
    return golden.get("cases").get(index);
  }

  /** The images of a case: noise that script and test draw alike. */
  List<ImageInput> images(JsonNode of) {
    var images = new ArrayList<ImageInput>();
    for (JsonNode image : of.get("images")) {
      Image noise = noise(ints(image.get("size")), image.get("seed").intValue());
      images.add(family.images(dir).prepare(noise, ImageOptions.DEFAULT, "noise"));
    }
    return images;
  }

  /** The prompt of a case; an image is there once, under the id of this family. */
  int[] ids(JsonNode of) {
    return IntStream.of(ints(of.get("ids"))).map(i -> i == 90 ? family.imageToken() : i).toArray();
  }

  Outcome run(JsonNode of, String spec, Mode mode) {
    return run(of, Methods.parse(spec), mode);
  }

  /** Unpruned. */
  Outcome run(JsonNode of, Sampling sampling) {
    return run(ids(of), images(of), Methods.parse("none"), Mode.COMPACT, sampling);
  }

  Outcome run(JsonNode of, Method method, Mode mode) {
    return run(ids(of), images(of), method, mode, Sampling.GREEDY);
  }

  Outcome run(int[] ids, List<ImageInput> images, Method method, Mode mode, Sampling sampling) {
    var request = new Request(ids, images, method, mode, sampling, TOKENS, (p, d, n) -> {});
    try (Generation generation = model.prefill(request)) {
      var logits = new ArrayList<float[]>();
      int[] tokens = new int[TOKENS];
      for (int i = 0; i < tokens.length; i++) {
        tokens[i] = generation.next();
        logits.add(generation.logits());
      }
      List<Stage> stages = generation.stages();
      return new Outcome(
          logits,
          tokens,
          stages,
          stages.stream().map(s -> generation.ints(s.kept())).toList(),
          stages.stream()
              .map(s -> s.score() == null ? null : generation.floats(s.score()))
              .toList());
    }
  }

  /**
   * An answer and how it came about.
   *
   * @param logits of each token
   * @param kept of each stage
   * @param score of each stage, null where it has none
   */
  record Outcome(
      List<float[]> logits,
      int[] tokens,
      List<Stage> stages,
      List<int[]> kept,
      List<float[]> score) {
    /** What each image keeps in a stage. */
    List<int[]> kept(int stage) {
      return IntStream.range(0, stages.size())
          .filter(s -> stages.get(s).stage() == stage)
          .mapToObj(kept::get)
          .toList();
    }
  }

  /** An image that script and test draw alike. */
  public static Image noise(int[] size, long seed) {
    byte[] rgb = new byte[3 * size[0] * size[1]];
    long s = seed;
    for (int i = 0; i < rgb.length; i++) {
      s = s * 1103515245 + 12345 & 0x7fffffff;
      rgb[i] = (byte) (s >> 16);
    }
    return new Image(size[1], size[0], rgb);
  }

  static int[] ints(JsonNode array) {
    return IntStream.range(0, array.size()).map(i -> array.get(i).intValue()).toArray();
  }

  static void near(JsonNode golden, float[] actual, double bound, String what) {
    assertEquals(golden.size(), actual.length, what);
    for (int i = 0; i < actual.length; i++) {
      assertEquals(golden.get(i).doubleValue(), actual[i], bound, what + " " + i);
    }
  }

  static void near(float[] a, float[] b, String what) {
    for (int i = 0; i < a.length; i++) {
      assertEquals(a[i], b[i], BOUND, what + ", logit " + i);
    }
  }
}
