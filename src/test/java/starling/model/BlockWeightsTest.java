package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.Demo;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.EightBits;
import starling.device.Linear;
import starling.device.Sampling;
import starling.device.StoredTensor;
import starling.prune.Methods;

/**
 * The whole bundled model with its matrices in a block format of the test's own, keys and ups left
 * in f16: what it answers is what a checkpoint of the same values, one by one, answers.
 */
class BlockWeightsTest {
  private static final int TOKENS = 5;

  /** Tokens, the logits they were drawn from, and what the device and its matrices were. */
  private record Run(
      List<Integer> tokens, List<float[]> logits, String device, Set<String> formats, long bytes) {}

  /** Of several matrices, the second stays as it is; so does one whose rows are no whole blocks. */
  private static Linear.Source inBlocks(Linear.Source source) {
    var weights = new ArrayList<StoredTensor>(source.weights());
    for (int i = 0; i < weights.size(); i++) {
      if (i != 1 && weights.get(i).shape().get(1) % 32 == 0) {
        weights.set(i, EightBits.of(weights.get(i)));
      }
    }
    return new Linear.Source(weights, source.biases(), source.outHead(), source.inHead());
  }

  /** The same values, none of them in blocks. */
  private static Linear.Source oneByOne(Linear.Source source) {
    var weights =
        inBlocks(source).weights().stream()
            .map(w -> w.format().isPlain() ? w : EightBits.plain(w))
            .toList();
    return new Linear.Source(weights, source.biases(), source.outHead(), source.inHead());
  }

  /** The device, which is given other matrices than the checkpoint's. */
  private static Device loading(
      Device device, UnaryOperator<Linear.Source> change, Set<String> formats) {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (self, method, arguments) -> {
              try {
                if (!method.getName().equals("linear")) {
                  return method.invoke(device, arguments);
                }
                Object[] changed = arguments.clone();
                changed[2] = change.apply((Linear.Source) arguments[2]);
                var linear = (Linear) method.invoke(device, changed);
                linear.formats().forEach(f -> formats.add(f.name()));
                return linear;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static Run run(Device device, DType dtype, UnaryOperator<Linear.Source> change) {
    VisionLanguageModel family = Families.read(Demo.MODEL);
    ImageInput image =
        family
            .images(Demo.MODEL)
            .prepare(Demo.read("small-00.png"), ImageOptions.DEFAULT, "small-00");
    int[] ids = {1, 266, 446, 500, 501, 500, 13, 297, 398, 288, 262, 322, 447, 275, 446};
    var request =
        new Request(
            ids,
            List.of(image),
            Methods.parse("star:R=0.1,K=4,P=0.9"),
            Mode.COMPACT,
            Sampling.GREEDY,
            TOKENS,
            (phase, done, of) -> {});
    var formats = new TreeSet<String>();
    try (device;
        var files = Safetensors.open(Demo.MODEL);
        var model =
            new LoadedModel(
                loading(device, change, formats), family, family.weights(files), dtype);
        Generation generation = model.prefill(request)) {
      var tokens = new ArrayList<Integer>();
      var logits = new ArrayList<float[]>();
      for (int i = 0; i < TOKENS; i++) {
        tokens.add(generation.next());
        logits.add(generation.logits());
      }
      return new Run(tokens, logits, device.description(), formats, model.decoderBytes());
    }
  }

  private static void assertSame(Run expected, Run actual) {
    assertEquals(expected.tokens, actual.tokens);
    for (int i = 0; i < TOKENS; i++) {
      assertArrayEquals(expected.logits.get(i), actual.logits.get(i), "token " + i);
    }
  }

  /** In f32 no weight is rounded, and the products are added in one order: the same bits. */
  @Test
  void cpuAnswersFromBlocksAsFromTheirValues() {
    Run blocks = run(CpuDevice.open(), DType.F32, BlockWeightsTest::inBlocks);
    assertEquals(new TreeSet<>(List.of("eight_bits", "f16")), blocks.formats);
    assertSame(run(CpuDevice.open(), DType.F32, BlockWeightsTest::oneByOne), blocks);
    Run stored = run(CpuDevice.open(), DType.F32, source -> source);
    assertTrue(blocks.bytes < 0.8 * stored.bytes, blocks.bytes + " of " + stored.bytes);
    assertFalse(java.util.Arrays.equals(stored.logits.get(0), blocks.logits.get(0)));
    double apart = distance(stored, blocks);
    assertTrue(apart < 1, "eight bits are near sixteen: " + apart);
  }

  /**
   * Blocks are not rounded to the activations' type where they are read, so the values one by one,
   * which are, err more; but not by more than that rounding does everywhere else.
   */
  @Test
  @Tag("slow")
  void cpuDoesNotRoundBlocksToTheActivations() {
    Run exact = run(CpuDevice.open(), DType.F32, BlockWeightsTest::oneByOne);
    Run blocks = run(CpuDevice.open(), DType.BF16, BlockWeightsTest::inBlocks);
    Run rounded = run(CpuDevice.open(), DType.BF16, BlockWeightsTest::oneByOne);
    assertFalse(java.util.Arrays.equals(rounded.logits.get(0), blocks.logits.get(0)));
    double error = distance(exact, blocks);
    double more = distance(exact, rounded);
    assertTrue(error <= 2 * more, error + " beside " + more);
  }

  /** The native devices round the values to the activations' type when they load them. */
  @ParameterizedTest
  @Tag("slow")
  @EnumSource(names = {"F32", "BF16", "F16"})
  void kernelsAnswerFromDecodedBlocksAsFromTheirValues(DType dtype) {
    Native.needsDevice();
    Run blocks = run(NativeDevice.open(Native.DEVICE), dtype, BlockWeightsTest::inBlocks);
    assertSame(run(NativeDevice.open(Native.DEVICE), dtype, BlockWeightsTest::oneByOne), blocks);
    assertEquals(new TreeSet<>(List.of(dtype.label())), blocks.formats);
    String said = "weights decoded on load: eight_bits to " + dtype.label();
    assertTrue(blocks.device.contains(said), blocks.device);
  }

  /** Of the logits that the first token was drawn from. */
  private static double distance(Run a, Run b) {
    double most = 0;
    for (int i = 0; i < a.logits.get(0).length; i++) {
      most = Math.max(most, Math.abs(a.logits.get(0)[i] - b.logits.get(0)[i]));
    }
    return most;
  }
}
