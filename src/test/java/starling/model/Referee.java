package starling.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.Devices;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.device.Tensor;
import starling.image.Image;
import starling.image.ImageMode;
import starling.image.Preprocess;
import starling.prune.Methods;
import starling.text.Template;
import starling.text.Tokenizer;

/**
 * Writes what a model makes of a question in f32, step by step, for {@code tools/referee.py} to
 * hold against transformers: {@code Referee DEVICE OUT MODEL PROMPT PICTURE…}.
 *
 * <p>{@code OUT/referee.json}: text, ids, greedy answer, and the shape of every array; {@code
 * OUT/NAME.f32}: its values, little-endian. {@code pixels.P}; {@code vision.P.B}, the rows of image
 * P before block 0 and behind each block; {@code text.L}, the same of the decoder; {@code logits}.
 */
public final class Referee {
  private static final int TOKENS = 6;

  private final Device device;
  private final int visionBlocks;
  private final Map<String, List<Integer>> shapes = new LinkedHashMap<>();
  private final Map<String, float[]> arrays = new LinkedHashMap<>();
  private Tensor lastInput;
  private int image = -1;
  private int residuals;
  private boolean decoding;

  private Referee(Device device, int visionBlocks) {
    this.device = device;
    this.visionBlocks = visionBlocks;
  }

  public static void main(String[] args) throws IOException {
    Path out = Files.createDirectories(Path.of(args[1]));
    Path dir = Path.of(args[2]);
    List<Path> images = List.of(args).subList(4, args.length).stream().map(Path::of).toList();
    VisionLanguageModel config = Families.read(dir);
    var preprocess = PreprocessorConfig.read(dir);
    int[] ids =
        Template.LLAVA_HF.ids(Tokenizer.read(dir), args[3], images.size(), config.imageToken());
    var pixels = new ArrayList<Preprocess.Prepared>();
    for (Path file : images) {
      pixels.add(preprocess.apply(Image.read(file), ImageMode.CHECKPOINT, file.toString()));
    }
    try (Device device = Devices.open(DeviceType.of(args[0]));
        var files = Safetensors.open(dir)) {
      var weights = config.weights(files);
      var referee = new Referee(device, config.visionBlocks());
      for (int p = 0; p < pixels.size(); p++) {
        referee.keep(
            "pixels." + p,
            pixels.get(p).pixels(),
            3,
            pixels.get(p).height(),
            pixels.get(p).width());
      }
      var answer = new ArrayList<Integer>();
      try (var llava = new LoadedModel(referee.watched(), config, weights, DType.F32);
          Generation generation =
              llava.prefill(
                  new Request(
                      ids,
                      pixels.stream()
                          .map(p -> new ImageInput(config.typicalImage(), List.of(p)))
                          .toList(),
                      Methods.parse("none"),
                      Mode.COMPACT,
                      Sampling.GREEDY,
                      TOKENS,
                      (phase, done, of) -> {}))) {
        answer.add(generation.next());
        referee.decoding = true;
        referee.keep("logits", generation.logits(), config.text().vocabSize());
        while (answer.size() < TOKENS && !config.endTokens().contains(answer.getLast())) {
          answer.add(generation.next());
        }
      }
      referee.write(out, Template.LLAVA_HF.text(args[3], images.size()), ids, answer, images);
    }
  }

  private void write(Path out, String text, int[] ids, List<Integer> answer, List<Path> images)
      throws IOException {
    for (var array : arrays.entrySet()) {
      var bytes = ByteBuffer.allocate(4 * array.getValue().length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(array.getValue());
      Files.write(out.resolve(array.getKey() + ".f32"), bytes.array());
    }
    var json = new LinkedHashMap<String, Object>();
    json.put("device", device.type().label() + ": " + device.description());
    json.put("text", text);
    json.put("ids", ids);
    json.put("answer", answer);
    json.put("pictures", images.stream().map(Path::toString).toList());
    json.put("shapes", shapes);
    new ObjectMapper().writeValue(out.resolve("referee.json").toFile(), json);
  }

  private void keep(String name, float[] values, Integer... shape) {
    shapes.put(name, List.of(shape));
    arrays.put(name, values);
  }

  private void keep(String name, Tensor rows) {
    float[] values = new float[rows.rows() * rows.width()];
    device.download(MemorySegment.ofArray(values), rows);
    keep(name, values, rows.rows(), rows.width());
  }

  /** The device, with the residual stream written down as it passes. */
  private Device watched() {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (self, method, arguments) -> {
              try {
                Object result = method.invoke(device, arguments);
                if (!decoding) {
                  watch(method, arguments);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private void watch(Method method, Object[] a) {
    switch (method.getName()) {
      case "layernorm" -> { // CLIP's first norm: the others are part of a gemm
        image++;
        residuals = 0;
        keep("vision." + image + ".0", (Tensor) a[0]);
      }
      case "rope" -> {
        if (!shapes.containsKey("text.0")) {
          residuals = 0;
          keep("text.0", lastInput);
        }
      }
      case "gemm" -> {
        lastInput = (Tensor) a[1];
        if (a[0] == a[5] && ++residuals % 2 == 0) { // a block adds twice
          boolean inTower = !shapes.containsKey("text.0") && residuals / 2 <= visionBlocks;
          String stream = inTower ? "vision." + image : "text";
          keep(stream + "." + residuals / 2, (Tensor) a[0]);
        }
      }
      default -> {}
    }
  }
}
