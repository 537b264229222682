package starling.nvidia;

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
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Tensor;
import starling.input.InputException;
import starling.nvidia.cudnn.Cudnn;

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

  private static NvidiaLibrary library;

  /**
   * What a kernel for attention depends on; strides of rows in elements.
   *
   * @param capacity rows of k and v
   * @param statisticsStride 0: no statistics are wanted
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
      DType dtype) {

    /**
     * @param lse null if no statistics are wanted
     */
    static Shape of(Tensor out, Tensor lse, AttentionInputs in) {
      Tensor q = in.q();
      Kv kv = in.kv();
      return new Shape(
          q.rows(),
          kv.segments() == null ? q.rows() : kv.k().rows(),
          q.dim(1),
          kv.k().dim(1),
          q.dim(2),
          q.rowStride(),
          kv.k().rowStride(),
          kv.v().rowStride(),
          out.rowStride(),
          lse == null ? 0 : lse.rowStride(),
          in.mask().causal(),
          kv.segments() != null,
          q.dtype());
    }
  }

  /** Addresses of one call. {@code lengths}: i32 {@code [2]}, queries and keys, or 0. */
  record Call(long out, long statistics, long q, long k, long v, long lengths, float scale) {}

  private final LibraryHost host;
  private final MemorySegment handle;
  private final Map<Shape, CudnnPlan> plans = new LinkedHashMap<>(16, 0.75f, true);

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
  CudnnAttention(LibraryHost host) {
    this.host = host;
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
    int status = Cudnn.cudnnSetStream(handle, host.cudaStream());
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
    CudnnPlan plan = plans.get(shape);
    boolean first = plan == null;
    if (first) {
      plan = CudnnPlan.of(shape, handle, host);
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
    host.await(); // a plan is not taken from under a kernel that still runs
    plans.remove(shape).close();
  }

  private void execute(Shape shape, CudnnPlan plan, Call call) {
    try (Arena arena = Arena.ofConfined();
        var pack = new CudnnDescriptor(Cudnn.CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR())) {
      pack(pack, shape, call, arena)
          .set(
              Cudnn.CUDNN_ATTR_VARIANT_PACK_WORKSPACE(),
              Cudnn.CUDNN_TYPE_VOID_PTR(),
              1,
              arena.allocateFrom(JAVA_LONG, plan.workspace()))
          .finish();
      CudnnDescriptor.check(
          "cudnnBackendExecute", Cudnn.cudnnBackendExecute(handle, plan.handle(), pack.handle()));
    }
  }

  /** Where each tensor of the plan lies: of scalars in {@code arena}, of others on the device. */
  private static CudnnDescriptor pack(CudnnDescriptor pack, Shape shape, Call call, Arena arena) {
    var names =
        new ArrayList<>(
            List.of(CudnnGraph.Q, CudnnGraph.K, CudnnGraph.V, CudnnGraph.OUT, CudnnGraph.SCALE));
    var addresses = new ArrayList<>(List.of(call.q, call.k, call.v, call.out));
    addresses.add(arena.allocateFrom(JAVA_FLOAT, call.scale).address());
    if (shape.statisticsStride() > 0) {
      names.add(CudnnGraph.STATISTICS);
      addresses.add(call.statistics);
    }
    if (shape.lengths()) {
      names.addAll(List.of(CudnnGraph.QUERIES, CudnnGraph.KEYS));
      addresses.addAll(List.of(call.lengths, call.lengths + Integer.BYTES));
    }
    if (shape.causal()) {
      names.add(CudnnGraph.OUTSIDE);
      addresses.add(arena.allocateFrom(JAVA_FLOAT, Float.NEGATIVE_INFINITY).address());
    }
    return pack.longs(Cudnn.CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS(), longs(names))
        .set(
            Cudnn.CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS(),
            Cudnn.CUDNN_TYPE_VOID_PTR(),
            addresses.size(),
            arena.allocateFrom(JAVA_LONG, longs(addresses)));
  }

  private static long[] longs(List<Long> values) {
    return values.stream().mapToLong(v -> v).toArray();
  }

  @Override
  public void close() {
    try {
      host.await();
    } finally { // on a card that has failed too: of the library nothing is left
      plans.values().forEach(CudnnPlan::closeDescriptors);
      Cudnn.cudnnDestroy(handle);
      plans.values().forEach(CudnnPlan::closeMemory);
      plans.clear();
    }
  }
}
