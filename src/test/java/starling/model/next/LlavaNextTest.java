package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.image.ImageMode;
import starling.image.Preprocess;
import starling.input.InputException;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Request;
import starling.prune.ImageTokens;
import starling.prune.Methods;

/**
 * Two tiny checkpoints, with a Llama and a Mistral decoder, against transformers 5.18 ({@code
 * src/test/golden/make_next_goldens.py}), and what pruning makes of them.
 */
class LlavaNextTest {
  /** Float32 on both sides, logits of about 3. */
  private static final double BOUND = 2e-5;

  private record Outcome(List<float[]> logits, int[] tokens, List<List<Integer>> kept) {}

  private static Path folder(String name) {
    return Checkout.path("src/test/resources/starling/next-" + name);
  }

  private static JsonNode cases(String name) throws IOException {
    return new ObjectMapper().readTree(Files.readAllBytes(folder(name).resolve("golden.json")));
  }

  private static ImageInput image(LlavaNext family, JsonNode golden) {
    byte[] bytes = Base64.getDecoder().decode(golden.get("pixels").textValue());
    float[] pixels = new float[bytes.length / 4];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(pixels);
    int crop = 3 * 28 * 28;
    var region = new Rectangle2D.Double(0, 0, 28, 28);
    var crops = new ArrayList<Preprocess.Prepared>();
    for (int at = 0; at < pixels.length; at += crop) {
      crops.add(new Preprocess.Prepared(Arrays.copyOfRange(pixels, at, at + crop), 28, 28, region));
    }
    ImageTokens tokens =
        family.tokens(
            golden.get("height").intValue(), golden.get("width").intValue(), ImageOptions.DEFAULT);
    return new ImageInput(tokens, crops);
  }

  private static Outcome run(LoadedModel model, List<ImageInput> images, String spec, Mode mode) {
    int[] ids =
        images.size() == 1 ? new int[] {1, 5, 70, 6, 7, 8} : new int[] {1, 70, 5, 70, 6, 7, 8};
    var request =
        new Request(ids, images, Methods.parse(spec), mode, Sampling.GREEDY, 5, (p, d, o) -> {});
    try (Generation generation = model.prefill(request)) {
      var logits = new ArrayList<float[]>();
      int[] tokens = new int[5];
      for (int i = 0; i < 5; i++) {
        tokens[i] = generation.next();
        logits.add(generation.logits());
      }
      var kept =
          generation.stages().stream()
              .map(s -> Arrays.stream(generation.ints(s.kept())).boxed().toList())
              .toList();
      return new Outcome(logits, tokens, kept);
    }
  }

  private static void goldens(String name, Supplier<Device> open, double bound) throws IOException {
    LlavaNext family = LlavaNext.read(folder(name));
    try (Safetensors files = Safetensors.open(folder(name));
        Device device = open.get();
        var model = new LoadedModel(device, family, family.weights(files), DType.F32)) {
      for (JsonNode golden : cases(name)) {
        Outcome own = run(model, List.of(image(family, golden)), "none", Mode.COMPACT);
        for (int i = 0; i < golden.get("logits").size(); i++) {
          double right = golden.get("logits").get(i).doubleValue();
          assertEquals(right, own.logits.get(0)[i], bound, name + " " + i);
        }
        int[] ids = new int[5];
        Arrays.setAll(ids, i -> golden.get("ids").get(i).intValue());
        assertArrayEquals(ids, own.tokens);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "mistral"})
  void logitsAndTokensAreThoseOfTransformers(String name) throws IOException {
    goldens(name, CpuDevice::open, BOUND);
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "mistral"})
  void kernelsGiveThemToo(String name) throws IOException {
    Native.needs(Native.HOST);
    goldens(name, () -> NativeDevice.open(DeviceType.EMULATED), BOUND);
  }

