package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.device.CallMemory.bytes;
import static starling.device.CallMemory.shape;
import static starling.device.OnEveryDevice.ACCEPTED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every tensor of every operator, in other types, shapes and memories, on every device. */
class OperatorTensorsTest extends OnEveryDevice {
  @ParameterizedTest
  @MethodSource("operators")
  void rightArgumentsAreAccepted(OperatorCall operator) {
    assertEquals(ACCEPTED, outcome(operator, "right arguments", (w, g) -> {}));
    // In a caller's memory too.
    for (String name : tensors(operator)) {
      for (Device device : thoseThatReachTheHost()) {
        assertEquals(ACCEPTED, outcome(device, operator, (w, g) -> moved(w, g, name, 0, false)));
      }
    }
  }

  /**
   * The other types and sizes that single tensors may have while the rest stays as it is; all
   * others are refused. A size is written as its dimension and what is added.
   */
  private static final Map<String, Set<String>> ALSO_RIGHT =
      Map.ofEntries(
          Map.entry(
              "upload", Set.of("dst 0-1", "dst 1-1", "dst BF16", "dst F16", "dst I32", "dst U8")),
          Map.entry(
              "download", Set.of("src 0-1", "src 1-1", "src BF16", "src F16", "src I32", "src U8")),
          Map.entry("asLinear", Set.of("part BF16", "part F16", "part 1+1", "part 1-1")),
          Map.entry("patchify", Set.of("out BF16", "out F16", "pixels 1+1", "pixels 2+1")),
          Map.entry("embed", Set.of("table 0+1", "table 0-1")),
          Map.entry("rowStatistics", Set.of("x 1+1", "x 1-1", "x BF16", "x F16")),
          Map.entry(
              "stepAttention", Set.of("hidden 0+1", "hidden 0-1", "segments 0+1", "segments 0-1")),
          Map.entry("rope", Set.of("segments 0+1", "segments 0-1")),
          Map.entry(
              "attention", Set.of("hidden 0+1", "hidden 0-1", "segments 0+1", "segments 0-1")),
          Map.entry("attentionColsum", Set.of("hidden 0+1", "hidden 0-1")),
          Map.entry("tokenSelect", Set.of("keep 0+1", "keep 0-1", "sums 0+1", "sums 0-1")),
          Map.entry("colsumSelect", Set.of("hidden 0+1", "hidden 0-1")),
          Map.entry("cosines", Set.of("x 1+1", "x 1-1", "x BF16", "x F16")),
          Map.entry("dropDuplicates", Set.of("keep 0+1", "keep 0-1")),
          Map.entry(
              "hideRows",
              Set.of("hidden 0+1", "keep 0+1", "keep 0-1", "candidates 0+1", "candidates 0-1")),
          Map.entry("gatherRows", Set.of("in 0+1", "in 0-1", "in2 0+1", "in2 0-1")),
          Map.entry("combineRows", Set.of("in 0+1", "in 0-1")),
          Map.entry("compactRows", Set.of("rows 0+1", "rows 0-1")),
          Map.entry("sample", Set.of("logits 1+1", "logits 1-1")),
          Map.entry("advance", Set.of("segments 0+1", "segments 0-1")));

