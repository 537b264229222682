package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import starling.cuda.cudnn.Cudnn;
import starling.device.DType;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * Fused attention by NVIDIA's cuDNN, for one stream: its single-node forward operation ({@code
 * CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR}), with the natural logarithm of every row's sum. A
 * shape's kernel is compiled at its first call, which takes the library a while, and kept; of more
 * than {@value #MAX_PLANS} shapes the one unused for longest goes.
 */
final class CudnnAttention implements AutoCloseable {
  /** Has the operation. */
  private static final long OLDEST = 91301;

  /** Has masks and lengths in it. */
  private static final long MASKS = 92100;

  private static final int MAX_PLANS = 32;
  private static final int ENGINES = 8; // configurations to ask the heuristic for

  // Names of the tensors in a plan.
  private static final long Q = 1;
  private static final long K = 2;
  private static final long V = 3;
  private static final long OUT = 4;
  private static final long STATISTICS = 5;
  private static final long SCALE = 6;
  private static final long QUERIES = 7; // how many
  private static final long KEYS = 8;
  private static final long SCORES = 9;
  private static final long MASKED = 10;
  private static final long OUTSIDE = 11; // the score of what is masked

  private static NvidiaLibrary library;

  /**
   * What a plan depends on; strides of rows in elements.
   *
   * @param capacity rows of k and v
   * @param statisticsStride 0: none
   * @param lengths whether the numbers of queries and keys are read on the device
   */
  record Shape(
      int rows,
      int capacity,
      int heads,
      int keyHeads,
      int d,
      long qStride,
      long kStride,
      long vStride,
      long outStride,
      long statisticsStride,
      boolean causal,
      boolean lengths,
      DType dtype) {}

  /** Addresses of one call. {@code lengths}: i32 {@code [2]}, queries and keys, or 0. */
  record Call(long out, long statistics, long q, long k, long v, long lengths, float scale) {}

  /** {@code parts}: what the plan was made of. */
  private record Plan(
      CudnnDescriptor plan, List<CudnnDescriptor> parts, TensorArena memory, long workspace) {
    void close() {
      closeDescriptors();
      memory.close();
    }

    void closeDescriptors() {
      plan.close();
      parts.forEach(CudnnDescriptor::close);
    }
  }

  private final NativeDevice device;
  private final MemorySegment handle;
  private final Map<Shape, Plan> plans = new LinkedHashMap<>(16, 0.75f, true);

  /** Searched once; what is loaded stays. */
  static synchronized NvidiaLibrary library() {
    if (library == null || library.loaded() == null) {
      library = NvidiaLibrary.search("cudnn", List.of("libcudnn.so.9"));
    }
    return library;
  }

  /**
   * @throws InputException if the library is not there, too old or cannot start, with the reason
   */
  CudnnAttention(NativeDevice device, MemorySegment stream) {
    this.device = device;
    if (library().loaded() == null) {
      throw new InputException("attention cudnn: no library could be used (see doctor)");
    }
    if (Cudnn.cudnnGetVersion() < OLDEST) {
      throw new InputException(
          "attention cudnn: 9.13.1 or later is needed, and this is " + version());
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      int status = Cudnn.cudnnCreate(out);
      if (status != 0) {
        throw new InputException(
            "attention cudnn: cudnnCreate: " + CudnnDescriptor.sentence(status));
      }
      handle = out.get(ADDRESS, 0);
    }
    int status = Cudnn.cudnnSetStream(handle, stream);
    if (status != 0) {
      String why = CudnnDescriptor.sentence(status);
      Cudnn.cudnnDestroy(handle);
      throw new InputException("attention cudnn: cudnnSetStream: " + why);
    }
  }

  /** "cuDNN 9.24.0". */
  static String version() {
    long v = Cudnn.cudnnGetVersion();
    return String.format(Locale.ROOT, "cuDNN %d.%d.%d", v / 10_000, v / 100 % 100, v % 100);
  }

  /** Whether this version has masks, and lengths that are read on the device. */
  static boolean masks() {
    return Cudnn.cudnnGetVersion() >= MASKS;
  }

  /**
   * Attends; {@code statistics} become natural logarithms of the rows' sums.
   *
   * @return whether it is the shape's first call
   * @throws InputException if the library has no kernel for the shape
   */
  boolean attend(Shape shape, Call call) {
    Plan plan = plans.get(shape);
    boolean first = plan == null;
    if (first) {
      plan = plan(shape);
      plans.put(shape, plan);
      if (plans.size() > MAX_PLANS) {
        forget(plans.keySet().iterator().next());
      }
    }
    try {
      execute(shape, plan, call);
    } catch (IllegalStateException e) {
      if (first) {
        forget(shape); // its first result is still to come
      }
      throw e;
    }
    return first;
  }

  /** The next call with the shape is its first again: there was no result, or a wrong one. */
  void forget(Shape shape) {
    await();
    plans.remove(shape).close();
  }

  /** A plan is not taken from under a kernel that still runs. */
  private void await() {
    device.call((library, stream) -> library.streamWait(stream));
  }

  private void execute(Shape shape, Plan plan, Call call) {
    var names = new ArrayList<>(List.of(Q, K, V, OUT, SCALE));
    var addresses = new ArrayList<>(List.of(call.q, call.k, call.v, call.out));
    try (Arena arena = Arena.ofConfined();
        var pack = new CudnnDescriptor(Cudnn.CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR())) {
      addresses.add(arena.allocateFrom(JAVA_FLOAT, call.scale).address());
      if (shape.statisticsStride > 0) {
        names.add(STATISTICS);
        addresses.add(call.statistics);
      }
      if (shape.lengths) {
        names.addAll(List.of(QUERIES, KEYS));
        addresses.addAll(List.of(call.lengths, call.lengths + Integer.BYTES));
      }
      if (shape.causal) {
        names.add(OUTSIDE);
        addresses.add(arena.allocateFrom(JAVA_FLOAT, Float.NEGATIVE_INFINITY).address());
      }
      MemorySegment pointers =
          arena.allocateFrom(JAVA_LONG, addresses.stream().mapToLong(a -> a).toArray());
      pack.longs(
              Cudnn.CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS(),
              names.stream().mapToLong(n -> n).toArray())
          .set(
              Cudnn.CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS(),
              Cudnn.CUDNN_TYPE_VOID_PTR(),
              addresses.size(),
              pointers)
          .set(
              Cudnn.CUDNN_ATTR_VARIANT_PACK_WORKSPACE(),
              Cudnn.CUDNN_TYPE_VOID_PTR(),
              1,
              arena.allocateFrom(JAVA_LONG, plan.workspace))
          .finish();
      CudnnDescriptor.check(
          "cudnnBackendExecute",
          Cudnn.cudnnBackendExecute(handle, plan.plan.handle(), pack.handle()));
    }
  }

  // ---- plans ----

  private Plan plan(Shape shape) {
    var parts = new ArrayList<CudnnDescriptor>();
    try {
      CudnnDescriptor operation = operation(shape, parts);
      CudnnDescriptor graph =
          part(parts, Cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR())
              .library(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_HANDLE(), handle)
              .part(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS(), operation)
              .finish();
      CudnnDescriptor plan = bestThatCompiles(graph, parts);
      return withWorkspace(plan, parts);
    } catch (RuntimeException e) {
      parts.reversed().forEach(CudnnDescriptor::close);
      throw e instanceof IllegalStateException
          ? new InputException("attention cudnn: no kernel for " + shape + ": " + e.getMessage(), e)
          : e;
    }
  }

  private static CudnnDescriptor part(List<CudnnDescriptor> parts, int type) {
    var part = new CudnnDescriptor(type);
    parts.add(part);
    return part;
  }

  private static CudnnDescriptor operation(Shape s, List<CudnnDescriptor> parts) {
    int type = s.dtype == DType.F16 ? Cudnn.CUDNN_DATA_HALF() : Cudnn.CUDNN_DATA_BFLOAT16();
    CudnnDescriptor q = rows(parts, Q, type, s.rows, s.heads, s.d, s.qStride);
    CudnnDescriptor k = rows(parts, K, type, s.capacity, s.keyHeads, s.d, s.kStride);
    CudnnDescriptor v = rows(parts, V, type, s.capacity, s.keyHeads, s.d, s.vStride);
    CudnnDescriptor out = rows(parts, OUT, type, s.rows, s.heads, s.d, s.outStride);
    CudnnDescriptor scale = scalar(parts, SCALE).finish();
    CudnnDescriptor queries = s.lengths ? length(parts, QUERIES) : null;
    CudnnDescriptor keys = s.lengths ? length(parts, KEYS) : null;
    CudnnDescriptor statistics = s.statisticsStride > 0 ? statistics(parts, s) : null;
    CudnnDescriptor mask = s.causal ? causal(parts, s, queries, keys) : null;

    CudnnDescriptor operation =
        part(parts, Cudnn.CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR())
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC(), q)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC(), k)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC(), v)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC(), out)
            .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC(), scale);
    if (statistics != null) {
      operation.part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC(), statistics);
    }
    if (s.lengths) {
      operation
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_QDESC(), queries)
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SEQ_LEN_KVDESC(), keys);
    }
    if (mask != null) {
      operation
          .part(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH(), mask)
          .longs(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_INPUT_UID(), SCORES)
          .longs(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SUBGRAPH_OUTPUT_UID(), MASKED);
    }
    return operation.finish();
  }

  /** Row t sees the keys up to its own: the band's diagonal ends at the last query and key. */
  private static CudnnDescriptor causal(
      List<CudnnDescriptor> parts, Shape s, CudnnDescriptor queries, CudnnDescriptor keys) {
    CudnnDescriptor mask =
        part(parts, Cudnn.CUDNN_BACKEND_OPERATION_DIAGONAL_BAND_MASK_DESCRIPTOR());
    mask.part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_XDESC(), scores(parts, SCORES, s))
        .part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_YDESC(), scores(parts, MASKED, s))
        .part(
            Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_BDESC(), scalar(parts, OUTSIDE).finish())
        .choice(
            Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_COMPARISON_MODE(),
            Cudnn.CUDNN_TYPE_POINTWISE_MODE(),
            Cudnn.CUDNN_POINTWISE_CMP_GE());
    if (s.lengths) {
      mask.part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_SEQ_LEN_QDESC(), queries)
          .part(Cudnn.CUDNN_ATTR_OPERATION_DIAGONAL_BAND_MASK_SEQ_LEN_KVDESC(), keys);
    }
    return part(parts, Cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR())
        .part(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS(), mask.finish())
        .finish();
  }

  // ---- tensors: [1, heads, rows, channels] ----

  private static CudnnDescriptor tensor(
      List<CudnnDescriptor> parts,
      long name,
      int type,
      long alignment,
      long[] dims,
      long[] strides) {
    return part(parts, Cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR())
        .choice(Cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE(), Cudnn.CUDNN_TYPE_DATA_TYPE(), type)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS(), dims)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_STRIDES(), strides)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID(), name)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT(), alignment);
  }

  private static CudnnDescriptor rows(
      List<CudnnDescriptor> parts,
      long name,
      int type,
      long rows,
      long heads,
      long d,
      long stride) {
    long[] strides = {rows * stride, d, stride, 1};
    return tensor(parts, name, type, 16, new long[] {1, heads, rows, d}, strides).finish();
  }

  private static CudnnDescriptor statistics(List<CudnnDescriptor> parts, Shape s) {
    long[] strides = {s.heads * s.statisticsStride, s.statisticsStride, 1, 1};
    long[] dims = {1, s.heads, s.rows, 1};
    return tensor(parts, STATISTICS, Cudnn.CUDNN_DATA_FLOAT(), 16, dims, strides).finish();
  }

  private static CudnnDescriptor scores(List<CudnnDescriptor> parts, long name, Shape s) {
    long map = (long) s.rows * s.capacity;
    long[] dims = {1, s.heads, s.rows, s.capacity};
    long[] strides = {s.heads * map, map, s.capacity, 1};
    return tensor(parts, name, Cudnn.CUDNN_DATA_FLOAT(), 16, dims, strides)
        .yes(Cudnn.CUDNN_ATTR_TENSOR_IS_VIRTUAL())
        .finish();
  }

  /**
   * A length must lie on the device: with one of the host's the library's kernel does not compile.
   */
  private static CudnnDescriptor length(List<CudnnDescriptor> parts, long name) {
    return one(parts, name, Cudnn.CUDNN_DATA_INT32()).finish();
  }

  private static CudnnDescriptor scalar(List<CudnnDescriptor> parts, long name) {
    return one(parts, name, Cudnn.CUDNN_DATA_FLOAT()).yes(Cudnn.CUDNN_ATTR_TENSOR_IS_BY_VALUE());
  }

  private static CudnnDescriptor one(List<CudnnDescriptor> parts, long name, int type) {
    long[] ones = {1, 1, 1, 1};
    return tensor(parts, name, type, 4, ones, ones);
  }

  // ---- engines ----

  /** Of the engines that the library proposes, the first whose kernel compiles. */
  private CudnnDescriptor bestThatCompiles(CudnnDescriptor graph, List<CudnnDescriptor> parts) {
    CudnnDescriptor heuristic =
        part(parts, Cudnn.CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR())
            .part(Cudnn.CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH(), graph)
            .choice(
                Cudnn.CUDNN_ATTR_ENGINEHEUR_MODE(),
                Cudnn.CUDNN_TYPE_HEUR_MODE(),
                Cudnn.CUDNN_HEUR_MODE_A())
            .finish();
    IllegalStateException why = new IllegalStateException("no engine is proposed");
    for (CudnnDescriptor configuration : configurations(heuristic, parts)) {
      var plan = new CudnnDescriptor(Cudnn.CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR());
      try {
        return plan.library(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_HANDLE(), handle)
            .part(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG(), configuration)
            .finish();
      } catch (IllegalStateException e) {
        plan.close();
        why = e;
      }
    }
    throw why;
  }

  private static List<CudnnDescriptor> configurations(
      CudnnDescriptor heuristic, List<CudnnDescriptor> parts) {
    var made = new ArrayList<CudnnDescriptor>();
    for (int i = 0; i < ENGINES; i++) {
      made.add(part(parts, Cudnn.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR()));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_LONG);
      MemorySegment handles =
          arena.allocateFrom(
              JAVA_LONG, made.stream().mapToLong(d -> d.handle().address()).toArray());
      CudnnDescriptor.check(
          "cudnnBackendGetAttribute",
          Cudnn.cudnnBackendGetAttribute(
              heuristic.handle(),
              Cudnn.CUDNN_ATTR_ENGINEHEUR_RESULTS(),
              Cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR(),
              ENGINES,
              count,
              handles));
      return made.subList(0, Math.toIntExact(Math.min(ENGINES, count.get(JAVA_LONG, 0))));
    }
  }

  private Plan withWorkspace(CudnnDescriptor plan, List<CudnnDescriptor> parts) {
    TensorArena memory = device.arena("cudnn workspace");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(JAVA_LONG);
      CudnnDescriptor.check(
          "cudnnBackendGetAttribute",
          Cudnn.cudnnBackendGetAttribute(
              plan.handle(),
              Cudnn.CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE(),
              Cudnn.CUDNN_TYPE_INT64(),
              1,
              arena.allocate(JAVA_LONG),
              bytes));
      int size = Math.toIntExact(Math.max(16, bytes.get(JAVA_LONG, 0)));
      Tensor workspace = memory.alloc("workspace", DType.U8, size);
      return new Plan(plan, List.copyOf(parts.reversed()), memory, device.address(workspace));
    } catch (RuntimeException e) {
      memory.close();
      plan.close();
      throw e;
    }
  }

  @Override
  public void close() {
    try {
      await();
    } finally { // on a card that has failed too: of the library nothing is left
      plans.values().forEach(Plan::closeDescriptors);
      Cudnn.cudnnDestroy(handle);
      plans.values().forEach(plan -> plan.memory.close());
      plans.clear();
    }
  }
}