  private static double distance(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> Math.abs(a[i] - b[i])).max().orElse(0);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.3,K=1,P=0.6",
        "star:R=0.3,K=1,P=0.6,budget=crop",
        "fastv:K=1,keep=7",
        "fastervlm:keep=9",
        "fastervlm:keep=3,budget=crop",
        "vispruner:keep=8",
        "random:keep=6,seed=3",
        "uniform:keep=0.5,budget=crop"
      })
  void maskingIsCompactingOnTwoImages(String spec) throws IOException {
    for (String name : List.of("llama", "mistral")) {
      LlavaNext family = LlavaNext.read(folder(name));
      try (Safetensors files = Safetensors.open(folder(name));
          Device device = CpuDevice.open();
          var model = new LoadedModel(device, family, family.weights(files), DType.F32)) {
        JsonNode all = cases(name);
        var images = List.of(image(family, all.get(1)), image(family, all.get(2)));
        Outcome compact = run(model, images, spec, Mode.COMPACT);
        Outcome mask = run(model, images, spec, Mode.MASK);
        assertEquals(compact.kept, mask.kept);
        assertArrayEquals(compact.tokens, mask.tokens);
        for (int i = 0; i < 5; i++) {
          assertTrue(distance(compact.logits.get(i), mask.logits.get(i)) < BOUND, spec + i);
        }
        Outcome whole = run(model, images, "none", Mode.COMPACT);
        assertTrue(distance(whole.logits.get(0), compact.logits.get(0)) > 100 * BOUND);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"fastv:K=1,keep=1.0", "fastervlm:keep=1.0", "star:R=0,K=1,P=0"})
  void keepingAllChangesNoBit(String spec) throws IOException {
    LlavaNext family = LlavaNext.read(folder("llama"));
    try (Safetensors files = Safetensors.open(folder("llama"));
        Device device = CpuDevice.open();
        var model = new LoadedModel(device, family, family.weights(files), DType.F32)) {
      var images = List.of(image(family, cases("llama").get(1)));
      Outcome whole = run(model, images, "none", Mode.COMPACT);
      Outcome all = run(model, images, spec, Mode.COMPACT);
      for (int i = 0; i < 5; i++) {
        assertArrayEquals(whole.logits.get(i), all.logits.get(i), spec);
      }
    }
  }

  // ---- counts ----

  /** The family with tiles of 336 pixels, patches of 14: the sizes of the published models. */
  private static LlavaNext published(Path dir) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type":"llava_next","text_config":{"model_type":"llama","vocab_size":32064},
         "vision_config":{"hidden_size":1024,"image_size":336,"patch_size":14,
           "num_hidden_layers":24,"num_attention_heads":16,"intermediate_size":4096}}
        """);
    return LlavaNext.read(dir);
  }

  @ParameterizedTest
  @CsvSource({
    "336,336,1176", "480,640,2340", "640,480,2352", "427,640,2144", "200,1000,1598",
    "1000,200,1656", "333,500,1464", "100,100,1176", "1080,1920,1948", "2000,300,1368",
    "672,672,2928", "37,911,722"
  })
  void rowsAreAsManyAsInTransformers(
      int h, int w, int rows, @org.junit.jupiter.api.io.TempDir Path dir) throws IOException {
    assertEquals(rows, published(dir).tokens(h, w, ImageOptions.DEFAULT).rows());
  }

  /** The settings of the published tables: 2880 patches, or whatever stock tiles give. */
  @Test
  void thePapersSettingsGiveThePapersCounts(@org.junit.jupiter.api.io.TempDir Path dir)
      throws IOException {
    LlavaNext family = published(dir);
    var drop = ImageOptions.DEFAULT.newline(ImageOptions.Newline.DROP);
    var visPruner = drop.anyres(ImageOptions.Anyres.TWO_BY_TWO).unpad(false);
    for (int[] size : new int[][] {{336, 336}, {480, 640}, {200, 1000}}) {
      ImageTokens tokens = family.tokens(size[0], size[1], visPruner);
      assertEquals(2880, tokens.rows());
      assertEquals(2880, tokens.candidates());
      assertEquals(5, tokens.crops().size());
    }
    // FasterVLM and VisionZip: stock sizes, no unpadding, no newlines: 3 to 5 crops of 576.
    assertEquals(3 * 576, family.tokens(336, 336, drop.unpad(false)).rows());
    assertEquals(5 * 576, family.tokens(480, 640, drop.unpad(false)).rows());
    assertEquals(4 * 576, family.tokens(200, 1000, drop.unpad(false)).rows());
    // HiRED: unpadded, no newlines.
    assertEquals(2340 - 36, family.tokens(480, 640, drop).rows());
    // The original's order of the list: the same count from a column of two tiles.
    var original = ImageOptions.DEFAULT.pinpoints(ImageOptions.Pinpoints.WH);
    assertEquals(1176, family.tokens(336, 336, ImageOptions.DEFAULT).rows());
    assertEquals(576 + 24 * 25, family.tokens(336, 336, original).rows());
    assertEquals(24 + 576, family.tokens(336, 336, original).row()[576 + 24] - 1);
  }

  @Test
  void anotherFamilysOptionIsRefused(@org.junit.jupiter.api.io.TempDir Path dir)
      throws IOException {
    LlavaNext family = published(dir);
    var options = ImageOptions.DEFAULT.mode(ImageMode.PAD);
    var e = assertThrows(InputException.class, () -> family.tokens(336, 336, options));
    assertEquals(
        "--image-mode pad does not apply to this model, which is LLaVA-NeXT; only LLaVA-1.5 has"
            + " that option",
        e.getMessage());
  }
}
