package starling.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import starling.Devices;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.image.Image;
import starling.image.Preprocess;
import starling.prune.ImageTokens;
import starling.prune.Methods;
import starling.text.Tokenizer;

/**
 * Writes what a model makes of a question in f32, step by step, for {@code tools/referee.py} to
 * hold against transformers: {@code Referee DEVICE OUT MODEL PROMPT PICTURE…}.
 *
 * <p>{@code OUT/referee.json}: text, ids, positions, the answer without and with a repetition
 * penalty, kept sets and answer of every pruning method in both modes, and the shape of every
 * array. {@code OUT/NAME.f32}: its values, little-endian. {@code pixels.P}; {@code vision.P.B}, the
 * rows of image P before block 0 of the tower and behind each block; {@code text.L}, the same of
 * the decoder, with the projected rows of the images in {@code text.0}; {@code logits}; {@code SPEC
 * MODE scores.S.P} of stage S; {@code SPEC MODE logits}.
 */
public final class Referee {
  private static final int TOKENS = 6;
  private static final float PENALTY = 1.3f;
  private static final double R = 0.3;
  private static final double P = 0.6;
  private static final int LAYER = 1;
  private static final String STAR = "star:R=" + R + ",K=" + LAYER + ",P=" + P;
  private static final List<String> SPECS =
      List.of(
          STAR,
          "fastv:K=" + LAYER + ",keep=0.4",
          "fastervlm:keep=0.3",
          "vispruner:keep=0.3",
          "random:keep=0.3,seed=7",
          "uniform:keep=0.3");

  private final Map<String, List<Integer>> shapes = new LinkedHashMap<>();
  private final Map<String, float[]> arrays = new LinkedHashMap<>();
  private final Map<String, Object> json = new LinkedHashMap<>();
  private final VisionLanguageModel family;
  private final int[] ids;
  private final List<ImageInput> images;
  private WatchedTower watch;

  private Referee(VisionLanguageModel family, int[] ids, List<ImageInput> images) {
    this.family = family;
    this.ids = ids;
    this.images = images;
  }

  public static void main(String[] args) throws IOException {
    Path out = Files.createDirectories(Path.of(args[1]));
    Path dir = Path.of(args[2]);
    List<String> pictures = List.of(args).subList(4, args.length);
    VisionLanguageModel family = Families.read(dir);
    VisionLanguageModel.ImageProcessor processor = family.images(dir);
    var images = new ArrayList<ImageInput>();
    for (String file : pictures) {
      images.add(processor.prepare(Image.read(Path.of(file)), ImageOptions.DEFAULT, file));
    }
    int count = images.size();
    int[] ids = family.template().ids(Tokenizer.read(dir), args[3], count, family.imageToken());
    var referee = new Referee(family, ids, images);
    referee.json.put("pictures", pictures);
    referee.json.put("text", family.template().text(args[3], count));
    try (Device device = Devices.open(DeviceType.of(args[0]));
        var files = Safetensors.open(dir)) {
      referee.json.put("device", device.type().label() + ": " + device.description());
      referee.prompt();
      referee.run(device, files);
    }
    referee.write(out);
  }

  /** What is known before anything runs: pixels, ids, positions. */
  private void prompt() {
    for (int p = 0; p < images.size(); p++) {
      List<Preprocess.Prepared> crops = images.get(p).crops();
      int h = crops.get(0).height();
      int w = crops.get(0).width();
      var all = ByteBuffer.allocate(4 * 3 * h * w * crops.size()).asFloatBuffer();
      crops.forEach(crop -> all.put(crop.pixels()));
      float[] pixels = new float[all.capacity()];
      all.flip().get(pixels);
      keep("pixels." + p, pixels, crops.size(), 3, h, w);
    }
    List<ImageTokens> tokens = images.stream().map(ImageInput::tokens).toList();
    int[] rows = tokens.stream().mapToInt(ImageTokens::rows).toArray();
    Positions positions = family.positions(Layout.of(ids, family.imageToken(), rows), tokens);
    json.put("ids", ids);
    json.put("positions", positions.values());
    json.put("next", positions.next());
  }

  private void run(Device device, Safetensors files) {
    watch = new WatchedTower(device, this::keep);
    try (var model =
        new LoadedModel(watch.device(), family, watch.weights(family.weights(files)), DType.F32)) {
      json.put("answer", answer(model, Sampling.GREEDY));
      json.put("penalty", PENALTY);
      json.put("penalized", answer(model, Sampling.GREEDY.penalizing(PENALTY)));
      var pruned = new ArrayList<Map<String, Object>>();
      for (String spec : SPECS) {
        for (Mode mode : Mode.values()) {
          pruned.add(pruned(model, spec, mode));
        }
      }
      json.put("pruned", pruned);
    }
  }

  private Request request(String spec, Mode mode, Sampling sampling) {
    return new Request(
        ids, images, Methods.parse(spec), mode, sampling, TOKENS, (phase, done, of) -> {});
  }

  private List<Integer> answer(LoadedModel model, Sampling sampling) {
    try (Generation generation = model.prefill(request("none", Mode.COMPACT, sampling))) {
      return answer(generation, "logits");
    }
  }

  /** The answer from its first token on, whose logits are kept. */
  private List<Integer> answer(Generation generation, String logits) {
    var answer = new ArrayList<>(List.of(generation.next()));
    watch.enough();
    keep(logits, generation.logits(), family.text().vocabSize());
    while (answer.size() < TOKENS && !family.endTokens().contains(answer.getLast())) {
      answer.add(generation.next());
    }
    return answer;
  }

  private Map<String, Object> pruned(LoadedModel model, String spec, Mode mode) {
    String name = spec + " " + mode.name().toLowerCase(Locale.ROOT);
    var run = new LinkedHashMap<String, Object>();
    run.put("spec", spec);
    run.put("mode", mode.name().toLowerCase(Locale.ROOT));
    run.put("layer", LAYER);
    if (spec.equals(STAR)) {
      run.put("R", R);
      run.put("P", P);
    }
    try (Generation generation = model.prefill(request(spec, mode, Sampling.GREEDY))) {
      run.put("answer", answer(generation, name + " logits"));
      var kept = new LinkedHashMap<String, int[]>();
      for (Stage stage : generation.stages()) {
        String place = stage.stage() + "." + stage.image();
        kept.put(place, generation.ints(stage.kept()));
        if (stage.score() != null) {
          float[] scores = generation.floats(stage.score());
          keep(name + " scores." + place, scores, scores.length);
        }
      }
      run.put("kept", kept);
      if (!kept.containsKey("2.0")) {
        run.put("layer", 0); // no cut inside the decoder
      }
    }
    return run;
  }

  private void keep(String name, float[] values, Integer... shape) {
    shapes.put(name, List.of(shape));
    arrays.put(name, values);
  }

  private void write(Path out) throws IOException {
    for (var array : arrays.entrySet()) {
      var bytes = ByteBuffer.allocate(4 * array.getValue().length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(array.getValue());
      Files.write(out.resolve(array.getKey() + ".f32"), bytes.array());
    }
    json.put("shapes", shapes);
    new ObjectMapper().writeValue(out.resolve("referee.json").toFile(), json);
  }
}
