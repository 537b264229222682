package starling.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import starling.Answer;
import starling.Checkout;
import starling.Demo;
import starling.Model;
import starling.Question;
import starling.cuda.FakeCuda;
import starling.cuda.Floats;
import starling.cuda.Gaussian;
import starling.cuda.NativeDevice;
import starling.cuda.PlayedLibrary;
import starling.device.AttentionInputs;
import starling.device.AttentionProvider;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Providers;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * Attention by cuDNN, over made-up CUDA calls and a library that plays cuDNN ({@code
 * native/test/fake_cudnn}) and refuses what the real one refuses.
 */
class CudnnTest {
  private static final Providers CUDNN = Providers.attention(AttentionProvider.CUDNN);
  private static FakeCuda gpu;
  private static PlayedLibrary cudnn;

  @BeforeAll
  static void open() {
    gpu = new FakeCuda("");
    cudnn = new PlayedLibrary("cudnn");
  }

  @AfterAll
  static void close() {
    if (cudnn != null) {
      cudnn.close();
    }
    if (gpu != null) {
      gpu.close();
    }
  }

  @BeforeEach
  void nothingGoesWrong() {
    cudnn.order("");
  }

  /**
   * @param cached rows of the cache that stand before; -1: no cache
   */
  private record Case(
      DType dtype, int rows, int cached, int heads, int keyHeads, int d, boolean causal) {
    Case(int rows, int cached, boolean causal) {
      this(DType.BF16, rows, cached, 4, 4, 32, causal);
    }

    int keys() {
      return rows + Math.max(0, cached);
    }
  }

  /** What attention gave, and what the columns then received. */
  private record Result(float[] out, float[] lse, float[] sums) {}

  private static Result result(NativeDevice device, Case c) {
    try (TensorArena arena = device.arena("test")) {
      var random = new Random(6);
      int room = c.keys() + 3; // more rows than are written
      int wide = (c.heads + 2 * c.keyHeads) * c.d;
      Tensor qkv = device.table(arena, c.dtype, Gaussian.of(random, 1, room, wide));
      Tensor q = qkv.rows(0, c.rows).columns(0, c.heads * c.d).split(c.heads, c.d);
      Tensor k = columns(qkv, c.heads * c.d, c);
      Tensor v = columns(qkv, (c.heads + c.keyHeads) * c.d, c);
      Segments segments =
          c.cached < 0
              ? null
              : SegmentTable.of(
                  device, arena, c.rows, room, Segment.of(0, c.rows, 0, room).behind(c.cached));
      Tensor out = arena.alloc("out", c.dtype, c.rows, c.heads, c.d);
      Tensor lse = arena.alloc("lse", DType.F32, c.heads, c.rows);
      Tensor sums = arena.alloc("sums", DType.F32, c.heads, c.keys());
      var kv = new Kv(k, v, segments);
      Mask mask = c.causal ? Mask.CAUSAL : Mask.NONE;
      float scale = (float) (1 / Math.sqrt(c.d));
      device.attention(out, lse, new AttentionInputs(q, kv, mask, scale));
      var all = new Span(0, c.rows);
      device.attentionColsum(
          sums,
          new AttentionInputs(q, kv, mask, scale),
          lse,
          all,
          new Candidates(0, c.keys(), null));
      return new Result(Floats.of(device, out), Floats.of(device, lse), Floats.of(device, sums));
    }
  }

  private static Tensor columns(Tensor qkv, int from, Case c) {
    return qkv.columns(from, from + c.keyHeads * c.d).split(c.keyHeads, c.d);
  }

  private static void assertClose(float[] own, float[] theirs, double bound, String what) {
    for (int i = 0; i < own.length; i++) {
      assertEquals(own[i], theirs[i], bound * (1 + Math.abs(own[i])), what);
    }
  }

