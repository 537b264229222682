package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.opentest4j.TestAbortedException;
import starling.cpu.CpuDevice;
import starling.cuda.FakeCuda;
import starling.cuda.Native;
import starling.cuda.NativeDevice;

/**
 * Wrong arguments, of every operator on every device there is: cpu, emulated, and cuda over made-up
 * CUDA calls. Each is refused before anything is computed, with one sentence that is the same
 * everywhere. {@link #BAD} lists what is wrong with an operator's own rules; besides, every tensor
 * of every operator is given in other types, shapes and memories, and all devices must come to the
 * same end. An operator without rows fails.
 */
class OperatorArgumentsTest {
  private static final List<Device> DEVICES = new ArrayList<>();
  private static FakeCuda fakeCuda;

  @BeforeAll
  static void open() {
    DEVICES.add(CpuDevice.open(2));
    openIfThere(
        () -> {
          Native.needs(Native.HOST);
          return NativeDevice.open(DeviceType.EMULATED);
        });
    openIfThere(
        () -> {
          fakeCuda = new FakeCuda("");
          return NativeDevice.open(DeviceType.CUDA, Providers.OWN);
        });
  }

  private static void openIfThere(java.util.function.Supplier<Device> device) {
    try {
      DEVICES.add(device.get());
    } catch (TestAbortedException e) {
      System.out.println("OperatorArgumentsTest without one device: " + e.getMessage());
    }
  }

  @AfterAll
  static void close() {
    DEVICES.forEach(Device::close);
    DEVICES.clear();
    if (fakeCuda != null) {
      fakeCuda.close();
    }
  }

  // ---- a call with its arguments by name ----

  /** A device with memory for one call. */
  private record World(Device device, TensorArena arena, Arena host, TensorArena other)
      implements AutoCloseable {
    static World of(Device device) {
      var other = new ReferenceDevice().arena("other");
      return new World(device, device.arena("mine"), Arena.ofShared(), other);
    }

    /** Floats are 0; whole numbers count from 0, and in a matrix up to 2. */
    Tensor alloc(String name, DType type, int... shape) {
      Tensor t = arena.alloc(name, type, shape);
      device.upload(t, MemorySegment.ofArray(bytes(type, shape)));
      return t;
    }

    /** A table of one segment of 4 rows behind {@code length} keys of 8; the others are idle. */
    Tensor segments(int length) {
      int[] table = Segments.table(List.of(segment(length)));
      MemorySegment memory = host.allocate(4L * table.length, 16);
      MemorySegment.copy(table, 0, memory, ValueLayout.JAVA_INT, 0, table.length);
      return arena.view("my segments", DType.I32, Block.of(memory), 1, Segments.WIDTH);
    }

    Tensor f32(String name, int... shape) {
      return alloc(name, DType.F32, shape);
    }

    Tensor i32(String name, int... shape) {
      return alloc(name, DType.I32, shape);
    }

    /** The same in a caller's memory. */
    Tensor view(String name, DType type, MemorySegment memory, int... shape) {
      byte[] bytes = bytes(type, shape);
      if (!memory.isReadOnly()) {
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
      }
      return arena.view(name, type, Block.of(memory), shape);
    }

    Tensor ints(String name, int... values) {
      MemorySegment memory = host.allocate(4L * Math.max(1, values.length), 16);
      MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_INT, 0, values.length);
      return arena.view(name, DType.I32, Block.of(memory), values.length);
    }

