package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static starling.device.BadCall.floats;
import static starling.device.OnEveryDevice.ACCEPTED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The few things that devices differ in, whose memory they take, and what the checks cost. */
class OperatorMemoryTest extends OnEveryDevice {
  private static CallChange heads(int channels) {
    return (w, g) -> {
      for (String t : List.of("q", "k", "v", "out")) {
        if (g.t(t) != null) {
          g.with(t, w.f32("my " + t, g.t(t).rows(), g.t(t).dim(1), channels));
        }
      }
    };
  }

  /** Kernels are compiled for heads of 32, 64, 80 and 128 channels; Java takes any. */
  @Test
  void headsThatKernelsDoNotHaveAreRefusedByThemAlone() {
    for (Device device : DEVICES) {
      boolean java = device.type() == DeviceType.CPU;
      for (String name : List.of("attention", "attentionColsum", "colsumSelect")) {
        for (int d : new int[] {32, 64, 80, 128}) {
          assertEquals(
              ACCEPTED, outcome(device, OperatorCall.of(name), heads(d)), name + " of " + d);
        }
        String outcome = outcome(device, OperatorCall.of(name), heads(48));
        String refused =
            "IllegalArgumentException: q: my q is F32[4, 2, 48], expected heads of 32, 64, 80 or"
                + " 128 channels; pad others with zeros";
        assertEquals(java ? ACCEPTED : refused, outcome, name + " on " + device.type().label());
      }
    }
  }

  /** A matrix is its device's own; one of another's is refused like a tensor of it. */
  @Test
  void aMatrixOfAnotherDeviceIsRefused() {
    Device other = new ReferenceDevice();
    for (Device device : DEVICES) {
      try (CallMemory w = CallMemory.of(device);
          TensorArena arena = other.arena("other")) {
        Tensor x = w.f32("my x", 3, 32);
        Tensor y = w.f32("my y", 3, 16);
        Linear weight =
            other.linear(arena, DType.F32, Linear.Source.of(floats("my w", 16, 32), null));
        assertEquals(
            "IllegalArgumentException: my w is F32[16, 32] of another device",
            outcome(() -> device.gemm(y, x, weight, null, Activation.NONE, null)),
            device.type().label());
      }
    }
  }