  @ParameterizedTest
  @MethodSource("operators")
  void anotherTypeOrShapeComesToOneEndOnEveryDevice(OperatorCall operator) {
    var accepted = new TreeSet<String>();
    for (String name : tensors(operator)) {
      for (DType type : DType.values()) {
        CallChange change =
            (w, g) -> g.with(name, w.alloc(g.t(name).name(), type, shape(g.t(name))));
        if (outcome(operator, name + " as " + type, change).equals(ACCEPTED)
            && !isOf(operator, name, type)) {
          accepted.add(name + " " + type);
        }
      }
      for (int dimension = 0; dimension < rank(operator, name); dimension++) {
        for (int by : new int[] {-1, 1}) {
          int at = dimension;
          String what = name + " " + at + (by < 0 ? "-1" : "+1");
          CallChange change =
              (w, g) -> {
                int[] shape = shape(g.t(name));
                shape[at] += by;
                g.with(name, w.alloc(g.t(name).name(), g.t(name).dtype(), shape));
              };
          if (outcome(operator, what, change).equals(ACCEPTED)) {
            accepted.add(what);
          }
        }
      }
      outcome(operator, name + " of no rows", (w, g) -> g.with(name, g.t(name).rows(0, 0)));
      String ranks =
          outcome(
              operator,
              name + " with a dimension more",
              (w, g) -> {
                int[] shape = Arrays.copyOf(shape(g.t(name)), g.t(name).rank() + 1);
                shape[shape.length - 1] = 1;
                g.with(name, w.alloc(g.t(name).name(), g.t(name).dtype(), shape));
              });
      boolean any = operator.name().endsWith("load");
      assertEquals(any, ranks.equals(ACCEPTED), operator + " " + name + ": " + ranks);
    }
    assertEquals(
        new TreeSet<>(ALSO_RIGHT.getOrDefault(operator.name(), Set.of())),
        accepted,
        operator.name());
  }