    @Override
    public void close() {
      arena.close();
      host.close();
      other.close();
    }
  }

  private static byte[] bytes(DType type, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    byte[] bytes = new byte[n * type.bytes()];
    MemorySegment memory = MemorySegment.ofArray(bytes);
    if (shape.length == 2 && shape[1] == Segments.WIDTH && type == DType.I32) {
      // A table of segments, of which all but the first are idle.
      int[] table = Segments.table(List.of(segment(0)));
      int numbers = Math.min(table.length, n);
      MemorySegment.copy(table, 0, memory, ValueLayout.JAVA_INT_UNALIGNED, 0, numbers);
      return bytes;
    }
    for (int i = 0; type == DType.I32 && i < n; i++) {
      memory.set(ValueLayout.JAVA_INT_UNALIGNED, 4L * i, shape.length == 1 ? i : i % 3);
    }
    return bytes;
  }

  private static Segment segment(int length) {
    return Segment.of(0, 4, 0, 8).behind(length).drawing(0, new Sampling(0.5f, 3, 0.9f, 7));
  }

  private static int[] shape(Tensor t) {
    return IntStream.range(0, t.rank()).map(t::dim).toArray();
  }

  /** Arguments by name; those of records stand beside the others. */
  private static final class Given {
    final Map<String, Object> of = new LinkedHashMap<>();

    Given with(String name, Object value) {
      of.put(name, value);
      return this;
    }

    Tensor t(String name) {
      return (Tensor) of.get(name);
    }

    int n(String name) {
      return (int) of.get(name);
    }

    float f(String name) {
      return (float) of.get(name);
    }

    Kv kv(String layer) {
      return new Kv(t("k" + layer), t("v" + layer), segments());
    }

    Segments segments() {
      Tensor table = t("segments");
      return table == null ? null : new Segments(table, n("rows"), n("keys"));
    }

    AttentionInputs inputs() {
      return new AttentionInputs(t("q"), kv(""), new Mask(true, t("hidden")), f("scale"));
    }

    Candidates candidates() {
      return new Candidates(n("at"), n("count"), t("index"));
    }

    Span span() {
      return (Span) of.get("span");
    }

    Norm norm() {
      return new Norm(t("weight"), t("bias"), f("eps"));
    }

    @SuppressWarnings("unchecked")
    List<Cut> cuts() {
      return of.containsKey("cuts")
          ? (List<Cut>) of.get("cuts")
          : List.of(new Cut(n("at"), n("count"), t("keep"), t("candidates")));
    }

    List<Tensor> all(String... names) {
      return Stream.of(names).map(this::t).filter(t -> t != null).toList();
    }

    List<String> tensors() {
      return of.keySet().stream().filter(name -> of.get(name) instanceof Tensor).toList();
    }
  }

  /**
   * @param outputs tensors that it writes
   * @param right arguments that are accepted
   * @param call the call with some arguments, ready to be made again and again
   */
  private record Operator(
      String name,
      Set<String> outputs,
      Function<World, Given> right,
      BiFunction<Device, Given, Runnable> call) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Given attended(World w) {
    return new Given()
        .with("q", w.f32("my q", 4, 2, 32))
        .with("k", w.f32("my k", 8, 1, 32))
        .with("v", w.f32("my v", 8, 1, 32))
        .with("segments", w.i32("my segments", 1, Segments.WIDTH))
        .with("rows", 4)
        .with("keys", 8)
        .with("hidden", w.alloc("my hidden", DType.U8, 8))
        .with("lse", w.f32("my lse", 2, 4))
        .with("scale", 0.5f);
  }

  private static Given received(World w) {
    return attended(w)
        .with("span", new Span(1, 4))
        .with("at", 1)
        .with("count", 3)
        .with("index", w.i32("my index", 3));
  }

  private static Given cut(World w) {
    return new Given()
        .with("at", 2)
        .with("count", 5)
        .with("keep", w.i32("my keep", 2))
        .with("candidates", w.i32("my candidates", 4))
        .with("rule", PositionRule.CONTIGUOUS);
  }

  private static Given normalised(World w) {
    return new Given()
        .with("out", w.f32("my out", 3, 32))
        .with("x", w.f32("my x", 3, 32))
        .with("weight", w.f32("my weight", 32))
        .with("eps", 1e-5f);
  }

  private static Given stored() {
    return new Given()
        .with("dtype", DType.F32)
        .with("w", StoredTensor.of("my w", List.of(6, 4), new float[24]))
        .with("w2", StoredTensor.of("my w2", List.of(6, 4), new float[24]))
        .with("b", StoredTensor.of("my b", List.of(6), new float[6]))
        .with("outHead", 0)
        .with("inHead", 0);
  }

  private static Linear.Source source(Given g) {
    if (g.of.containsKey("source")) {
      return (Linear.Source) g.of.get("source");
    }
    return new Linear.Source(
        List.of((StoredTensor) g.of.get("w"), (StoredTensor) g.of.get("w2")),
        Arrays.asList((StoredTensor) g.of.get("b"), null),
        g.n("outHead"),
        g.n("inHead"));
  }

  private static final List<Operator> OPERATORS =
      List.of(
          new Operator(
              "upload",
              Set.of("dst"),
              w ->
                  new Given()
                      .with("dst", w.f32("my dst", 3, 8))
                      .with("src", w.host.allocate(96, 16)),
              (d, g) -> () -> d.upload(g.t("dst"), (MemorySegment) g.of.get("src"))),
          new Operator(
              "download",
              Set.of(),
              w ->
                  new Given()
                      .with("dst", w.host.allocate(96, 16))
                      .with("src", w.f32("my src", 3, 8)),
              (d, g) -> () -> d.download((MemorySegment) g.of.get("dst"), g.t("src"))),
          new Operator(
              "table",
              Set.of(),
              w -> stored().with("arena", w.arena),
              (d, g) ->
                  () ->
                      d.table(
                          (TensorArena) g.of.get("arena"),
                          (DType) g.of.get("dtype"),
                          (StoredTensor) g.of.get("w"))),
          new Operator(
              "linear",
              Set.of(),
              w -> stored().with("arena", w.arena),
              (d, g) ->
                  () ->
                      d.linear(
                          (TensorArena) g.of.get("arena"), (DType) g.of.get("dtype"), source(g))),
          new Operator(
              "asLinear",
              Set.of(),
              w -> new Given().with("part", w.f32("my part", 16, 32)).with("b", w.f32("my b", 16)),
              (d, g) -> () -> d.asLinear(g.t("part"), g.t("b"))),
          new Operator(
              "patchify",
              Set.of("out"),
              w ->
                  new Given()
                      .with("out", w.f32("my out", 4, 48))
                      .with("pixels", w.f32("my pixels", 3, 8, 8))
                      .with("patch", 4),
              (d, g) -> () -> d.patchify(g.t("out"), g.t("pixels"), g.n("patch"))),
          new Operator(
              "embed",
              Set.of("out"),
              w ->
                  new Given()
                      .with("out", w.f32("my out", 3, 32))
                      .with("ids", w.i32("my ids", 3))
                      .with("table", w.f32("my table", 5, 32)),
              (d, g) -> () -> d.embed(g.t("out"), g.t("ids"), g.t("table"))),
          new Operator(
              "layernorm",
              Set.of("out"),
              w -> normalised(w).with("bias", w.f32("my bias", 32)),
              (d, g) -> {
                Norm norm = g.norm();
                return () -> d.layernorm(g.t("out"), g.t("x"), norm);
              }),
          new Operator(
              "rmsnorm",
              Set.of("out"),
              OperatorArgumentsTest::normalised,
              (d, g) -> {
                Norm norm = g.norm();
                return () -> d.rmsnorm(g.t("out"), g.t("x"), norm);
              }),
          new Operator(
              "gemm",
              Set.of("y"),
              w ->
                  normalised(w)
                      .with("y", w.f32("my y", 3, 16))
                      .with("out", null)
                      .with("part", w.f32("my part", 16, 32))
                      .with("b", w.f32("my b", 16))
                      .with("bias", w.f32("my bias", 32))
                      .with("activation", Activation.NONE)
                      .with("residual", w.f32("my residual", 3, 16)),
              (d, g) -> {
                Linear weight = d.asLinear(g.t("part"), g.t("b"));
                Norm norm = g.norm();
                var activation = (Activation) g.of.get("activation");
                return () -> d.gemm(g.t("y"), g.t("x"), weight, norm, activation, g.t("residual"));
              }),
          new Operator(
              "rope",
              Set.of("q", "k", "v"),
              w ->
                  new Given()
                      .with("q", w.f32("my q", 4, 2, 32))
                      .with("k", w.f32("my k", 8, 1, 32))
                      .with("v", w.f32("my v", 8, 1, 32))
                      .with("segments", w.i32("my segments", 1, Segments.WIDTH))
                      .with("rows", 4)
                      .with("keys", 8)
                      .with("qkv", w.f32("my qkv", 4, 128))
                      .with("positions", w.i32("my positions", 4))
                      .with("cos", w.f32("my cos", 9, 16))
                      .with("sin", w.f32("my sin", 9, 16)),
              (d, g) -> {
                Kv kv = g.kv("");
                var rope = new Rope(g.t("cos"), g.t("sin"), (int[]) g.of.get("sections"));
                return () -> d.rope(g.t("q"), kv, g.t("qkv"), g.t("positions"), rope);
              }),
          new Operator(
              "attention",
              Set.of("out", "lse"),
              w -> attended(w).with("out", w.f32("my out", 4, 2, 32)),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                return () -> d.attention(g.t("out"), g.t("lse"), in);
              }),
          new Operator(
              "attentionColsum",
              Set.of("sums"),
              w -> received(w).with("sums", w.f32("my sums", 2, 3)),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                Candidates candidates = g.candidates();
                return () -> d.attentionColsum(g.t("sums"), in, g.t("lse"), g.span(), candidates);
              }),
          new Operator(
              "tokenSelect",
              Set.of("keep", "score", "nonFinite"),
              w ->
                  new Given()
                      .with("keep", w.i32("my keep", 2))
                      .with("score", w.f32("my score", 6))
                      .with("sums", w.f32("my sums", 2, 6))
                      .with("rows", 4)
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) ->
                  () ->
                      d.tokenSelect(
                          g.t("keep"), g.t("score"), g.t("sums"), g.n("rows"), g.t("nonFinite"))),
          new Operator(
              "colsumSelect",
              Set.of("keep", "score", "nonFinite"),
              w ->
                  received(w)
                      .with("keep", w.i32("my keep", 2))
                      .with("score", w.f32("my score", 3))
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                Candidates candidates = g.candidates();
                return () ->
                    d.colsumSelect(
                        g.t("keep"),
                        g.t("score"),
                        in,
                        g.t("lse"),
                        g.span(),
                        candidates,
                        g.t("nonFinite"));
              }),
          new Operator(
              "cosines",
              Set.of("out", "nonFinite"),
              w ->
                  new Given()
                      .with("out", w.f32("my out", 6, 6))
                      .with("x", w.f32("my x", 6, 32))
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) -> () -> d.cosines(g.t("out"), g.t("x"), g.t("nonFinite"))),
          new Operator(
              "dropDuplicates",
              Set.of("keep"),
              w ->
                  new Given()
                      .with("keep", w.i32("my keep", 3))
                      .with("score", w.f32("my score", 6))
                      .with("cosines", w.f32("my cosines", 6, 6))
                      .with("best", 1),
              (d, g) ->
                  () -> d.dropDuplicates(g.t("keep"), g.t("score"), g.t("cosines"), g.n("best"))),
          new Operator(
              "rowMap",
              Set.of("rows", "positionsOut", "sources"),
              w ->
                  cut(w)
                      .with("rows", w.i32("my rows", 7))
                      .with("positionsOut", w.i32("my positionsOut", 7))
                      .with("sources", w.i32("my sources", 7))
                      .with("positionsIn", w.i32("my positionsIn", 9)),
              (d, g) -> {
                List<Cut> cuts = g.cuts();
                var rule = (PositionRule) g.of.get("rule");
                return () ->
                    d.rowMap(
                        g.t("rows"),
                        g.t("positionsOut"),
                        g.t("sources"),
                        g.t("positionsIn"),
                        cuts,
                        rule);
              }),
          new Operator(
              "hideRows",
              Set.of("hidden", "positionsOut"),
              w ->
                  cut(w)
                      .with("hidden", w.alloc("my hidden", DType.U8, 9))
                      .with("positionsOut", w.i32("my positionsOut", 9))
                      .with("positionsIn", w.i32("my positionsIn", 9)),
              (d, g) -> {
                List<Cut> cuts = g.cuts();
                var rule = (PositionRule) g.of.get("rule");
                return () ->
                    d.hideRows(g.t("hidden"), g.t("positionsOut"), g.t("positionsIn"), cuts, rule);
              }),
          new Operator(
              "gatherRows",
              Set.of("out", "out2"),
              w ->
                  new Given()
                      .with("out", w.f32("my out", 3, 32))
                      .with("out2", w.alloc("my out2", DType.BF16, 3, 16))
                      .with("in", w.f32("my in", 5, 32))
                      .with("in2", w.alloc("my in2", DType.BF16, 5, 16))
                      .with("rows", w.i32("my rows", 3)),
              (d, g) -> {
                List<Tensor> out = g.all("out", "out2");
                List<Tensor> in = g.all("in", "in2");
                return () -> d.gatherRows(out, in, g.t("rows"));
              }),
          new Operator(
              "combineRows",
              Set.of("out"),
              w ->
                  new Given()
                      .with("out", w.f32("my out", 2, 32))
                      .with("in", w.f32("my in", 5, 32))
                      .with("index", w.i32("my index", 2, 3))
                      .with("weight", w.f32("my weight", 2, 3)),
              (d, g) -> () -> d.combineRows(g.t("out"), g.t("in"), g.t("index"), g.t("weight"))),
          new Operator(
              "compactRows",
              Set.of("k", "v", "k2", "v2"),
              w ->
                  new Given()
                      .with("k", w.f32("my k", 8, 1, 32))
                      .with("v", w.f32("my v", 8, 1, 32))
                      .with("k2", w.f32("my k2", 7, 1, 32))
                      .with("v2", w.f32("my v2", 7, 1, 32))
                      .with("rows", w.i32("my rows", 3)),
              (d, g) -> {
                List<Kv> caches = List.of(g.kv(""), g.kv("2"));
                return () -> d.compactRows(caches, g.t("rows"));
              }),
          new Operator(
              "sample",
              Set.of("ids"),
              w ->
                  new Given()
                      .with("ids", w.i32("my ids", 1))
                      .with("logits", w.f32("my logits", 1, 16))
                      .with("segments", w.i32("my segments", 1, Segments.WIDTH))
                      .with("rows", 4)
                      .with("keys", 8)
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) -> {
                Segments segments = g.segments();
                return () -> d.sample(g.t("ids"), g.t("logits"), segments, g.t("nonFinite"));
              }),
          new Operator(
              "advance",
              Set.of("segments"),
              w ->
                  new Given()
                      .with("segments", w.i32("my segments", 5, Segments.WIDTH))
                      .with("rows", 1)
                      .with("keys", 8),
              (d, g) -> {
                Segments segments = g.segments();
                return () -> d.advance(segments);
              }));

  static List<Operator> operators() {
    return OPERATORS;
  }

  private static Operator operator(String name) {
    return OPERATORS.stream().filter(o -> o.name.equals(name)).findFirst().orElseThrow();
  }

  /** Methods of {@link Device} that take no tensors. */
  private static final Set<String> OTHERS =
      Set.of(
          "type",
          "description",
          "weightFormats",
          "arena",
          "headSize",
          "recordEvent",
          "elapsedMillis",
          "close");

  @Test
  void everyOperatorOfADeviceHasItsArgumentsAndRowsOfBadOnes() {
    var expected = new TreeSet<String>();
    for (Method method : Device.class.getMethods()) {
      if (!OTHERS.contains(method.getName())) {
        expected.add(method.getName());
      }
    }
    assertEquals(
        expected, new TreeSet<>(OPERATORS.stream().map(Operator::name).toList()), "operators");
    assertEquals(expected, new TreeSet<>(BAD.stream().map(Bad::operator).toList()), "bad rows");
    for (Device device : DEVICES) {
      try (World w = World.of(device)) {
        for (Method method : Device.class.getMethods()) {
          if (expected.contains(method.getName())) {
            long parameters =
                Stream.of(method.getParameterTypes()).filter(t -> t == Tensor.class).count();
            Given given = operator(method.getName()).right.apply(w);
            assertTrue(given.tensors().size() >= parameters, method.getName());
            assertTrue(given.of.keySet().containsAll(operator(method.getName()).outputs));
          }
        }
      }
    }
  }

  // ---- what becomes of a call ----

  private static final String ACCEPTED = "accepted";

  private static String outcome(Runnable call) {
    try {
      call.run();
      return ACCEPTED;
    } catch (RuntimeException e) {
      return e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }

  private interface Change {
    void on(World world, Given given);
  }

  private static String outcome(Device device, Operator operator, Change change) {
    try (World w = World.of(device)) {
      Given given = operator.right.apply(w);
      return outcome(
          () -> {
            change.on(w, given);
            operator.call.apply(device, given).run();
          });
    }
  }

  private static boolean reachesHost(Device device) {
    return device.type() != DeviceType.CUDA;
  }

  /** What all devices make of the call; it must be the same. */
  private static String outcome(Operator operator, String what, Change change) {
    return outcome(DEVICES, operator, what, change);
  }

  private static String outcome(
      List<Device> devices, Operator operator, String what, Change change) {
    String first = null;
    for (Device device : devices) {
      String outcome = outcome(device, operator, change);
      first = first == null ? outcome : first;
      assertEquals(first, outcome, operator + " with " + what + " on " + device.type().label());
    }
    return first;
  }

  private static List<Device> thoseThatReachTheHost() {
    return DEVICES.stream().filter(OperatorArgumentsTest::reachesHost).toList();
  }

  /** The names of an operator's tensors. */
  private static List<String> tensors(Operator operator) {
    try (World w = World.of(DEVICES.get(0))) {
      return operator.right.apply(w).tensors();
    }
  }

  private static Tensor right(World w, Operator operator, String name) {
    return operator.right.apply(w).t(name);
  }

  private static int rank(Operator operator, String name) {
    try (World w = World.of(DEVICES.get(0))) {
      return right(w, operator, name).rank();
    }
  }

  private static boolean isOf(Operator operator, String name, DType type) {
    try (World w = World.of(DEVICES.get(0))) {
      return right(w, operator, name).dtype() == type;
    }
  }

  private static void refused(String words, String outcome, String what) {
    assertTrue(outcome.contains(words), what + ": " + outcome + ", expected " + words);
    assertTrue(
        outcome.startsWith("IllegalArgument")
            || outcome.startsWith("IllegalState")
            || outcome.startsWith("Input"),
        what + ": " + outcome);
  }

  // ---- every tensor, in other types, shapes and memories ----

  @ParameterizedTest
  @MethodSource("operators")
  void rightArgumentsAreAccepted(Operator operator) {
    assertEquals(ACCEPTED, outcome(operator, "right arguments", (w, g) -> {}));
    // In a caller's memory too.
    for (String name : tensors(operator)) {
      for (Device device : thoseThatReachTheHost()) {
        assertEquals(ACCEPTED, outcome(device, operator, (w, g) -> moved(w, g, name, 0, false)));
      }
    }
  }

  /** The tensor in memory that begins {@code shift} bytes behind a multiple of 64. */
  private static void moved(World w, Given g, String name, int shift, boolean readOnly) {
    Tensor t = g.t(name);
    long bytes = (long) t.rows() * t.width() * t.dtype().bytes();
    MemorySegment memory = w.host.allocate(bytes + shift + 64, 64).asSlice(shift, bytes);
    w.view(t.name(), t.dtype(), memory, shape(t));
    MemorySegment given = readOnly ? memory.asReadOnly() : memory;
    g.with(name, w.view(t.name(), t.dtype(), given, shape(t)));
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
          Map.entry("rope", Set.of("segments 0+1", "segments 0-1")),
          Map.entry(
              "attention", Set.of("hidden 0+1", "hidden 0-1", "segments 0+1", "segments 0-1")),
          Map.entry("attentionColsum", Set.of("hidden 0+1", "hidden 0-1")),
          Map.entry("tokenSelect", Set.of("keep 0+1", "keep 0-1", "sums 0+1", "sums 0-1")),
          Map.entry("colsumSelect", Set.of("hidden 0+1", "hidden 0-1", "keep 0+1", "keep 0-1")),
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
  void anotherTypeOrShapeComesToOneEndOnEveryDevice(Operator operator) {
    var accepted = new TreeSet<String>();
    for (String name : tensors(operator)) {
      for (DType type : DType.values()) {
        Change change = (w, g) -> g.with(name, w.alloc(g.t(name).name(), type, shape(g.t(name))));
        if (outcome(operator, name + " as " + type, change).equals(ACCEPTED)
            && !isOf(operator, name, type)) {
          accepted.add(name + " " + type);
        }
      }
      for (int dimension = 0; dimension < rank(operator, name); dimension++) {
        for (int by : new int[] {-1, 1}) {
          int at = dimension;
          String what = name + " " + at + (by < 0 ? "-1" : "+1");
          Change change =
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
      boolean any = operator.name.endsWith("load");
      assertEquals(any, ranks.equals(ACCEPTED), operator + " " + name + ": " + ranks);
    }
    assertEquals(
        new TreeSet<>(ALSO_RIGHT.getOrDefault(operator.name, Set.of())), accepted, operator.name);
  }

  @ParameterizedTest
  @MethodSource("operators")
  void memoryThatIsClosedOrAnotherDevicesIsRefused(Operator operator) {
    for (String name : tensors(operator)) {
      refused(
          "tensor my " + name + " is used after its arena 'closed' was closed",
          outcome(
              operator,
              name + " of a closed arena",
              (w, g) -> {
                TensorArena closed = w.device.arena("closed");
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
                g.with(name, w.other.alloc("my " + name, t.dtype(), shape(t)));
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
  void readOnlyMemoryIsRefusedForOutputsAndTakenForInputs(Operator operator) {
    for (String name : tensors(operator)) {
      Change change = (w, g) -> moved(w, g, name, 0, true);
      String outcome = outcome(thoseThatReachTheHost(), operator, name + " read-only", change);
      if (operator.outputs.contains(name)) {
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
  void memoryOutOfReachIsRefusedByName(Operator operator) {
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
                  g.with(name, w.arena.view(t.name(), t.dtype(), block, shape(t)));
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
      Map.of(
          "asLinear", Set.of("part"),
          "layernorm", Set.of("x", "weight", "bias"),
          "rmsnorm", Set.of("x", "weight"),
          "gemm", Set.of("x", "part", "weight", "bias"),
          "attention", Set.of("q", "k", "v"),
          "attentionColsum", Set.of("q", "k", "v"),
          "colsumSelect", Set.of("q", "k", "v"),
          "cosines", Set.of("x"),
          "compactRows", Set.of("k", "v", "k2", "v2"));

  @ParameterizedTest
  @MethodSource("operators")
  void rowsThatKernelsReadBy16BytesMustStartThereOnEveryDevice(Operator operator) {
    for (String name : tensors(operator)) {
      Change change = (w, g) -> moved(w, g, name, g.t(name).dtype().bytes(), false);
      String outcome = outcome(thoseThatReachTheHost(), operator, name + " shifted", change);
      // The same in a device's own memory: a column further.
      Change column =
          (w, g) -> {
            Tensor t = g.t(name);
            if (t.rank() > 1) {
              int[] inner = Arrays.copyOfRange(shape(t), 1, t.rank());
              Tensor wider = w.alloc(t.name(), t.dtype(), t.rows(), t.width() + 1);
              Tensor shifted = wider.columns(1, t.width() + 1).split(inner);
              w.device.upload(shifted, MemorySegment.ofArray(bytes(t.dtype(), shape(t))));
              g.with(name, shifted);
            }
          };
      String shifted = outcome(operator, name + " a column further", column);
      if (VECTORS.getOrDefault(operator.name, Set.of()).contains(name)) {
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
      Set.of("layernorm out x", "rmsnorm out x", "gemm y residual");

  @ParameterizedTest
  @MethodSource("operators")
  void anOutputThatLiesWhereAnotherArgumentDoesIsRefused(Operator operator) {
    for (String out : operator.outputs) {
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
                  MemorySegment memory = w.host.allocate(8192, 64);
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

  // ---- each operator's own rules ----

  /**
   * @param what in words
   * @param expected what the sentence says, the same on every device
   */
  private record Bad(String operator, String what, Change change, String expected) {
    @Override
    public String toString() {
      return operator + ": " + what;
    }
  }

  private static Bad bad(String operator, String argument, Object value, String expected) {
    return new Bad(
        operator, argument + " is " + value, (w, g) -> g.with(argument, value), expected);
  }

  private static Bad bad(String operator, String what, String expected, Change change) {
    return new Bad(operator, what, change, expected);
  }

  private static Change keys(int at, int count) {
    return (w, g) -> {
      g.with("at", at).with("count", count).with("index", null);
      if (count >= 0 && count < 10) {
        g.with("sums", w.f32("my sums", 2, count)).with("score", w.f32("my score", count));
      }
    };
  }

  private static Change cuts(int at, int count) {
    return (w, g) -> g.with("at", at).with("count", count);
  }

  private static Change cuts(int number) {
    return (w, g) ->
        g.with("cuts", Collections.nCopies(number, new Cut(0, 0, w.alloc("none", DType.I32, 0))));
  }

  private static Stream<Bad> ofBoth(String a, String b, Function<String, Stream<Bad>> rows) {
    return Stream.of(a, b).flatMap(rows);
  }

  private static Stream<Bad> eps(String operator) {
    return Stream.of(-1e-9f, Float.NaN, Float.POSITIVE_INFINITY)
        .map(eps -> bad(operator, "eps", eps, "my weight is F32[32] with an eps of " + eps));
  }

  private static Stream<Bad> badAttention(String operator) {
    Stream<Bad> scales =
        Stream.of(Float.NaN, Float.NEGATIVE_INFINITY)
            .map(s -> bad(operator, "scale", s, "my q is F32[4, 2, 32] with a scale of " + s));
    return Stream.concat(
        scales,
        Stream.of(
            bad(
                operator,
                "no head",
                "my q is F32[4, 0, 32], expected 1 to 16384 heads of at least 1 channel",
                (w, g) -> g.with("q", w.f32("my q", 4, 0, 32))),
            bad(
                operator,
                "heads of no channels",
                "my q is F32[4, 2, 0], expected 1 to 16384 heads of at least 1 channel",
                (w, g) -> g.with("q", w.f32("my q", 4, 2, 0))),
            bad(
                operator,
                "no key head",
                "my k is F32[8, 0, 32] does not divide the 2 query heads",
                (w, g) -> g.with("k", w.f32("my k", 8, 0, 32)).with("v", w.f32("my v", 8, 0, 32))),
            bad(
                operator,
                "key heads that do not divide",
                "my k is F32[8, 3, 32] does not divide the 2 query heads",
                (w, g) -> g.with("k", w.f32("my k", 8, 3, 32)).with("v", w.f32("my v", 8, 3, 32))),
            bad(
                operator,
                "a cache of fewer rows than the call",
                "my k is F32[3, 1, 32] has no room for the 4 rows of the call",
                (w, g) ->
                    g.with("segments", null)
                        .with("k", w.f32("my k", 3, 1, 32))
                        .with("v", w.f32("my v", 3, 1, 32))),
            bad(
                operator,
                "a mask shorter than the cache",
                "my hidden is U8[7] is shorter than the 8 keys of k",
                (w, g) ->
                    g.with("segments", null).with("hidden", w.alloc("my hidden", DType.U8, 7))),
            bad(
                operator,
                "values of another type",
                "v: my v is BF16[8, 1, 32], but my q is F32[4, 2, 32]",
                (w, g) -> g.with("v", w.alloc("my v", DType.BF16, 8, 1, 32)))));
  }

  private static Stream<Bad> badKeys(String operator) {
    return Stream.concat(
        badAttention(operator),
        Stream.of(
            bad(operator, "span", new Span(1, 5), "rows: Span[from=1, to=5] of at most 4 of my q"),
            bad(operator, "keys before the first", "candidates: -1 + 3 of 8", unknown(keys(-1, 3))),
            bad(operator, "fewer than no keys", "candidates: 0 + -1 of 8", unknown(keys(0, -1))),
            bad(operator, "keys behind the last", "candidates: 6 + 3 of 8", unknown(keys(6, 3))),
            bad(
                operator,
                "keys behind those of the call",
                "candidates: 2 + 3 of 4",
                known(keys(2, 3))),
            bad(
                operator,
                "keys beyond what an int counts",
                "candidates: 2147483647 + 2147483647 of 8",
                unknown(keys(Integer.MAX_VALUE, Integer.MAX_VALUE))),
            bad(
                operator,
                "a list that starts behind the last key",
                "candidates: 9 + 3 of 8",
                unknown((w, g) -> g.with("at", 9)))));
  }

  /** With a cache of 8 keys, so that all devices know how many there are. */
  private static Change unknown(Change change) {
    return (w, g) -> {
      change.on(w, g);
      g.with("q", w.f32("my q", 8, 2, 32))
          .with("lse", w.f32("my lse", 2, 8))
          .with("segments", null);
    };
  }

  private static Change known(Change change) {
    return (w, g) -> {
      change.on(w, g);
      g.with("segments", null);
    };
  }

  private static Stream<Bad> badSelection(String operator) {
    return Stream.of(
        bad(
            operator,
            "nothing kept",
            "keep: my keep is I32[0] of ",
            (w, g) -> g.with("keep", w.i32("my keep", 0))),
        bad(
            operator,
            "more kept than there are",
            "keep: my keep is I32[7] of ",
            (w, g) -> g.with("keep", w.i32("my keep", 7))),
        bad(
            operator,
            "more candidates than a block sorts",
            "my score is F32[4097], expected 1 to 4096 candidates",
            (w, g) -> g.with("score", w.f32("my score", 4097))),
        bad(
            operator,
            "no candidates",
            "my score is F32[0], expected 1 to 4096 candidates",
            (w, g) -> g.with("score", w.f32("my score", 0))));
  }

  private static Stream<Bad> badFlag(String operator, String name) {
    return Stream.of(
        bad(
            operator,
            "a flag of two",
            "nonFinite: my " + name + " is I32[2], expected I32[1]",
            (w, g) -> g.with(name, w.i32("my " + name, 2))));
  }

  private static Stream<Bad> badCuts(String operator) {
    return Stream.of(
        bad(operator, "a cut before row 0", "cuts: rows -1 + 5 of 9", cuts(-1, 5)),
        bad(operator, "a cut of fewer than no rows", "cuts: rows 2 + -1 of 9", cuts(2, -1)),
        bad(operator, "a cut behind the rows", "cuts: rows 5 + 5 of 9", cuts(5, 5)),
        bad(
            operator,
            "a cut beyond what an int counts",
            "cuts: rows 2147483647 + 2147483647 of 9, where my keep is I32[2]",
            cuts(Integer.MAX_VALUE, Integer.MAX_VALUE)),
        bad(
            operator,
            "more kept than cut",
            "keep: my keep is I32[2] of 1 candidates",
            (w, g) -> g.with("count", 1).with("candidates", null)),
        bad(
            operator,
            "more kept than there are candidates",
            "keep: my keep is I32[2] of 1 candidates",
            (w, g) -> g.with("candidates", w.i32("my candidates", 1))),
        bad(
            operator,
            "more candidates than rows",
            "candidates: my candidates is I32[4] among 3 rows",
            cuts(2, 3)),
        bad(
            operator,
            "two cuts that overlap",
            "cuts: row 4 is a candidate of two, rows 2 + 3 and 4 + 2, where my keep is I32[2]",
            (w, g) ->
                g.with("cuts", List.of(new Cut(2, 3, g.t("keep")), new Cut(4, 2, g.t("keep"))))),
        bad(
            operator,
            "two cuts that overlap, the later rows first",
            "cuts: row 4 is a candidate of two, rows 4 + 2 and 2 + 3, where my keep is I32[2]",
            (w, g) ->
                g.with("cuts", List.of(new Cut(4, 2, g.t("keep")), new Cut(2, 3, g.t("keep"))))),
        bad(
            operator,
            "one more axis of positions",
            "positionsOut: my out is I32[3, ",
            (w, g) ->
                g.with("positionsIn", w.i32("my in", 2, 9))
                    .with("positionsOut", w.i32("my out", 3, g.t("positionsOut").rows()))),
        bad(
            operator,
            "positions on no axis",
            "positionsIn: my in is I32[0, 9], positions on no axis",
            (w, g) -> g.with("positionsIn", w.i32("my in", 0, 9))),
        bad(
            operator,
            "65 cuts",
            "65 groups of image tokens are cut at once; the device takes 64",
            cuts(65)),
        bad(operator, "rule", null, "rule: null"));
  }

  private static Bad other(String operator) {
    return bad(
        operator,
        "another device's arena",
        "my w: arena 'other' is another device's",
        (w, g) -> g.with("arena", w.other));
  }

  private static StoredTensor floats(String name, Integer... shape) {
    int n = Stream.of(shape).reduce(1, (a, b) -> a * b);
    return StoredTensor.of(name, List.of(shape), new float[n]);
  }

  private static final List<Bad> BAD =
      Stream.of(
              Stream.of(
                  bad(
                      "upload",
                      "src",
                      MemorySegment.ofArray(new float[23]),
                      "src has 92 bytes, 96 are needed"),
                  bad(
                      "download",
                      "dst",
                      MemorySegment.ofArray(new float[23]),
                      "dst has 92 bytes, 96 are needed"),
                  bad(
                      "download",
                      "dst",
                      MemorySegment.ofArray(new float[24]).asReadOnly(),
                      "dst: its memory is read-only"),
                  other("table"),
                  bad("table", "dtype", DType.I32, "my w: F32 as I32; both must be float types"),
                  bad("table", "w", floats("my w"), "my w: a table has at least one dimension"),
                  other("linear"),
                  bad("linear", "dtype", DType.U8, "my w: F32 as U8; both must be float types"),
                  bad("linear", "w2", floats("my w2", 6, 5), "my w2: a weight of shape [6, 5]"),
                  bad("linear", "w", floats("my w", 6), "my w: a weight of shape [6]"),
                  bad("linear", "w", floats("my w", 0, 4), "my w: a weight of shape [0, 4]"),
                  bad("linear", "b", floats("my b", 7), "my b: a bias of shape [7] for a weight"),
                  bad("linear", "b", floats("my b", 6, 1), "my b: a bias of shape [6, 1]"),
                  bad(
                      "linear",
                      "b",
                      new StoredTensor(
                          "my b", DType.I32, List.of(6), MemorySegment.ofArray(new int[6])),
                      "my b: I32 as F32; both must be float types"),
                  bad(
                      "linear",
                      "source",
                      new Linear.Source(List.of(), List.of(), 0, 0),
                      "source: 0 weights with 0 biases"),
                  bad(
                      "linear",
                      "source",
                      new Linear.Source(List.of(floats("w", 2, 2)), List.of(), 0, 0),
                      "source: 1 weights with 0 biases"),
                  bad("linear", "outHead", 5, "my w: 6 rows are no heads of 5"),
                  bad("linear", "outHead", -6, "my w: 6 rows are no heads of -6"),
                  bad("linear", "inHead", 3, "my w: 4 columns are no heads of 3"),
                  bad("patchify", "patch", 0, "my pixels is F32[3, 8, 8] with patches of 0"),
                  bad("patchify", "patch", -4, "my pixels is F32[3, 8, 8] with patches of -4"),
                  bad("patchify", "patch", 9, "my pixels is F32[3, 8, 8] with patches of 9"),
                  bad(
                      "patchify",
                      "patch",
                      Integer.MAX_VALUE,
                      "my pixels is F32[3, 8, 8] with patches of 2147483647"),
                  bad(
                      "patchify",
                      "an image too low",
                      "my pixels is F32[3, 4, 8] with patches of 5",
                      (w, g) -> g.with("pixels", w.f32("my pixels", 3, 4, 8)).with("patch", 5)),
                  bad(
                      "patchify",
                      "an image too narrow",
                      "my pixels is F32[3, 8, 4] with patches of 5",
                      (w, g) -> g.with("pixels", w.f32("my pixels", 3, 8, 4)).with("patch", 5)),
                  bad("patchify", "patch", 3, "my out is F32[4, 48], expected a float type[4, 27]"),
                  bad(
                      "embed",
                      "a table of another type",
                      "table: my table is BF16[5, 32], but my out is F32[3, 32]",
                      (w, g) -> g.with("table", w.alloc("my table", DType.BF16, 5, 32))),
                  bad("layernorm", "bias", null, "a layer norm needs a bias"),
                  bad(
                      "layernorm",
                      "rows without elements",
                      "x: my x is F32[3, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 3, 0))),
                  bad(
                      "rmsnorm",
                      "a bias",
                      "an RMS norm has no bias",
                      (w, g) -> g.with("bias", w.f32("my bias", 32))),
                  bad(
                      "rmsnorm",
                      "rows without elements",
                      "x: my x is F32[3, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 3, 0))),
                  bad(
                      "rmsnorm",
                      "an output shifted by a row",
                      "out: my x is F32[3, 32] overlaps x, where my x is F32[3, 32]",
                      (w, g) -> {
                        Tensor x = w.f32("my x", 4, 32);
                        g.with("x", x.rows(0, 3)).with("out", x.rows(1, 4));
                      })),
              ofBoth("layernorm", "rmsnorm", OperatorArgumentsTest::eps),
              eps("gemm"),
              Stream.of(
                  bad(
                      "gemm",
                      "fewer inputs",
                      "my x is F32[3, 32], expected a float type[-1, 31]",
                      (w, g) -> g.with("part", w.f32("my part", 16, 31))),
                  bad(
                      "gemm",
                      "more outputs",
                      "my y is F32[3, 16], expected a float type[3, 17]",
                      (w, g) -> g.with("part", w.f32("my part", 17, 32)).with("b", null)),
                  bad(
                      "asLinear",
                      "no inputs",
                      "w: my part is F32[16, 0], a matrix without elements",
                      (w, g) -> g.with("part", w.f32("my part", 16, 0))),
                  bad(
                      "asLinear",
                      "no outputs",
                      "w: my part is F32[0, 32], a matrix without elements",
                      (w, g) -> g.with("part", w.f32("my part", 0, 32))),
                  bad(
                      "asLinear",
                      "a bias of another length",
                      "bias: my b is F32[15], expected F32[16]",
                      (w, g) -> g.with("b", w.f32("my b", 15))),
                  bad(
                      "gemm",
                      "an odd number of gates and ups",
                      "w: my part is F32[15, 32], an odd number of gates and ups",
                      (w, g) ->
                          g.with("part", w.f32("my part", 15, 32))
                              .with("b", null)
                              .with("activation", Activation.SILU_MUL)),
                  bad(
                      "gemm",
                      "an output narrower than its input",
                      "y: my y is BF16[3, 16], but my x is F32[3, 32]",
                      (w, g) -> g.with("y", w.alloc("my y", DType.BF16, 3, 16))),
                  bad(
                      "gemm",
                      "weights of another type",
                      "w: my part is F16[16, 32], but my x is F32[3, 32]",
                      (w, g) -> g.with("part", w.alloc("my part", DType.F16, 16, 32))),
                  bad(
                      "gemm",
                      "an output over its input",
                      "y: my both is F32[3, 16] overlaps x",
                      (w, g) -> {
                        Tensor both = w.f32("my both", 3, 40);
                        g.with("x", both.columns(0, 32)).with("y", both.columns(24, 40));
                      }),
                  bad(
                      "rope",
                      "rows that nobody places",
                      "positions: null, and no segments that say where the rows stand",
                      (w, g) -> g.with("positions", null).with("segments", null)),
                  bad(
                      "rope",
                      "positions on three axes of a table that has one",
                      "positions: my positions is I32[3, 4] on three axes, and a table without"
                          + " sections",
                      (w, g) -> g.with("positions", w.i32("my positions", 3, 4))),
                  bad(
                      "rope",
                      "positions on two axes",
                      "positions: my positions is I32[2, 4], expected I32[3, 4]",
                      (w, g) -> g.with("positions", w.i32("my positions", 2, 4))),
                  bad(
                      "rope",
                      "sections",
                      new int[] {2, 3, 10},
                      "sections: [2, 3, 10] are no three parts of my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "sections",
                      new int[] {8, 8},
                      "sections: [8, 8] are no three parts of my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "sections",
                      new int[] {-1, 9, 8},
                      "sections: [-1, 9, 8] are no three parts of my cos is F32[9, 16]"),
                  bad(
                      "rope",
                      "segments of fewer keys than rows",
                      "segments: my segments is I32[1, 16] of at most 4 rows and 3 keys each",
                      (w, g) -> g.with("keys", 3)),
                  bad(
                      "rope",
                      "a table wider than half a head",
                      "cos: my cos is F32[9, 17] is wider than half a head",
                      (w, g) ->
                          g.with("cos", w.f32("my cos", 9, 17))
                              .with("sin", w.f32("my sin", 9, 17))),
                  bad(
                      "rope",
                      "heads that are not those of qkv",
                      "qkv: my qkv is F32[4, 128], expected a float type[4, 192]",
                      (w, g) -> g.with("q", w.f32("my q", 4, 4, 32))),
                  bad(
                      "rope",
                      "no key head",
                      "my k is F32[8, 0, 32] does not divide the 2 query heads",
                      (w, g) ->
                          g.with("k", w.f32("my k", 8, 0, 32)).with("v", w.f32("my v", 8, 0, 32))),
                  bad(
                      "rope",
                      "more heads than an attention has",
                      "my q is F32[4, 16385, 1], expected 1 to 16384 heads",
                      (w, g) -> g.with("q", w.f32("my q", 4, 16_385, 1))),
                  bad(
                      "rope",
                      "one cache for keys and values",
                      "k: my k is F32[8, 1, 32] overlaps v, where my k",
                      (w, g) -> g.with("v", g.t("k")))),
              badAttention("attention"),
              badKeys("attentionColsum"),
              badKeys("colsumSelect"),
              Stream.of(
                  bad("colsumSelect", "span", new Span(2, 2), "is empty"),
                  bad("tokenSelect", "rows", 0, "sums: my sums is F32[2, 6] of 0 rows"),
                  bad("tokenSelect", "rows", -1, "sums: my sums is F32[2, 6] of -1 rows"),
                  bad(
                      "tokenSelect",
                      "no heads",
                      "sums: my sums is F32[0, 6] of 4 rows",
                      (w, g) -> g.with("sums", w.f32("my sums", 0, 6))),
                  bad(
                      "tokenSelect",
                      "columns that are not as many for each candidate",
                      "sums: 13 do not make as many sources for every candidate, where my score is"
                          + " F32[6]",
                      (w, g) -> g.with("sums", w.f32("my sums", 2, 13))),
                  bad(
                      "tokenSelect",
                      "fewer columns than candidates",
                      "sums: 3 do not make as many sources for every candidate, where my score is"
                          + " F32[6]",
                      (w, g) -> g.with("sums", w.f32("my sums", 2, 3))),
                  bad(
                      "colsumSelect",
                      "keys that are not as many for each candidate",
                      "candidates: 3 do not make as many sources for every candidate, where my score is"
                          + " F32[2]",
                      (w, g) -> g.with("score", w.f32("my score", 2))),
                  bad(
                      "cosines",
                      "rows without elements",
                      "x: my x is F32[6, 0], rows without elements",
                      (w, g) -> g.with("x", w.f32("my x", 6, 0))),
                  bad(
                      "cosines",
                      "more rows than there may be candidates",
                      "x: my x is F32[4097, 8], expected 1 to 4096 rows",
                      (w, g) -> g.with("x", w.f32("my x", 4097, 8))),
                  bad(
                      "cosines",
                      "no rows",
                      "x: my x is F32[0, 32], expected 1 to 4096 rows",
                      (w, g) -> g.with("x", w.f32("my x", 0, 32))),
                  bad("dropDuplicates", "best", -1, "best is -1 of 3"),
                  bad("dropDuplicates", "best", 4, "best is 4 of 3")),
              ofBoth("tokenSelect", "colsumSelect", OperatorArgumentsTest::badSelection),
              badSelection("dropDuplicates"),
              badFlag("tokenSelect", "nonFinite"),
              badFlag("colsumSelect", "nonFinite"),
              badFlag("cosines", "nonFinite"),
              ofBoth("rowMap", "hideRows", OperatorArgumentsTest::badCuts),
              Stream.of(
                  bad(
                      "hideRows",
                      "a mask shorter than the rows",
                      "hidden: my hidden is U8[8] is shorter than the 9 rows",
                      (w, g) -> g.with("hidden", w.alloc("my hidden", DType.U8, 8))),
                  bad("gatherRows", "in2", null, "out: 2 tensors for 1; they come in pairs"),
                  bad("gatherRows", "out2", null, "out: 1 tensors for 2; they come in pairs"),
                  bad(
                      "gatherRows",
                      "no pairs",
                      "out: 0 tensors for 0; they come in pairs, 1 to 8",
                      (w, g) -> List.of("out", "out2", "in", "in2").forEach(g.of::remove)),
                  bad(
                      "gatherRows",
                      "another type",
                      "out: my out is F32[3, 32], expected BF16[3, 32]",
                      (w, g) -> g.with("in", w.alloc("my in", DType.BF16, 5, 32))),
                  bad(
                      "combineRows",
                      "another type",
                      "out: my out is F16[2, 32], but my in is F32[5, 32]",
                      (w, g) -> g.with("out", w.alloc("my out", DType.F16, 2, 32))),
                  bad(
                      "compactRows",
                      "layers of different types",
                      "kv: my k2 is BF16[7, 1, 32] and my k is F32[8, 1, 32] differ",
                      (w, g) ->
                          g.with("k2", w.alloc("my k2", DType.BF16, 7, 1, 32))
                              .with("v2", w.alloc("my v2", DType.BF16, 7, 1, 32))),
                  bad(
                      "compactRows",
                      "layers of different strides",
                      "kv: my k2 is F32[7, 1, 32] and my k is F32[8, 1, 32] differ",
                      (w, g) -> g.with("k2", w.f32("my k2", 7, 40).columns(0, 32).split(1, 32))),
                  bad(
                      "compactRows",
                      "more rows than a cache has",
                      "rows: my rows is I32[8] of k, where my k2 is F32[7, 1, 32]",
                      (w, g) -> g.with("rows", w.i32("my rows", 8))),
                  bad(
                      "compactRows",
                      "one cache twice",
                      "overlaps another k, where my k is F32[8, 1, 32]",
                      (w, g) -> g.with("k2", g.t("k").rows(0, 7))),
                  bad(
                      "sample",
                      "more tokens than a draw can rank",
                      "logits: my logits is F32[1, 2097153], expected 1 to 2097152 tokens",
                      (w, g) ->
                          g.with("logits", w.arena.alloc("my logits", DType.F32, 1, 2_097_153))),
                  bad(
                      "sample",
                      "no tokens",
                      "logits: my logits is F32[1, 0], expected 1 to 2097152 tokens",
                      (w, g) -> g.with("logits", w.f32("my logits", 1, 0))),
                  bad(
                      "sample",
                      "two rows of logits",
                      "logits: my logits is F32[2, 16], expected F32[1, -1]",
                      (w, g) -> g.with("logits", w.f32("my logits", 2, 16))),
                  bad(
                      "advance",
                      "segments that are no whole numbers",
                      "segments: my segments is F32[5, 16], expected I32[-1, 16]",
                      (w, g) -> g.with("segments", w.f32("my segments", 5, Segments.WIDTH)))))
          .flatMap(rows -> rows)
          .toList();

  static List<Bad> bad() {
    return BAD;
  }

  @ParameterizedTest
  @MethodSource("bad")
  void badArgumentsGetTheSameSentenceOnEveryDevice(Bad bad) {
    refused(bad.expected, outcome(operator(bad.operator), bad.what, bad.change), bad.toString());
  }

  /** Numbers in memory that Java reads, on the devices that reach it. */
  private static final List<Bad> NUMBERS =
      Stream.of(
              Stream.of(
                  numbers(
                      "embed", "ids", "my ids[1] is 5; it must be at least 0 and below 5", 0, 5, 1),
                  numbers("embed", "ids", "my ids[2] is -1; it must be at least 0", 0, 1, -1),
                  numbers("rope", "positions", "my positions[3] is 9; it must be", 0, 1, 2, 9),
                  numbers("gatherRows", "rows", "my rows[2] is 5; it must be", 0, 4, 5),
                  numbers("compactRows", "rows", "my rows[2] is 7; it must be", 0, 4, 7),
                  numbers("compactRows", "rows", "my rows: 2 follows 4; it must ascend", 1, 4, 2),
                  numbers("compactRows", "rows", "my rows: 4 follows 4; it must ascend", 1, 4, 4),
                  bad(
                      "combineRows",
                      "a row that is not there",
                      "my index[0, 1] is 5; it must be at least 0 and below 5",
                      (w, g) -> {
                        MemorySegment m = w.host.allocate(24, 16);
                        MemorySegment.copy(
                            new int[] {0, 5, 0, 0, 0, 0}, 0, m, ValueLayout.JAVA_INT, 0, 6);
                        g.with("index", w.arena.view("my index", DType.I32, Block.of(m), 2, 3));
                      })),
              ofBoth(
                  "attentionColsum",
                  "colsumSelect",
                  o ->
                      Stream.of(
                          bad(
                              o,
                              "a candidate before the first key",
                              "my index[2] is -1; it must be at least 0 and below 3",
                              (w, g) ->
                                  g.with("index", w.ints("my index", 0, 1, -1))
                                      .with("segments", w.segments(0))),
                          bad(
                              o,
                              "a candidate behind the keys of the call",
                              "my index[2] is 3; it must be at least 0 and below 3",
                              (w, g) ->
                                  g.with("index", w.ints("my index", 0, 1, 3))
                                      .with("segments", w.segments(0))))),
              Stream.of("rope", "attention", "attentionColsum", "colsumSelect")
                  .flatMap(OperatorArgumentsTest::badTables),
              Stream.of(
                  table(
                      "rope",
                      Segments.POSITION + 2,
                      6,
                      "my segments[0]: 4 rows stand at 6 on; there are angles of 9 positions",
                      (w, g) -> g.with("positions", null)),
                  table(
                      "rope",
                      Segments.POSITION,
                      -1,
                      "my segments[0]: 4 rows stand at -1 on;",
                      (w, g) -> g.with("positions", null))),
              Stream.of(
                  draws(Segments.STEP, -1, "my segments[0]: step -1, temperature 0.5, top-k 3"),
                  draws(Segments.TEMPERATURE, bits(-1), "temperature -1.0, top-k 3"),
                  draws(Segments.TEMPERATURE, bits(Float.NaN), "temperature NaN, top-k 3"),
                  draws(Segments.TOP_K, -1, "top-k -1 and top-p 0.9 draw no token"),
                  draws(Segments.TOP_P, bits(0), "top-p 0.0 draw no token"),
                  draws(Segments.TOP_P, bits(1.01f), "top-p 1.01 draw no token"),
                  draws(Segments.TOP_P, bits(Float.NaN), "top-p NaN draw no token")),
              ofBoth(
                  "rowMap",
                  "hideRows",
                  o ->
                      Stream.of(
                          numbers(o, "keep", "my keep[1] is 4; it must be at least 0", 0, 4),
                          numbers(o, "keep", "my keep: 0 follows 3; it must ascend", 3, 0),
                          numbers(o, "keep", "my keep: 1 follows 1; it must ascend", 1, 1),
                          numbers(o, "candidates", "my candidates[3] is 5; it must be", 0, 1, 2, 5),
                          numbers(o, "candidates", "my candidates[0] is -1; it must", -1, 1, 2, 3),
                          numbers(o, "candidates", "my candidates: 2 follows 2; it", 0, 2, 2, 3),
                          bad(
                              o,
                              "a candidate of two cuts",
                              "cuts: row 6 is a candidate of two, rows 0 + 9 and 2 + 7, where my"
                                  + " one is I32[1]",
                              (w, g) -> {
                                Tensor one = w.ints("my one", 1);
                                Tensor some = w.ints("my some", 0, 1, 6);
                                Tensor others = w.ints("my others", 0, 3, 4);
                                g.with(
                                    "cuts",
                                    List.of(new Cut(0, 9, one, some), new Cut(2, 7, one, others)));
                              }))))
          .flatMap(rows -> rows)
          .toList();

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }

  private static Bad draws(int column, int value, String expected) {
    return table("sample", column, value, expected, (w, g) -> {});
  }

  /** A right table with one other number. */
  private static Bad table(
      String operator, int column, int value, String expected, Change besides) {
    return bad(
        operator,
        "number " + column + " of a segment " + value,
        expected,
        (w, g) -> {
          Tensor table = w.segments(0);
          table.memory().set(ValueLayout.JAVA_INT, table.offset() + 4L * column, value);
          besides.on(w, g.with("segments", table));
        });
  }

  private static Stream<Bad> badTables(String operator) {
    Change nothing = (w, g) -> {};
    String rows = "my segments[0]: %d rows (at most 4) from %d on do not follow 0 within q: my q";
    String keys = "my segments[0]: %d keys from %d on are not in k: my k is F32[8, 1, 32]";
    String room = "my segments[0]: there is no room for 4 rows behind %d in a capacity of %d, of";
    return Stream.concat(
        Stream.of(
            table(operator, Segments.ROW, -1, String.format(rows, 4, -1), nothing),
            table(operator, Segments.ROW, 1, String.format(rows, 4, 1), nothing),
            table(operator, Segments.ROWS, -1, String.format(rows, -1, 0), nothing),
            table(operator, Segments.ROWS, 5, String.format(rows, 5, 0), nothing),
            table(operator, Segments.AT, -1, String.format(keys, 8, -1), nothing),
            table(operator, Segments.AT, 1, String.format(keys, 8, 1), nothing),
            table(operator, Segments.CAPACITY, -1, String.format(keys, -1, 0), nothing),
            table(operator, Segments.CAPACITY, 3, String.format(room, 0, 3), nothing),
            table(operator, Segments.LENGTH, -1, String.format(room, -1, 8), nothing),
            table(operator, Segments.LENGTH, 5, String.format(room, 5, 8), nothing),
            table(
                operator,
                Segments.LENGTH,
                Integer.MAX_VALUE - 1,
                String.format(room, Integer.MAX_VALUE - 1, 8),
                nothing),
            table(
                operator,
                Segments.LENGTH,
                3,
                String.format(room, 3, 8) + " at most 6 keys",
                (w, g) -> g.with("keys", 6))),
        operator.equals("rope")
            ? Stream.of()
            : Stream.of(
                table(
                    operator,
                    Segments.HIDDEN,
                    1,
                    "my segments[0]: bytes 1 to 9 of hidden: my hidden is U8[8]",
                    nothing),
                table(operator, Segments.HIDDEN, -2, "bytes -2 to 6 of hidden", nothing)));
  }

  private static Bad numbers(String operator, String name, String expected, int... values) {
    return bad(
        operator,
        name + " of " + Arrays.toString(values),
        expected,
        (w, g) -> g.with(name, w.ints("my " + name, values)));
  }

  static List<Bad> numbers() {
    return NUMBERS;
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void numbersThatJavaCanReadAreCheckedOnEveryDeviceThatReachesThem(Bad bad) {
    String outcome = outcome(thoseThatReachTheHost(), operator(bad.operator), bad.what, bad.change);
    refused(bad.expected, outcome, bad.toString());
  }

  // ---- what is at the edge, and right ----

  private static Bad edge(String operator, String what, Change change) {
    return new Bad(operator, what, change, ACCEPTED);
  }

  private static final List<Bad> EDGES =
      List.of(
          edge("upload", "no rows", (w, g) -> g.with("dst", g.t("dst").rows(0, 0))),
          edge("download", "four dimensions", (w, g) -> g.with("src", w.f32("x", 3, 2, 2, 2))),
          edge("table", "no rows", (w, g) -> g.with("w", floats("w", 0, 4))),
          edge("table", "a vector of one", (w, g) -> g.with("w", floats("w", 1))),
          edge("linear", "heads of all rows", (w, g) -> g.with("outHead", 6).with("inHead", 4)),
          edge(
              "patchify",
              "one patch",
              (w, g) -> g.with("patch", 8).with("out", w.f32("out", 1, 192))),
          edge(
              "patchify",
              "what is left over",
              (w, g) -> g.with("patch", 5).with("out", w.f32("out", 1, 75))),
          edge(
              "embed",
              "no rows",
              (w, g) -> g.with("ids", w.i32("ids", 0)).with("out", w.f32("out", 0, 32))),
          edge("layernorm", "no rows", (w, g) -> noRows(g, "out", "x")),
          edge("rmsnorm", "no rows", (w, g) -> noRows(g, "out", "x")),
          edge("rmsnorm", "in place", (w, g) -> g.with("out", g.t("x").rows(0, 3))),
          edge("rmsnorm", "eps 0", (w, g) -> g.with("eps", 0f)),
          edge(
              "rmsnorm",
              "rows beside each other",
              (w, g) -> {
                Tensor both = w.f32("both", 3, 64);
                g.with("x", both.columns(0, 32)).with("out", both.columns(32, 64));
              }),
          edge(
              "rmsnorm",
              "rows behind each other",
              (w, g) -> {
                Tensor both = w.f32("both", 6, 32);
                g.with("x", both.rows(3, 6)).with("out", both.rows(0, 3));
              }),
          edge("gemm", "no rows", (w, g) -> noRows(g, "x", "y", "residual")),
          edge("gemm", "over its residual", (w, g) -> g.with("residual", g.t("y"))),
          edge(
              "gemm",
              "f32 of bf16",
              (w, g) -> {
                for (String name : List.of("x", "part", "weight", "bias")) {
                  g.with(name, w.alloc(name, DType.BF16, shape(g.t(name))));
                }
              }),
          edge(
              "rope",
              "no rows",
              (w, g) -> {
                noRows(g, "q", "qkv", "positions");
                idle(w, g);
              }),
          edge("rope", "a cache that it fills", (w, g) -> fills(w, g, "k", "v")),
          edge(
              "rope",
              "no channel that turns",
              (w, g) -> g.with("cos", w.f32("cos", 9, 0)).with("sin", w.f32("sin", 9, 0))),
          edge(
              "attention",
              "no rows",
              (w, g) -> {
                noRows(g, "q", "out");
                idle(w, g);
                g.with("lse", w.f32("lse", 2, 0));
              }),
          edge(
              "rope",
              "as many heads as there may be",
              (w, g) -> {
                g.with("q", w.f32("q", 4, 16_384, 1)).with("qkv", w.f32("qkv", 4, 16_386));
                g.with("k", w.f32("k", 8, 1, 1)).with("v", w.f32("v", 8, 1, 1));
                g.with("cos", w.f32("cos", 9, 0)).with("sin", w.f32("sin", 9, 0));
              }),
          edge("attention", "no statistics", (w, g) -> g.with("lse", null)),
          edge("attention", "a cache that it fills", (w, g) -> fills(w, g, "k", "v", "hidden")),
          edge("attention", "no mask", (w, g) -> g.with("hidden", null).with("segments", null)),
          edge("attentionColsum", "no candidates", keys(0, 0)),
          edge("attentionColsum", "all keys", known(keys(0, 4))),
          edge("attentionColsum", "no rows", (w, g) -> g.with("span", new Span(4, 4))),
          edge(
              "tokenSelect",
              "one of one",
              (w, g) ->
                  g.with("keep", w.i32("keep", 1))
                      .with("score", w.f32("score", 1))
                      .with("sums", w.f32("sums", 1, 1))
                      .with("rows", 1)),
          edge(
              "tokenSelect",
              "all of 4096",
              (w, g) ->
                  g.with("keep", w.i32("keep", 4096))
                      .with("score", w.f32("score", 4096))
                      .with("sums", w.f32("sums", 1, 4096))),
          edge("colsumSelect", "one row", (w, g) -> g.with("span", new Span(3, 4))),
          edge("colsumSelect", "all", (w, g) -> g.with("keep", w.i32("keep", 3))),
          edge(
              "tokenSelect",
              "three columns for each candidate",
              (w, g) -> g.with("sums", w.f32("sums", 2, 18))),
          edge(
              "colsumSelect",
              "three keys for one candidate",
              (w, g) -> g.with("score", w.f32("score", 1)).with("keep", w.i32("keep", 1))),
          edge(
              "cosines",
              "4096 rows",
              (w, g) -> g.with("x", w.f32("x", 4096, 8)).with("out", w.f32("out", 4096, 4096))),
          edge("dropDuplicates", "all are the best", (w, g) -> g.with("best", 3)),
          edge("dropDuplicates", "none is the best", (w, g) -> g.with("best", 0)),
          edge("dropDuplicates", "all stay", (w, g) -> g.with("keep", w.i32("keep", 6))),
          edge(
              "rowMap",
              "64 cuts",
              (w, g) -> {
                cuts(64).on(w, g);
                stay(w, g, 9);
              }),
          edge(
              "rowMap",
              "an image that stays whole",
              (w, g) -> {
                g.with("count", 2).with("candidates", null);
                stay(w, g, 9);
              }),
          edge(
              "rowMap",
              "nothing stays",
              (w, g) -> {
                g.with("at", 0).with("count", 9).with("candidates", null);
                g.with("keep", w.i32("keep", 0));
                noRows(g, "rows", "positionsOut", "sources");
              }),
          edge("rowMap", "nobody asks for sources", (w, g) -> g.with("sources", null)),
          edge(
              "rowMap",
              "positions on three axes",
              (w, g) ->
                  g.with("positionsIn", w.i32("in", 3, 9))
                      .with("positionsOut", w.i32("out", 3, 7))),
          edge(
              "rowMap",
              "cuts between each other's candidates, in any order",
              (w, g) -> {
                Tensor even = w.arena.alloc("even", DType.I32, 2);
                w.device.upload(even, MemorySegment.ofArray(new int[] {0, 2}));
                Tensor one = w.i32("one", 1);
                g.with("cuts", List.of(new Cut(3, 4, one, even), new Cut(2, 5, one, even)));
              }),
          edge(
              "hideRows",
              "positions on three axes",
              (w, g) ->
                  g.with("positionsIn", w.i32("in", 3, 9))
                      .with("positionsOut", w.i32("out", 3, 9))),
          edge("hideRows", "no cuts", cuts(0)),
          edge("hideRows", "64 cuts", cuts(64)),
          edge("hideRows", "a longer mask", (w, g) -> g.with("hidden", w.alloc("h", DType.U8, 99))),
          edge("gatherRows", "no rows", (w, g) -> noRows(g, "out", "out2", "rows")),
          edge(
              "gatherRows",
              "whole numbers",
              (w, g) -> g.with("in", w.i32("in", 5, 32)).with("out", w.i32("out", 3, 32))),
          edge("combineRows", "no rows", (w, g) -> noRows(g, "out", "index", "weight")),
          edge(
              "combineRows",
              "sums of nothing",
              (w, g) -> g.with("index", w.i32("i", 2, 0)).with("weight", w.f32("w", 2, 0))),
          edge("compactRows", "no rows", (w, g) -> noRows(g, "rows")),
          edge("compactRows", "all rows", (w, g) -> g.with("rows", w.i32("rows", 7))),
          edge("sample", "one token", (w, g) -> g.with("logits", w.f32("logits", 1, 1))),
          edge("sample", "greedy", (w, g) -> drawn(w, g, Sampling.GREEDY)),
          edge(
              "sample",
              "top-k beyond the vocabulary",
              (w, g) -> drawn(w, g, new Sampling(9, 99, 1, 0))),
          edge("advance", "no segments", (w, g) -> noRows(g, "segments")));

  private static void drawn(World w, Given g, Sampling sampling) {
    g.with("segments", SegmentTable.drawing(w.device, w.arena, 0, sampling).table());
  }

  private static void idle(World w, Given g) {
    g.with("segments", SegmentTable.of(w.device, w.arena, Segment.idle()).table());
  }

  private static void stay(World w, Given g, int rows) {
    for (String name : List.of("rows", "positionsOut", "sources")) {
      g.with(name, w.i32(name, rows));
    }
  }

  private static void noRows(Given g, String... names) {
    for (String name : names) {
      g.with(name, g.t(name).rows(0, 0));
    }
  }

  /** Caches of exactly the rows of the call. */
  private static void fills(World w, Given g, String... names) {
    for (String name : names) {
      g.with(name, g.t(name).rows(0, 4));
    }
    g.with("segments", SegmentTable.of(w.device, w.arena, Segment.of(0, 4, 0, 4)).table());
  }

  static List<Bad> edges() {
    return EDGES;
  }

  @ParameterizedTest
  @MethodSource("edges")
  void whatIsAtTheEdgeIsAcceptedByEveryDevice(Bad edge) {
    assertEquals(ACCEPTED, outcome(operator(edge.operator), edge.what, edge.change));
  }

  @Test
  void gathersTakeEightPairsAndNotNine() {
    for (Device device : DEVICES) {
      try (World w = World.of(device)) {
        var out = new ArrayList<Tensor>();
        var in = new ArrayList<Tensor>();
        for (int i = 0; i < 8; i++) {
          out.add(w.f32("out", 2, 8));
          in.add(w.f32("in", 3, 8));
        }
        Tensor rows = w.i32("rows", 2);
        device.gatherRows(out, in, rows);
        out.add(w.f32("out", 2, 8));
        in.add(w.f32("in", 3, 8));
        assertEquals(
            "out: 9 tensors for 9; they come in pairs, 1 to 8",
            assertThrows(IllegalArgumentException.class, () -> device.gatherRows(out, in, rows))
                .getMessage());
      }
    }
  }

  // ---- the two things that devices differ in ----

  private static Change heads(int channels) {
    return (w, g) -> {
      for (String t : List.of("q", "k", "v", "out")) {
        if (g.t(t) != null) {
          g.with(t, w.f32("my " + t, g.t(t).rows(), g.t(t).dim(1), channels));
        }
      }
    };
  }

  /** Kernels are compiled for heads of 32, 64 and 128 channels; Java takes any. */
  @Test
  void headsThatKernelsDoNotHaveAreRefusedByThemAlone() {
    for (Device device : DEVICES) {
      boolean java = device.type() == DeviceType.CPU;
      for (String name : List.of("attention", "attentionColsum", "colsumSelect")) {
        for (int d : new int[] {32, 64, 128}) {
          assertEquals(ACCEPTED, outcome(device, operator(name), heads(d)), name + " of " + d);
        }
        String outcome = outcome(device, operator(name), heads(48));
        String refused =
            "IllegalArgumentException: q: my q is F32[4, 2, 48], expected heads of 32, 64 or 128"
                + " channels; pad others with zeros";
        assertEquals(java ? ACCEPTED : refused, outcome, name + " on " + device.type().label());
      }
    }
  }

  /** A matrix is its device's own; one of another's is refused like a tensor of it. */
  @Test
  void aMatrixOfAnotherDeviceIsRefused() {
    Device other = new ReferenceDevice();
    for (Device device : DEVICES) {
      try (World w = World.of(device);
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
      try (World w = World.of(device)) {
        MemorySegment file = w.host.allocate(1 + 2 * 32, 16).asSlice(1);
        for (int i = 0; i < 32; i++) {
          file.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, DType.bf16(i));
        }
        var stored = new StoredTensor("my weight", DType.BF16, List.of(32), file.asReadOnly());
        Tensor weight = device.table(w.arena, DType.F32, stored);
        Operator rmsnorm = operator("rmsnorm");
        Given given = rmsnorm.right.apply(w).with("weight", weight);
        device.upload(given.t("x"), MemorySegment.ofArray(ones(96)));
        rmsnorm.call.apply(device, given).run();
        float[] out = new float[96];
        device.download(MemorySegment.ofArray(out), given.t("out"));
        assertEquals(31, out[95], 1e-3, device.type().label());

        given.with("x", w.alloc("my x", DType.BF16, 3, 32));
        given.with("out", w.alloc("my out", DType.BF16, 3, 32));
        assertEquals(
            "IllegalArgumentException: weight: my weight is F32[32], but my x is BF16[3, 32]",
            outcome(() -> rmsnorm.call.apply(device, given).run()),
            device.type().label());

        // Where it is not widened by an operator's arithmetic: rows gathered, and numbers read as
        // f32.
        Tensor table =
            device.table(
                w.arena,
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
      try (World w = World.of(device);
          Arena confined = Arena.ofConfined()) {
        MemorySegment memory = confined.allocate(64 * 1024 * 4, 64);
        Tensor x = w.arena.view("x", DType.F32, Block.of(memory), 64, 1024);
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
                SegmentTable.one(device, w.arena, 64, 0, 64));
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
    try (World w = World.of(device)) {
      Map<Operator, Runnable> calls =
          OPERATORS.stream()
              .filter(o -> !others.contains(o.name))
              .collect(Collectors.toMap(o -> o, o -> o.call.apply(device, o.right.apply(w))));
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
