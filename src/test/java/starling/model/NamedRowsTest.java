package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static starling.model.TinyQuestion.FOLDER;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.PositionRule;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * The last selection of a cut by attention names the rows that stay; behind any other choice that
 * is a call of its own. Both give the same answer to the bit.
 */
class NamedRowsTest {
  /** Chooses as another cut does, which the runtime cannot know. */
  private record Hidden(CutPoint of) implements CutPoint {
    @Override
    public CutSite where() {
      return of.where();
    }

    @Override
    public int layer() {
      return of.layer();
    }

    @Override
    public int kept(int group) {
      return of.kept(group);
    }

    @Override
    public PositionRule positions() {
      return of.positions();
    }

    @Override
    public boolean compactsCache() {
      return of.compactsCache();
    }

    @Override
    public void select(CutContext context, Selection out) {
      of.select(context, out);
    }
  }

  private record Outside(Method of) implements Method {
    @Override
    public String spec(VlmShape shape) {
      return of.spec(shape);
    }

    @Override
    public List<CutPoint> cuts(VlmShape shape) {
      return of.cuts(shape).stream().<CutPoint>map(Hidden::new).toList();
    }
  }

  /** What an answer comes to: logits of three tokens, kept sets, and calls of rowMap. */
  private record Outcome(List<float[]> logits, List<int[]> kept, int maps) {}

  private static Outcome outcome(LoadedModel model, Method method, int images, int[] maps) {
    Request two = TinyQuestion.request(model, method, Mode.COMPACT, (phase, done, of) -> {});
    int[] one = {1, model.family().imageToken(), 300, 301};
    var request =
        new Request(
            images == 2 ? two.ids() : one,
            two.images().subList(0, images),
            method,
            Mode.COMPACT,
            two.sampling(),
            9,
            two.progress());
    maps[0] = 0;
    try (Generation generation = model.prefill(request)) {
      var logits = new ArrayList<float[]>();
      for (int i = 0; i < 3; i++) {
        generation.next();
        logits.add(generation.logits());
      }
      var kept = generation.stages().stream().map(s -> generation.ints(s.kept())).toList();
      return new Outcome(logits, kept, maps[0]);
    }
  }

  private static Device counting(Device device, int[] maps) {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              maps[0] += method.getName().equals("rowMap") ? 1 : 0;
              try {
                return method.invoke(device, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static Device open(DeviceType type) {
    if (type == DeviceType.CPU) {
      return CpuDevice.open(1);
    }
    Native.needs(Native.HOST);
    return NativeDevice.open(type);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "CPU | star:R=0.5,K=2,P=0.8",
        "CPU | star:R=0.5,K=2,P=0.8,positions=compact,kv=compact",
        "CPU | fastv:K=2,keep=9",
        "EMULATED | star:R=0.5,K=2,P=0.8",
        "EMULATED | star:R=0.5,K=2,P=0.8,positions=compact,kv=compact",
        "EMULATED | fastv:K=2,keep=9",
      })
  void anAttentionCutNamesTheRowsOnTheWay(DeviceType type, String spec) {
    VisionLanguageModel family = Families.read(FOLDER);
    int[] maps = {0};
    try (Device device = open(type);
        var files = Safetensors.open(FOLDER);
        var model =
            new LoadedModel(counting(device, maps), family, family.weights(files), DType.F32)) {
      Method method = Methods.parse(spec);
      for (int images = 1; images <= 2; images++) {
        Outcome fused = outcome(model, method, images, maps);
        Outcome apart = outcome(model, new Outside(method), images, maps);
        int inTower = spec.startsWith("star") ? images : 0;
        assertEquals(0, fused.maps());
        assertEquals(inTower + 1, apart.maps());
        assertEquals(inTower + images, fused.kept().size());
        for (int i = 0; i < fused.kept().size(); i++) {
          assertArrayEquals(apart.kept().get(i), fused.kept().get(i), spec);
        }
        for (int i = 0; i < 3; i++) {
          assertArrayEquals(apart.logits().get(i), fused.logits().get(i), spec);
        }
      }
    }
  }
}