  /**
   * On cpu a checkpoint's narrower tensor is read where it is mapped, and yet counts as the type it
   * was asked for in, as on the devices that widen it.
   */
  @Test
  void aTableCountsAsTheTypeItWasAskedForHoweverItIsStored() {
    for (Device device : DEVICES) {
      try (CallMemory w = CallMemory.of(device)) {
        MemorySegment file = w.host().allocate(1 + 2 * 32, 16).asSlice(1);
        for (int i = 0; i < 32; i++) {
          file.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, DType.bf16(i));
        }
        var stored = new StoredTensor("my weight", DType.BF16, List.of(32), file.asReadOnly());
        Tensor weight = device.table(w.arena(), DType.F32, stored);
        OperatorCall rmsnorm = OperatorCall.of("rmsnorm");
        CallArguments given = rmsnorm.right().apply(w).with("weight", weight);
        device.upload(given.t("x"), MemorySegment.ofArray(ones(96)));
        rmsnorm.call().apply(device, given).run();
        float[] out = new float[96];
        device.download(MemorySegment.ofArray(out), given.t("out"));
        assertEquals(31, out[95], 1e-3, device.type().label());

        given.with("x", w.alloc("my x", DType.BF16, 3, 32));
        given.with("out", w.alloc("my out", DType.BF16, 3, 32));
        assertEquals(
            "IllegalArgumentException: weight: my weight is F32[32], but my x is BF16[3, 32]",
            outcome(() -> rmsnorm.call().apply(device, given).run()),
            device.type().label());

        // Where it is not widened by an operator's arithmetic: rows gathered, and numbers read as
        // f32.
        Tensor table =
            device.table(
                w.arena(),
                DType.F32,
                new StoredTensor("my table", DType.BF16, List.of(4, 8), file.asReadOnly()));
        Tensor rows = w.f32("rows", 2, 8);
        device.gatherRows(List.of(rows), List.of(table), w.i32("index", 2));
        float[] gathered = new float[16];
        device.download(MemorySegment.ofArray(gathered), rows);
        for (int i = 0; i < 16; i++) {
          assertEquals(i, gathered[i], device.type().label());
        }
        Tensor nonFinite = w.i32("nonFinite", 1);
        Tensor score = w.f32("score", 8);
        device.tokenSelect(w.i32("keep", 1), score, table, 1, nonFinite);
        float[] scores = new float[8];
        device.download(MemorySegment.ofArray(scores), score);
        assertEquals((7 + 15 + 23 + 31) / 4f, scores[7], device.type().label());
      }
    }
  }

  private static float[] ones(int n) {
    float[] ones = new float[n];
    Arrays.fill(ones, 1);
    return ones;
  }

  /** Its worker threads may not touch such memory, so cpu works without them. */
  @Test
  void memoryOfTheCallingThreadAloneIsUsedByItAlone() {
    for (Device device : thoseThatReachTheHost()) {
      try (CallMemory w = CallMemory.of(device);
          Arena confined = Arena.ofConfined()) {
        MemorySegment memory = confined.allocate(64 * 1024 * 4, 64);
        Tensor x = w.arena().view("x", DType.F32, Block.of(memory), 64, 1024);
        device.upload(x, MemorySegment.ofArray(ones(64 * 1024)));
        Tensor y = w.f32("y", 64, 1024);
        device.rmsnorm(y, x, new Norm(w.f32("weight", 1024), null, 0));
        Linear weight = device.asLinear(w.f32("part", 1024, 1024), null);
        device.gemm(y, x, weight, null, Activation.NONE, null);
        Tensor heads = x.split(32, 32);
        Tensor out = w.f32("out", 64, 1024).split(32, 32);
        Tensor lse = w.f32("lse", 32, 64);
        var kv = new Kv(heads, heads, null);
        device.attention(out, lse, new AttentionInputs(heads, kv, Mask.NONE, 1));
        float[] values = new float[64 * 1024];
        device.download(MemorySegment.ofArray(values), out.columns(0, 1024));
        assertEquals(1, values[64 * 1024 - 1], 1e-6);
        var sums = w.f32("sums", 32, 64);
        device.attentionColsum(
            sums,
            new AttentionInputs(heads, kv, Mask.NONE, 1),
            lse,
            new Span(0, 64),
            new Candidates(0, 64, null));
        device.colsumSelect(
            w.i32("keep", 9),
            w.f32("score", 64),
            new AttentionInputs(heads, kv, Mask.NONE, 1),
            lse,
            new Span(0, 64),
            new Candidates(0, 64, null),
            w.i32("nonFinite", 1));
        Tensor cosines = w.f32("cosines", 64, 64);
        device.cosines(cosines, x, w.i32("nonFinite", 1));
        device.dropDuplicates(w.i32("keep", 9), w.f32("score", 64), cosines, 3);
        var rope = new Rope(w.f32("cos", 64, 16), w.f32("sin", 64, 16));
        var cache =
            new Kv(
                w.f32("k", 64, 1, 32),
                w.f32("v", 64, 1, 32),
                SegmentTable.one(device, w.arena(), 64, 0, 64));
        Tensor q = w.f32("q", 64, 30, 32);
        device.rope(q, cache, x, w.i32("positions", 64), rope);
      }
    }
  }

  // ---- what the checks cost ----

  /** After the JIT compiler is done: the smallest of several windows. */
  @Test
  void checksAllocateNothing() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    Device device = DEVICES.get(Math.min(1, DEVICES.size() - 1));
    if (device.type() == DeviceType.CPU) {
      System.out.println("checksAllocateNothing not run: it needs the emulated device");
      return;
    }
    // Those that make something: a list of caches is cut into pieces, memory is copied or taken.
    var others = Set.of("upload", "download", "table", "linear", "asLinear", "compactRows");
    try (CallMemory w = CallMemory.of(device)) {
      Map<OperatorCall, Runnable> calls =
          OperatorCall.ALL.stream()
              .filter(o -> !others.contains(o.name()))
              .collect(Collectors.toMap(o -> o, o -> o.call().apply(device, o.right().apply(w))));
      for (var entry : calls.entrySet()) {
        long least = Long.MAX_VALUE;
        for (int window = 0; window < 300 && least > 0; window++) {
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 200; i++) {
            entry.getValue().run();
          }
          least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertEquals(0, least, "bytes allocated by 200 calls of " + entry.getKey());
      }
      assertFalse(calls.isEmpty());
    }
  }
}