  @Test
  void bothAgreeAndEveryRowGivesAwayOne() {
    int calls = 0;
    try (NativeDevice own = NativeDevice.open(DeviceType.CUDA);
        NativeDevice library = NativeDevice.open(DeviceType.CUDA, CUDNN)) {
      for (DType dtype : List.of(DType.BF16, DType.F16)) {
        // Both round probabilities and results to the type: a unit or two in the last place.
        // Statistics are f32 sums of the same products.
        double bound = dtype == DType.BF16 ? 0x1p-7 : 0x1p-9;
        for (int d : new int[] {32, 64, 80, 128}) {
          for (int cached : new int[] {-1, 0, 9}) {
            for (boolean causal : new boolean[] {false, true}) {
              var c = new Case(dtype, 21, cached, 4, d == 64 ? 2 : 4, d, causal);
              Result a = result(own, c);
              Result b = result(library, c);
              assertClose(a.out, b.out, bound, "out of " + c);
              assertClose(a.lse, b.lse, 1e-5, "lse of " + c);
              assertClose(a.sums, b.sums, 1e-4, "sums of " + c);
              for (int h = 0; h < c.heads; h++) {
                double mass = 0;
                for (int j = 0; j < c.keys(); j++) {
                  mass += b.sums[h * c.keys() + j];
                }
                assertEquals(c.rows, mass, 1e-3, "columns receive what the rows give: " + c);
              }
              assertEquals(++calls, cudnn.count("executed"), c.toString());
            }
          }
        }
      }
      assertTrue(library.description().endsWith(", attention by cuDNN 9.24.0"));
    }
    assertEquals(0, cudnn.count("alive"), "closing leaves nothing");
  }

  @Test
  void whatItDoesNotDoIsOurOwn() {
    try (NativeDevice library = NativeDevice.open(DeviceType.CUDA, CUDNN)) {
      result(library, new Case(4, -1, false)); // few rows
      result(library, new Case(DType.F32, 21, -1, 4, 4, 32, false));
      assertEquals(0, cudnn.count("executed"));
      cudnn.order("version=91500"); // masks and lengths came with 9.21
      result(library, new Case(21, -1, true));
      result(library, new Case(21, 4, false));
      assertEquals(0, cudnn.count("executed"));
      result(library, new Case(21, -1, false));
      assertEquals(1, cudnn.count("executed"));
    }
  }