  @ParameterizedTest
  @MethodSource("operators")
  void memoryThatIsClosedOrAnotherDevicesIsRefused(OperatorCall operator) {
    for (String name : tensors(operator)) {
      refused(
          "tensor my " + name + " is used after its arena 'closed' was closed",
          outcome(
              operator,
              name + " of a closed arena",
              (w, g) -> {
                TensorArena closed = w.device().arena("closed");
                Tensor t = g.t(name);
                g.with(name, closed.alloc("my " + name, t.dtype(), shape(t)));
                closed.close();
              }),
          operator + " " + name);
      refused(
          " of another device",
          outcome(
              operator,
              name + " of another device",
              (w, g) -> {
                Tensor t = g.t(name);
                g.with(name, w.other().alloc("my " + name, t.dtype(), shape(t)));
              }),
          operator + " " + name);
      for (Device device : thoseThatReachTheHost()) {
        refused(
            "the memory of tensor my " + name + " is closed",
            outcome(
                device,
                operator,
                (w, g) -> {
                  Tensor t = g.t(name);
                  try (Arena closed = Arena.ofShared()) {
                    MemorySegment memory = closed.allocate(4096, 16);
                    g.with(name, w.view("my " + name, t.dtype(), memory, shape(t)));
                  }
                }),
            operator + " " + name);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("operators")
  void readOnlyMemoryIsRefusedForOutputsAndTakenForInputs(OperatorCall operator) {
    for (String name : tensors(operator)) {
      CallChange change = (w, g) -> moved(w, g, name, 0, true);
      String outcome = outcome(thoseThatReachTheHost(), operator, name + " read-only", change);
      if (operator.outputs().contains(name)) {
        refused("in memory that may only be read", outcome, operator + " " + name);
        refused("my ", outcome, operator + " " + name);
      } else {
        assertEquals(ACCEPTED, outcome, operator + " " + name);
      }
    }
  }

  /** Host memory is not a GPU's, an array on the heap not native code's: each says so by name. */
  @ParameterizedTest
  @MethodSource("operators")
  void memoryOutOfReachIsRefusedByName(OperatorCall operator) {
    for (String name : tensors(operator)) {
      for (Device device : DEVICES) {
        String host = outcome(device, operator, (w, g) -> moved(w, g, name, 0, false));
        String heap =
            outcome(
                device,
                operator,
                (w, g) -> {
                  Tensor t = g.t(name);
                  MemorySegment memory = MemorySegment.ofArray(new float[1024]);
                  g.with(name, w.view(t.name(), t.dtype(), memory, shape(t)));
                });
        String gpu =
            outcome(
                device,
                operator,
                (w, g) -> {
                  Tensor t = g.t(name);
                  var block = new Block(null, 64); // never read: cpu refuses, the others do not run
                  g.with(name, w.arena().view(t.name(), t.dtype(), block, shape(t)));
                  if (device.type() != DeviceType.CPU) {
                    throw new IllegalStateException("my tensor: not run");
                  }
                });
        String what = operator + " " + name + " on " + device.type().label();
        switch (device.type()) {
          case CPU -> {
            assertEquals(ACCEPTED, heap, what);
            refused("in device memory, which this device cannot use", gpu, what);
          }
          case EMULATED -> {
            assertEquals(ACCEPTED, host, what);
            refused("on the Java heap, which this device cannot use", heap, what);
          }
          default -> {
            refused("in host memory, which this device cannot use", host, what);
            refused("in host memory, which this device cannot use", heap, what);
          }
        }
      }
    }
  }

  /** Rows that kernels read 16 bytes at a time. */
  private static final Map<String, Set<String>> VECTORS =
      Map.ofEntries(
          Map.entry("asLinear", Set.of("part")),
          Map.entry("layernorm", Set.of("x", "weight", "bias")),
          Map.entry("rmsnorm", Set.of("x", "weight")),
          Map.entry("rowStatistics", Set.of("x")),
          Map.entry("gemm", Set.of("x", "part", "weight", "bias")),
          Map.entry("attention", Set.of("q", "k", "v")),
          Map.entry("stepAttention", Set.of("q", "k", "v", "qkv", "attended", "part")),
          Map.entry("attentionColsum", Set.of("q", "k", "v")),
          Map.entry("colsumSelect", Set.of("q", "k", "v")),
          Map.entry("cosines", Set.of("x")),
          Map.entry("compactRows", Set.of("k", "v", "k2", "v2")));

  @ParameterizedTest
  @MethodSource("operators")
  void rowsThatKernelsReadBy16BytesMustStartThereOnEveryDevice(OperatorCall operator) {
    for (String name : tensors(operator)) {
      CallChange change = (w, g) -> moved(w, g, name, g.t(name).dtype().bytes(), false);
      String outcome = outcome(thoseThatReachTheHost(), operator, name + " shifted", change);
      // The same in a device's own memory: a column further.
      CallChange column =
          (w, g) -> {
            Tensor t = g.t(name);
            if (t.rank() > 1) {
              int[] inner = Arrays.copyOfRange(shape(t), 1, t.rank());
              Tensor wider = w.alloc(t.name(), t.dtype(), t.rows(), t.width() + 1);
              Tensor shifted = wider.columns(1, t.width() + 1).split(inner);
              w.device().upload(shifted, MemorySegment.ofArray(bytes(t.dtype(), shape(t))));
              g.with(name, shifted);
            }
          };
      String shifted = outcome(operator, name + " a column further", column);
      if (VECTORS.getOrDefault(operator.name(), Set.of()).contains(name)) {
        String sentence = "of which every row must start at a multiple of 16 bytes";
        refused(sentence, outcome, operator + " " + name);
        refused("my " + name + " is ", outcome, operator + " " + name);
        assertTrue(shifted.equals(ACCEPTED) || shifted.contains(sentence), shifted);
      } else {
        assertEquals(ACCEPTED, outcome, operator + " " + name);
        assertEquals(ACCEPTED, shifted, operator + " " + name);
      }
    }
  }

  /** An output may be the same view as one input, and otherwise shares no byte with anything. */
  private static final Set<String> MAY_BE_SAME =
      Set.of("layernorm out x", "rmsnorm out x", "stepAttention y residual");

  @ParameterizedTest
  @MethodSource("operators")
  void anOutputThatLiesWhereAnotherArgumentDoesIsRefused(OperatorCall operator) {
    for (String out : operator.outputs()) {
      for (String other : tensors(operator)) {
        if (out.equals(other)) {
          continue;
        }
        String what = operator + " " + out + " " + other;
        String outcome =
            outcome(
                thoseThatReachTheHost(),
                operator,
                what,
                (w, g) -> {
                  MemorySegment memory = w.host().allocate(8192, 64);
                  g.with(out, w.view("my " + out, g.t(out).dtype(), memory, shape(g.t(out))));
                  Tensor t = g.t(other);
                  g.with(other, w.view("my " + other, t.dtype(), memory, shape(t)));
                });
        if (MAY_BE_SAME.contains(what)) {
          assertEquals(ACCEPTED, outcome, what);
        } else if (!outcome.contains("overlaps")) {
          throw new AssertionError(what + ": " + outcome);
        }
      }
    }
  }
}
