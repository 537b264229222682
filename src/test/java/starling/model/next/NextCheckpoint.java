package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.IntStream;
import starling.Checkout;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Device;
import starling.device.Sampling;
import starling.image.Preprocess;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Plan;
import starling.model.Request;
import starling.prune.Methods;

/** A tiny checkpoint of LLaVA-NeXT on a device, asked with the pixels of its goldens. */
record NextCheckpoint(LlavaNext family, Safetensors files, Device device, LoadedModel model)
    implements AutoCloseable {
  static final int IMAGE = 70;

  /** Tokens of every answer. */
  static final int TOKENS = 5;

  /**
   * What an answer was made of.
   *
   * @param logits of each token
   * @param kept one list for each stage and group
   */
  record Outcome(List<float[]> logits, int[] tokens, List<List<Integer>> kept, Plan plan) {}

  static Path folder(String name) {
    return Checkout.path("src/test/resources/starling/next-" + name);
  }

  /** The checkpoint of a folder; closes the device with it. */
  static NextCheckpoint open(Path folder, Device device) {
    LlavaNext family = LlavaNext.read(folder);
    Safetensors files = Safetensors.open(folder);
    var model = new LoadedModel(device, family, family.weights(files), DType.F32);
    return new NextCheckpoint(family, files, device, model);
  }

  static JsonNode cases(String name) throws IOException {
    return new ObjectMapper().readTree(Files.readAllBytes(folder(name).resolve("golden.json")));
  }

  /** The pixels of each crop. */
  static List<float[]> pixels(JsonNode golden) {
    byte[] bytes = Base64.getDecoder().decode(golden.get("pixels").textValue());
    float[] pixels = new float[bytes.length / 4];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(pixels);
    int crop = 3 * 28 * 28;
    return IntStream.range(0, pixels.length / crop)
        .mapToObj(c -> Arrays.copyOfRange(pixels, c * crop, (c + 1) * crop))
        .toList();
  }

  ImageInput image(JsonNode golden, ImageOptions options) {
    int height = golden.get("height").intValue();
    int width = golden.get("width").intValue();
    var region = new Rectangle2D.Double(0, 0, 28, 28);
    return new ImageInput(
        family.tokens(height, width, options),
        pixels(golden).stream().map(p -> new Preprocess.Prepared(p, 28, 28, region)).toList());
  }

  /** The prompt of the goldens, or one with an image more. */
  static int[] ids(int images) {
    return images == 1 ? new int[] {1, 5, IMAGE, 6, 7, 8} : new int[] {1, IMAGE, 5, IMAGE, 6, 7, 8};
  }

  Outcome run(List<ImageInput> images, String spec, Mode mode) {
    var request =
        new Request(
            ids(images.size()),
            images,
            Methods.parse(spec),
            mode,
            Sampling.GREEDY,
            TOKENS,
            (p, d, o) -> {});
    try (Generation generation = model.prefill(request)) {
      var logits = new ArrayList<float[]>();
      int[] tokens = new int[TOKENS];
      for (int i = 0; i < TOKENS; i++) {
        tokens[i] = generation.next();
        logits.add(generation.logits());
      }
      var kept =
          generation.stages().stream()
              .map(s -> Arrays.stream(generation.ints(s.kept())).boxed().toList())
              .toList();
      return new Outcome(logits, tokens, kept, generation.plan());
    }
  }

  /** Logits of the first token, and all tokens, are those of transformers. */
  static void isTheGolden(JsonNode golden, Outcome own, double bound) {
    isNear(golden.get("logits"), own.logits().get(0), bound);
    int[] ids = new int[TOKENS];
    Arrays.setAll(ids, i -> golden.get("ids").get(i).intValue());
    assertArrayEquals(ids, own.tokens());
  }

  static void isNear(JsonNode right, float[] own, double bound) {
    assertEquals(right.size(), own.length);
    for (int i = 0; i < own.length; i++) {
      assertEquals(right.get(i).doubleValue(), own[i], bound, "logit " + i);
    }
  }

  static double distance(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> Math.abs(a[i] - b[i])).max().orElse(0);
  }

  @Override
  public void close() {
    model.close();
    device.close();
    files.close();
  }
}