  @Test
  void whatFailsGetsASentence() {
    cudnn.order("version=91300");
    assertRefused("attention cudnn: 9.13.1 or later is needed, and this is cuDNN 9.13.0");
    cudnn.order("create=1001");
    assertRefused("attention cudnn: cudnnCreate: CUDNN_STATUS_OF_THE_STUB (1001): ordered so");
    cudnn.order("");
    assertEquals(
        "attention cudnn needs device cuda",
        assertThrows(InputException.class, () -> NativeDevice.open(DeviceType.EMULATED, CUDNN))
            .getMessage());
    assertEquals(
        "attention cudnn needs dtype bf16 or f16",
        assertThrows(
                InputException.class,
                () -> Model.open(Demo.MODEL, DeviceType.CUDA, DType.F32, CUDNN))
            .getMessage());
    assertEquals(0, cudnn.count("alive"));
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA, CUDNN)) {
      var c = new Case(21, -1, false);
      cudnn.order("plans=0");
      String why = assertThrows(InputException.class, () -> result(device, c)).getMessage();
      assertTrue(why.startsWith("attention cudnn: no kernel for Shape[rows=21, "), why);
      assertTrue(why.endsWith("(3000): this engine does not compile"), why);
      assertEquals(1, cudnn.count("alive"), "of a failed plan nothing is left");
      cudnn.order("plans=1");
      result(device, c);
      assertEquals(1, cudnn.count("executed"), "the engine that compiles was taken");
      cudnn.order("execute=5000");
      assertEquals(
          "cudnnBackendExecute: CUDNN_STATUS_OF_THE_STUB (5000): ordered so",
          assertThrows(IllegalStateException.class, () -> result(device, c)).getMessage());
    }
  }

  private static void assertRefused(String sentence) {
    assertEquals(
        sentence,
        assertThrows(InputException.class, () -> NativeDevice.open(DeviceType.CUDA, CUDNN))
            .getMessage());
  }

  /** A library that reports success and computes something else is not believed. */
  @Test
  void theFirstResultOfAShapeIsHeldAgainstOurs() {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA, CUDNN)) {
      var c = new Case(21, -1, false);
      cudnn.order("execute=5000"); // a call that fails has no result to hold against ours
      assertThrows(IllegalStateException.class, () -> result(device, c));
      for (String order : List.of("zeros=1", "zeros=1", "base=2")) {
        cudnn.order(order);
        String why =
            assertThrows(IllegalStateException.class, () -> result(device, c)).getMessage();
        assertTrue(why.startsWith("cuDNN's attention differs from our kernel's: its "), why);
        assertTrue(why.contains(order.equals("base=2") ? "row statistics" : "output"), why);
      }
      cudnn.order("");
      result(device, c);
    }
  }

  /** A card that fails under a library: a sentence, and closing once more is harmless. */
  @Test
  void closingAfterAFaultIsHarmlessTheSecondTime() {
    NativeDevice device = NativeDevice.open(DeviceType.CUDA, CUDNN);
    try {
      result(device, new Case(21, -1, false));
      gpu.order("fault=1");
      String why = "the GPU stopped a kernel (an illegal memory access was encountered)";
      for (Executable step :
          List.<Executable>of(() -> result(device, new Case(22, 4, false)), device::close)) {
        String sentence = assertThrows(RuntimeException.class, step).getMessage();
        assertTrue(sentence.contains(why), sentence);
      }
      device.close();
      assertThrows(IllegalStateException.class, device::cudaStream);
      assertEquals(0, cudnn.count("alive"), "of the library nothing is left");
    } finally {
      gpu.order("");
    }
  }

  @Test
  void shapesDoNotPileUp() {
    try (NativeDevice device = NativeDevice.open(DeviceType.CUDA, CUDNN)) {
      int most = 0;
      for (int rows = 17; rows < 17 + 40; rows++) {
        result(device, new Case(rows, -1, false));
        most = rows == 17 + 31 ? cudnn.count("alive") : most;
      }
      assertEquals(most, cudnn.count("alive"), "32 stay");
    }
  }

  @Test
  void aModelAnswersWithEither() {
    Question question =
        Question.of("How many red objects are there?")
            .image(Demo.image("scene-00.png"))
            .prune("star:R=0.1,K=4,P=0.9")
            .maxTokens(3);
    try (Model own = Model.open(Demo.MODEL, DeviceType.CUDA, DType.BF16, Providers.OWN);
        Model library = Model.open(Demo.MODEL, DeviceType.CUDA, DType.BF16, CUDNN)) {
      Answer a = own.ask(question);
      assertEquals(0, cudnn.count("executed"));
      Answer b = library.ask(question);
      assertTrue(cudnn.count("executed") > 0);
      assertEquals(a.outputTokens(), b.outputTokens());
      assertEquals(a.stages().size(), b.stages().size());
      for (int s = 0; s < a.stages().size(); s++) {
        // Of nearly equal scores either may win: values are rounded to bf16 on the way.
        var kept = a.stages().get(s).kept();
        var both = new HashSet<>(kept);
        both.retainAll(b.stages().get(s).kept());
        assertTrue(both.size() >= 0.95 * kept.size(), both.size() + " of " + kept.size());
      }
    }
  }

  /** Few rows are not another library's, since our own kernel splits their keys. */
  @Test
  void fewRowsAreAsManyAsTheKernelForThemTakes() throws IOException {
    String kernel = Files.readString(Checkout.path("kernels/gpu/attention_decode.h"));
    assertTrue(kernel.contains("DECODE_ROWS = " + (LibraryAttention.MIN_ROWS - 1) + ";"));
  }
}
