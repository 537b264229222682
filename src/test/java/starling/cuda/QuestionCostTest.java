package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Demo;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.image.Image;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Request;
import starling.model.VisionLanguageModel;
import starling.prune.Methods;

/**
 * What a question asks of CUDA beside its kernels, counted on a made-up GPU: behind the first one
 * of its size no memory is taken or freed, and nobody waits but for a token.
 */
class QuestionCostTest {
  private static Request request(VisionLanguageModel family, String method, Mode mode, int images) {
    Image picture = Demo.read("scene-03.png");
    ImageInput input =
        family.images(Demo.MODEL).prepare(picture, ImageOptions.DEFAULT, "scene-03.png");
    int[] ids = new int[4 + images];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = i >= 1 && i <= images ? family.imageToken() : 20 + i;
    }
    return new Request(
        ids,
        Collections.nCopies(images, input),
        Methods.parse(method),
        mode,
        Sampling.GREEDY,
        4,
        (what, done, of) -> {});
  }

  private static Map<String, Integer> cost(FakeCuda gpu, LoadedModel model, Request request) {
    gpu.counts();
    try (Generation generation = model.prefill(request)) {
      generation.next();
    }
    return gpu.counts();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "none | COMPACT | 1",
        "star:R=0.1,K=4,P=0.9 | COMPACT | 1",
        "star:R=0.1,K=4,P=0.9,kv=compact | COMPACT | 1",
        "star:R=0.1,K=4,P=0.9 | MASK | 1",
        "vispruner:keep=58 | COMPACT | 2",
      })
  void theSecondQuestionOfASizeTakesNoMemoryAndWaitsForItsTokenAlone(
      String method, Mode mode, int images) throws Exception {
    try (var gpu = new FakeCuda("memory=40000000000");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        Safetensors files = Safetensors.open(Demo.MODEL)) {
      VisionLanguageModel family = Families.read(Demo.MODEL);
      try (var model = new LoadedModel(device, family, family.weights(files), DType.BF16)) {
        Request request = request(family, method, mode, images);
        Map<String, Integer> first = cost(gpu, model, request);
        assertTrue(first.get("allocations") > 3, "the first takes some: " + first);
        for (int again = 0; again < 2; again++) {
          Map<String, Integer> next = cost(gpu, model, request);
          for (String none : List.of("allocations", "frees")) {
            assertEquals(0, next.get(none), none + " of " + next);
          }
          assertEquals(1, next.get("waits"), "waits of " + next);
          assertTrue(next.get("memsets") <= 8, "memsets of " + next);
        }
      }
      assertEquals("", gpu.faults());
    }
  }
}
