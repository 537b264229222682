package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import starling.Answer;
import starling.Demo;
import starling.Devices;
import starling.Model;
import starling.Question;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.OutOfMemoryException;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * What a GPU can do to a program, on a made-up one: what is said, and that nothing is lost. The
 * sentences come from the code of the real library ({@code native/cuda/platform.cu}).
 */
class CudaFailureTest {
  private static String refused(String orders) {
    try (var _ = new FakeCuda(orders)) {
      String sentence =
          assertThrows(InputException.class, () -> NativeDevice.open(DeviceType.CUDA)).getMessage();
      assertEquals(1, sentence.lines().count());
      return sentence;
    }
  }

  @Test
  void aDriverThatIsNotThereOrTooOld() {
    assertTrue(refused("driver=0").contains("no driver: libcuda.so.1"));
    assertEquals(
        "device cuda: driver too old: it supports CUDA 12.8, these kernels need 13.0; install an"
            + " NVIDIA driver of release 580 or newer",
        refused("driver=12080"));
  }

  @Test
  void noCardAndNoKernelForIt() {
    assertTrue(refused("devices=0").startsWith("device cuda: no GPU"));
    String image = refused("image=0");
    assertTrue(image.contains("no kernel runs on Fake GPU, compute capability 9.0"), image);
    assertTrue(image.contains("this library was compiled for"), image);
  }

  /** A card is asked once by a tiny kernel, whose result is looked at. */
  @Test
  void aCardThatDoesNothing() {
    assertTrue(refused("mute=1").contains("gave 0 instead of 7"));
  }

  @Test
  void outOfMemorySaysHowMuchForWhatAndWhatToLower() {
    try (var _ = new FakeCuda("memory=50000000")) {
      try (Device device = NativeDevice.open(DeviceType.CUDA);
          TensorArena arena = device.arena("cache")) {
        arena.alloc("small", DType.F32, 1000, 1000);
        String sentence =
            assertThrows(
                    OutOfMemoryException.class, () -> arena.alloc("keys", DType.F32, 5000, 5000))
                .getMessage();
        assertTrue(sentence.contains("100000000 bytes asked"), sentence);
        assertTrue(sentence.contains("of 50000000 free"), sentence);
        assertTrue(sentence.contains("for 'keys' of 'cache', which holds 4000000"), sentence);
        assertTrue(sentence.contains("--max-tokens"), sentence);
        device.advance(SegmentTable.counter(device, arena)); // and work goes on
      }
    }
  }

  /** Of a card with less than a block of the kernel takes; one with more runs it. */
  @Test
  void moreSharedMemoryThanABlockHasIsRefused() {
    try (var gpu = new FakeCuda("shared=49152");
        Device device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("select")) {
      String sentence =
          assertThrows(IllegalArgumentException.class, () -> select(device, arena, 16_384))
              .getMessage();
      assertTrue(
          sentence.contains(
              "token_select: its kernel needs 65536 bytes of shared memory in a block;"
                  + " this device has 49152"),
          sentence);
      select(device, arena, 8000);
      gpu.order("shared=232448");
      select(device, arena, 16_384);
    }
  }

  private static void select(Device device, TensorArena arena, int n) {
    Tensor sums = arena.alloc("sums", DType.F32, 1, n);
    device.upload(sums, MemorySegment.ofArray(new float[n]));
    Tensor fault = arena.alloc("fault", DType.I32, 1);
    device.upload(fault, MemorySegment.ofArray(new int[1]));
    Tensor keep = arena.alloc("keep", DType.I32, 2);
    device.tokenSelect(keep, arena.alloc("score", DType.F32, n), sums, 1, fault);
    int[] kept = new int[2];
    device.download(MemorySegment.ofArray(kept), keep);
    assertArrayEquals(new int[] {0, 1}, kept);
  }

  @Test
  void afterAFaultEveryCallSaysSoAndClosingIsQuiet() {
    try (var gpu = new FakeCuda("")) {
      Device device = NativeDevice.open(DeviceType.CUDA);
      TensorArena arena = device.arena("mine");
      Segments counter = SegmentTable.counter(device, arena);
      int[] host = new int[Segments.WIDTH];
      gpu.order("fault=2");
      device.advance(counter);
      device.advance(counter);
      for (int i = 0; i < 2; i++) {
        String sentence =
            assertThrows(
                    IllegalStateException.class,
                    () -> device.download(MemorySegment.ofArray(host), counter.table()))
                .getMessage();
        assertTrue(
            sentence.contains(
                "the GPU stopped a kernel (an illegal memory access was encountered)"),
            sentence);
      }
      arena.close();
      device.close();
      device.close();
    }
  }

  @Test
  void autoIsTheCpuAndSaysSoOnce() {
    try (var gpu = new FakeCuda("driver=12080")) {
      var said = new ArrayList<String>();
      Devices.onFallback(said::add);
      for (int i = 0; i < 3; i++) {
        try (Device device = Devices.open(DeviceType.AUTO)) {
          assertEquals(DeviceType.CPU, device.type());
        }
      }
      assertEquals(1, said.size());
      assertTrue(said.get(0).contains("driver too old"), said.get(0));
      gpu.order("");
      try (Device device = Devices.open(DeviceType.AUTO)) {
        assertEquals(DeviceType.CUDA, device.type());
      }
    } finally {
      Devices.onFallback(why -> {});
    }
  }

  @Test
  void cardsAreListedWithTheirUuidAndSlices() {
    try (var gpu = new FakeCuda("devices=2")) {
      assertEquals(2, Devices.cards().size());
      assertEquals("GPU-00112233-4455-6677-8899-aabbccddeeff", Devices.cards().get(0).uuid());
      gpu.order("mig=1");
      assertTrue(Devices.cards().get(0).mig());
      assertTrue(Devices.cards().get(0).uuid().startsWith("MIG-"));
      try (Device device = NativeDevice.open(DeviceType.CUDA)) {
        assertTrue(device.description().contains("Fake GPU MIG 1g.10gb (MIG-00112233"));
      }
      gpu.order("devices=0");
      assertEquals(List.of(), Devices.cards());
    }
  }

  @Test
  void twoModelsOnTwoStreamsAnswerAsOneDoes() throws Exception {
    try (var _ = new FakeCuda("")) {
      Callable<List<Integer>> answer =
          () -> {
            try (Model model = Model.open(Demo.MODEL, DeviceType.CUDA, DType.F32)) {
              Question question =
                  Question.of("How many red objects are there?")
                      .image(Demo.image("scene-00.png"))
                      .prune("star:R=0.1,K=4,P=0.9")
                      .maxTokens(3);
              Answer given = model.ask(question, text -> {});
              assertTrue(given.deviceDescription().contains("GPU-00112233"));
              return given.outputTokens();
            }
          };
      List<Integer> alone = answer.call();
      try (var threads = Executors.newFixedThreadPool(2)) {
        var both = threads.invokeAll(List.of(answer, answer));
        for (var one : both) {
          assertEquals(alone, one.get());
        }
      }
    }
  }
}
