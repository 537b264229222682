package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.Checkout;
import starling.Demo;
import starling.Families;
import starling.checkpoint.PreprocessorConfig;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Sampling;
import starling.image.ImageMode;
import starling.model.Request.Progress;
import starling.prune.Method;
import starling.prune.Methods;

/** Questions about two images to a checkpoint of some kilobytes, on a watched device. */
final class TinyQuestion {
  static final Path FOLDER = Checkout.path("src/test/resources/starling/model/names5");
  static final List<String> OF_THE_MODEL = List.of("keys and values", "step", "weights");
  static final Sampling DRAWN = new Sampling(2, 0, 1, 5);

  interface Use {
    void of(WatchedDevice watched, LoadedModel model);
  }

  static void on(Path folder, Use use) {
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
  static Request request(LoadedModel model, Method method, Mode mode, Progress progress) {
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

  static Generation prefill(LoadedModel model, String method, Mode mode) {
    return model.prefill(request(model, Methods.parse(method), mode, (phase, done, of) -> {}));
  }

  private TinyQuestion() {}
}
