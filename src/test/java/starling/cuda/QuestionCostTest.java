package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import starling.Demo;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Graph;
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
 * of its size no memory is taken or freed, and nobody waits but for a token. A step is a graph,
 * with the bits of its operators.
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

  /**
   * The first step of a shape is put there operator by operator, each later one as a graph. Before
   * a question's first step the device is told where it is, in one piece.
   */
  @Test
  void aTokenIsOneLaunchOneWaitAndNothingElse() throws Exception {
    try (var gpu = new FakeCuda("memory=40000000000");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        Safetensors files = Safetensors.open(Demo.MODEL)) {
      VisionLanguageModel family = Families.read(Demo.MODEL);
      try (var model = new LoadedModel(device, family, family.weights(files), DType.BF16)) {
        Request request = request(family, "star:R=0.1,K=4,P=0.9", Mode.COMPACT, 1);
        for (int question = 0; question < 2; question++) {
          try (Generation generation = model.prefill(request)) {
            generation.next();
            for (int token = 1; token < 4; token++) {
              gpu.counts();
              generation.next();
              Map<String, Integer> cost = gpu.counts();
              if (question == 0 && token == 1) {
                assertTrue(cost.get("launches") > 30, "no graph yet: " + cost);
              } else {
                assertEquals(1, cost.get("launches"), "token " + token + ": " + cost);
              }
              assertEquals(1, cost.get("waits"), cost.toString());
              assertEquals(token == 1 ? 1 : 0, cost.get("uploads"), cost.toString());
              for (String none : List.of("allocations", "frees", "memsets")) {
                assertEquals(0, cost.get(none), cost.toString());
              }
            }
          }
        }
      }
      assertEquals("", gpu.faults());
    }
  }

  /** A device that knows no graphs: their work is done one operator after the other. */
  private static Device eager(Device device) {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("graph")) {
                var work = (Runnable) arguments[0];
                return new Graph() {
                  @Override
                  public void launch() {
                    work.run();
                  }

                  @Override
                  public void close() {}
                };
              }
              try {
                return method.invoke(device, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static List<float[]> logits(LoadedModel model, Request request) {
    var all = new ArrayList<float[]>();
    try (Generation generation = model.prefill(request)) {
      for (int i = 0; i < 4; i++) {
        generation.next();
        all.add(generation.logits());
      }
    }
    return all;
  }

  @ParameterizedTest
  @EnumSource(names = {"EMULATED", "CUDA"})
  void aGraphGivesTheBitsOfItsOperators(DeviceType type) throws Exception {
    Native.needs(Native.HOST);
    try (var _ = new FakeCuda("memory=40000000000");
        NativeDevice device = NativeDevice.open(type);
        Safetensors files = Safetensors.open(Demo.MODEL)) {
      VisionLanguageModel family = Families.read(Demo.MODEL);
      var weights = family.weights(files);
      try (var model = new LoadedModel(device, family, weights, DType.BF16);
          var plain = new LoadedModel(eager(device), family, weights, DType.BF16)) {
        for (String method : List.of("none", "star:R=0.1,K=4,P=0.9", "none")) {
          for (Mode mode : Mode.values()) {
            Request request = request(family, method, mode, 1);
            List<float[]> expected = logits(plain, request);
            for (int question = 0; question < 2; question++) {
              List<float[]> found = logits(model, request);
              for (int i = 0; i < expected.size(); i++) {
                assertArrayEquals(expected.get(i), found.get(i), method + " " + mode + ", " + i);
              }
            }
          }
        }
      }
    }
  }
}
