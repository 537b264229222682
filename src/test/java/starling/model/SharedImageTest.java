package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.Tensor;
import starling.prune.Methods;

/** What several questions about one image do not do again, counted in rows of products. */
class SharedImageTest {
  private int rows;

  private Device counting(Device device) {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("gemm")) {
                rows += ((Tensor) arguments[0]).rows();
              }
              try {
                return method.invoke(device, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private int rowsOf(LoadedModel model, Request request) {
    rows = 0;
    model.prefill(request).close();
    return rows;
  }

  /**
   * Of two images with 50 rows each. The tower's blocks but for the second half of the last are
   * done once, and so are the layers as far as the cut for all rows but the two behind the images.
   *
   * @param products that have only the rows behind the images: four of every layer; of the cut's
   *     layer the first, since the others take the rows that the cut leaves
   */
  @ParameterizedTest
  @CsvSource({"none, 20", "'fastv:K=2,keep=9', 5", "'fastv:K=3,keep=9', 9"})
  void theTowerAndTheBeginningOfThePromptAreDoneOnce(String method, int products) {
    VisionLanguageModel family = Families.read(TinyQuestion.FOLDER);
    try (CpuDevice cpu = CpuDevice.open(1);
        Safetensors files = Safetensors.open(TinyQuestion.FOLDER);
        var model = new LoadedModel(counting(cpu), family, family.weights(files), DType.F32)) {
      Request plain =
          TinyQuestion.request(model, Methods.parse(method), Mode.COMPACT, (p, d, o) -> {});
      int all = rowsOf(model, plain);
      rows = 0;
      List<EncodedImage> encoded =
          plain.images().stream().map(i -> model.encode(i, ImageOptions.DEFAULT)).toList();
      int tower = rows;
      Request shared =
          new Request(
              plain.ids(),
              encoded.stream().map(ImageInput::of).toList(),
              plain.method(),
              plain.mode(),
              plain.sampling(),
              plain.maxTokens(),
              plain.progress());
      int first = rowsOf(model, shared);
      assertEquals(all, tower + first, "the tower is in one of them");
      int beginning = 2 + 2 * 50; // of 104 rows: two of the text stand behind the images
      assertEquals(products * beginning, first - rowsOf(model, shared));
      encoded.forEach(EncodedImage::close);
    }
  }
}
