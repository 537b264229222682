package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.cuda.abi.AbiCard;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.Bindings;
import starling.device.Activation;
import starling.device.Arguments;
import starling.device.AttentionInputs;
import starling.device.AttentionProvider;
import starling.device.Block;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.DeviceType;
import starling.device.GemmProvider;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.OutOfMemoryException;
import starling.device.PositionRule;
import starling.device.Providers;
import starling.device.Rope;
import starling.device.Segments;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.foreign.Symbols;
import starling.input.InputException;

/**
 * The operators as CUDA kernels: {@code cuda} on a GPU, {@code emulated} on the CPU, from the same
 * sources. Every operator is one call of {@code native/include/starling.h} on this device's stream
 * ({@link Operators}); nothing is allocated for it.
 *
 * <p>Threads: one at a time; a second one waits. Closing an arena waits for a running call. An
 * error of the library is an {@link IllegalStateException} with its sentence; {@link
 * InputException} when memory runs out.
 */
public final class NativeDevice implements Device {
  private static final int MARKS = 4096;

  private final DeviceType type;
  private final String description;
  private final Bindings library;
  private final SymbolLookup symbols;
  private final Arena handles = Arena.ofShared();
  private final MemorySegment stream;
  private final Operators operators;
  private final MemorySegment millis = handles.allocate(JAVA_DOUBLE);
  private final long[] events = new long[MARKS];
  private final Upload upload = new Upload(this);
  private final boolean emulated;
  private final Arguments.Runner runner;
  private final Arguments arguments;
  private long marks;
  private final long[] transfers = new long[4];
  private LibraryGemm products; // null: our own
  private LibraryAttention attentions; // null: our own
  private long libraryCalls;
  private boolean closed;

  /** In the order of the stream: an arena may be closed while work on it is still to be done. */
  private final TensorArena.Memory memory =
      new TensorArena.Memory() {
        private final MemorySegment out = handles.allocate(ADDRESS);

        @Override
        public Block allocate(long bytes) {
          synchronized (NativeDevice.this) {
            checkOpen();
            check(library.allocate(out, bytes, stream));
            return new Block(null, out.get(ADDRESS, 0).address(), bytes);
          }
        }

        @Override
        public void free(Block block) {
          synchronized (NativeDevice.this) {
            check(library.free(block.address(), closed ? MemorySegment.NULL : stream));
          }
        }

        @Override
        public void claim(Block block, long offset, long bytes) {
          synchronized (NativeDevice.this) {
            check(library.slotClaim(block.address() + offset, bytes));
          }
        }

        @Override
        public void unclaim(Block block, long offset) {
          synchronized (NativeDevice.this) {
            check(library.slotRelease(block.address() + offset));
          }
        }
      };

  @SuppressWarnings("restricted") // the stream as a segment, so that calls see whether it is closed
  private NativeDevice(DeviceType type, NativeLibrary found, String description, long cudaStream) {
    this.type = type;
    this.symbols = found.symbols();
    this.emulated = type == DeviceType.EMULATED;
    this.runner = emulated ? Arguments.Runner.HOST_KERNELS : Arguments.Runner.GPU_KERNELS;
    this.arguments = new Arguments(memory, runner);
    this.library = found.bindings();
    this.description = description;
    var out = handles.allocate(ADDRESS);
    int status = library.streamCreate(out, cudaStream);
    if (status != AbiConstants.OK) {
      handles.close();
      check(status);
    }
    // A call with a closed device finds the segment's arena closed.
    this.stream = out.get(ADDRESS, 0).reinterpret(1, handles, null);
    this.operators = new Operators(library, stream, handles, this::address);
  }

  /**
   * Opens {@link DeviceType#CUDA} or {@link DeviceType#EMULATED}.
   *
   * @throws InputException if no library is there or it cannot run on this machine, with the
   *     reasons
   */
  public static NativeDevice open(DeviceType type) {
    return open(type, Providers.OWN);
  }

  /**
   * The same with a choice of whose kernels multiply and attend.
   *
   * @throws InputException also if a library was asked for by name and cannot be used
   */
  public static NativeDevice open(DeviceType type, Providers providers) {
    NativeLibrary found = NativeLibrary.search(type.label());
    var device = new NativeDevice(type, found, probe(type, found.bindings()), 0);
    try {
      device.choose(providers);
    } catch (InputException e) {
      device.close();
      throw e;
    }
    return device;
  }

  /**
   * The cuda device on a stream of the caller's, who keeps it until this device is closed: work of
   * both runs in the order of the calls.
   *
   * @param cudaStream a {@code cudaStream_t} of the first card's primary context
   */
  public static NativeDevice openOnStream(long cudaStream) {
    NativeLibrary found = NativeLibrary.search(DeviceType.CUDA.label());
    return new NativeDevice(
        DeviceType.CUDA, found, probe(DeviceType.CUDA, found.bindings()), cudaStream);
  }

  /** The {@code cudaStream_t} that all work of this device runs on. */
  public synchronized long cudaStream() {
    checkOpen();
    return streamHandle().address();
  }

  /** Where a tensor of this device begins, in the device's memory. */
  public synchronized long addressOf(Tensor t) {
    checkOpen();
    arguments.open("tensor", t);
    return address(t);
  }

  private void choose(Providers providers) {
    if (emulated) {
      providers.needsCuda();
      return;
    }
    if (providers.gemm() != GemmProvider.OWN) {
      try {
        products = new LibraryGemm(this, streamHandle());
      } catch (InputException e) {
        if (providers.gemm() != GemmProvider.AUTO) {
          throw e;
        }
      }
    }
    if (providers.attention() == AttentionProvider.CUDNN) {
      attentions = new LibraryAttention(this, streamHandle());
    }
  }

  private MemorySegment streamHandle() {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      check(library.streamHandle(out, stream));
      return out.get(ADDRESS, 0);
    }
  }

  /** Places where cuBLASLt was looked for, one line each with what came of it. */
  public static List<String> triedCublasLt() {
    return CublasLtGemm.library().lines();
  }

  /** The same for cuDNN. */
  public static List<String> triedCudnn() {
    return CudnnAttention.library().lines();
  }

  /**
   * Over {@code file}, in which {@code entry} takes the place of {@code symbol}.
   *
   * @throws InputException if the library cannot be used or has no such function
   */
  public static NativeDevice openReplaced(DeviceType type, Path file, String symbol, String entry) {
    NativeLibrary found = NativeLibrary.of(type.label(), file, symbol, entry);
    return new NativeDevice(type, found, probe(type, found.bindings()), 0);
  }

  /** Every library that was looked for, one line each with what came of it. */
  public static List<String> tried(DeviceType type) {
    return NativeLibrary.search(type.label()).attempts().stream()
        .map(a -> a.place() + ": " + a.outcome())
        .toList();
  }

  /** The cards that the driver shows, the first of which is used; empty if it shows none. */
  public static List<DeviceProperties> cards() {
    Bindings library = NativeLibrary.search(DeviceType.CUDA.label()).bindings();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_INT);
      if (library.cardCount(count) != 0) {
        return List.of();
      }
      var cards = new ArrayList<DeviceProperties>();
      for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
        cards.add(card(library, arena, i));
      }
      return cards;
    }
  }

  private static DeviceProperties card(Bindings library, Arena arena, int index) {
    var card = new AbiCard(arena);
    if (library.cardDescribe(card, index) != AbiConstants.OK) {
      throw new InputException(Symbols.string(library.error()));
    }
    return new DeviceProperties(
        card.name(),
        card.uuid(),
        card.memoryBytes(),
        card.freeBytes(),
        card.l2Bytes(),
        card.multiprocessors(),
        card.major() + "." + card.minor(),
        card.mig() != 0);
  }

  DeviceProperties card(int index) {
    try (Arena arena = Arena.ofConfined()) {
      return card(library, arena, index);
    }
  }

  /**
   * What the hardware can do on this device's stream, for a bench; the caller closes it before the
   * device.
   */
  public NativeCeilings ceilings() {
    checkOpen();
    return new NativeCeilings(this);
  }

  boolean emulated() {
    return emulated;
  }

  SymbolLookup symbols() {
    return symbols;
  }

  /** A call of the library that is not an operator. */
  interface Call {
    int on(Bindings library, MemorySegment stream);
  }

  synchronized void call(Call call) {
    checkOpen();
    check(call.on(library, stream));
  }

  /**
   * Records what {@code step} puts on the stream, as a graph of the library, instead of running it.
   * The same step has run once before: scratch memory is then there and kernels are loaded. Other
   * threads wait. A step that fails leaves no graph, and a stream that works.
   */
  synchronized MemorySegment capture(Runnable step) {
    checkOpen();
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      check(library.captureBegin(stream));
      boolean whole = false;
      try {
        step.run();
        whole = true;
      } finally {
        if (!whole && library.captureEnd(out, stream) == 0) {
          library.graphDestroy(out.get(ADDRESS, 0));
        }
      }
      check(library.captureEnd(out, stream));
      return out.get(ADDRESS, 0);
    }
  }

  private static String probe(DeviceType type, Bindings library) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(500);
      if (library.probe(text, 500) != 0) {
        throw new InputException("device " + type.label() + ": " + Symbols.string(library.error()));
      }
      return text.getString(0);
    }
  }

  /** The one place where a status becomes an exception. */
  private void check(int status) {
    if (status == AbiConstants.OK) {
      return;
    }
    String sentence = Symbols.string(library.error());
    switch (status) {
      case AbiConstants.INVALID_ARGUMENT -> throw new IllegalArgumentException(sentence);
      case AbiConstants.NO_DEVICE ->
          throw new InputException("device " + type.label() + ": " + sentence);
      case AbiConstants.OUT_OF_MEMORY ->
          throw new OutOfMemoryException("device " + type.label() + ": " + sentence);
      default -> throw new IllegalStateException("device " + type.label() + ": " + sentence);
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the " + type.label() + " device is closed");
    }
  }

  @Override
  public DeviceType type() {
    return type;
  }

  @Override
  public String description() {
    return description
        + (upload.decoded().isEmpty() ? "" : ", weights decoded on load: " + upload.decoded())
        + (products == null ? "" : ", gemm by " + CublasLtGemm.version())
        + (attentions == null ? "" : ", attention by " + CudnnAttention.version());
  }

  @Override
  public String weightFormats() {
    return "f32, bf16 and f16; block formats are decoded on load, to the type of the activations";
  }

  /**
   * What has crossed between host and device.
   *
   * @param uploads calls of {@link #upload}
   * @param uploadedBytes their bytes
   * @param downloads calls of {@link #download}
   * @param downloadedBytes their bytes
   */
  public record Transfers(long uploads, long uploadedBytes, long downloads, long downloadedBytes) {}

  /** Since the device was opened, or the last {@link #resetTransfers}. */
  public synchronized Transfers transfers() {
    return new Transfers(transfers[0], transfers[1], transfers[2], transfers[3]);
  }

  public synchronized void resetTransfers() {
    Arrays.fill(transfers, 0);
  }

  // ---- memory ----

  @Override
  public TensorArena arena(String arena) {
    checkOpen();
    return new TensorArena(arena, memory);
  }

  @Override
  public int headSize(int d) {
    if (d > 128) {
      throw new InputException(
          "device "
              + type.label()
              + ": heads of "
              + d
              + " channels are wider than its kernels' 128");
    }
    return d <= 32 ? 32 : d <= 64 ? 64 : 128;
  }

  @Override
  public Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    checkOpen();
    arguments.linear(arena, dtype, source);
    return upload.linear(arena, dtype, source);
  }

  @Override
  public Linear asLinear(Tensor weight, Tensor bias) {
    checkOpen();
    arguments.asLinear(weight, bias);
    return new NativeLinear(weight, bias);
  }

  @Override
  public Tensor table(TensorArena arena, DType dtype, StoredTensor stored) {
    checkOpen();
    arguments.table(arena, dtype, stored);
    return upload.table(arena, dtype, stored);
  }

  @Override
  public synchronized void upload(Tensor dst, MemorySegment src) {
    checkOpen();
    arguments.upload(dst, src);
    long row = (long) dst.width() * dst.dtype().bytes();
    transfers[0]++;
    transfers[1] += row * dst.rows();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = src;
      if (!src.isNative()) {
        from = arena.allocate(Math.max(1, row * dst.rows()), 16);
        from.copyFrom(src.asSlice(0, row * dst.rows()));
      }
      long stride = (long) dst.rowStride() * dst.dtype().bytes();
      check(library.upload(address(dst), stride, from, row, row, dst.rows(), stream));
    }
  }

  @Override
  public synchronized void download(MemorySegment dst, Tensor src) {
    checkOpen();
    arguments.download(dst, src);
    long row = (long) src.width() * src.dtype().bytes();
    transfers[2]++;
    transfers[3] += row * src.rows();
    long stride = (long) src.rowStride() * src.dtype().bytes();
    if (dst.isNative()) {
      check(library.download(dst, row, address(src), stride, row, src.rows(), stream));
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(Math.max(1, row * src.rows()), 16);
      check(library.download(to, row, address(src), stride, row, src.rows(), stream));
      dst.copyFrom(to.asSlice(0, row * src.rows()));
    }
  }

  @Override
  public synchronized long recordEvent() {
    checkOpen();
    int slot = (int) (marks % MARKS);
    if (events[slot] == 0) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(ADDRESS);
        check(library.eventCreate(out));
        events[slot] = out.get(ADDRESS, 0).address();
      }
    }
    check(library.eventRecord(events[slot], stream));
    return marks++;
  }

  @Override
  public synchronized double elapsedMillis(long from, long to) {
    checkOpen();
    if (Math.min(from, to) < Math.max(0, marks - MARKS) || Math.max(from, to) >= marks) {
      throw new IllegalArgumentException("a mark that is not one of the last " + MARKS);
    }
    check(library.eventElapsed(millis, events[(int) (from % MARKS)], events[(int) (to % MARKS)]));
    return millis.get(JAVA_DOUBLE, 0);
  }

  // ---- rows ----

  /** The one place where a tensor becomes a number. */
  long address(Tensor t) {
    return t == null ? 0 : t.address(memory, runner);
  }

  @Override
  public synchronized void patchify(Tensor out, Tensor pixels, int patch) {
    checkOpen();
    arguments.patchify(out, pixels, patch);
    check(operators.patchify(out, pixels, patch));
  }

  @Override
  public synchronized void embed(Tensor out, Tensor ids, Tensor table) {
    checkOpen();
    arguments.embed(out, ids, table);
    check(operators.embed(out, ids, table));
  }

  @Override
  public synchronized void layernorm(Tensor out, Tensor x, Norm norm) {
    checkOpen();
    arguments.layernorm(out, x, norm);
    check(operators.layernorm(out, x, norm));
  }

  @Override
  public synchronized void rmsnorm(Tensor out, Tensor x, Norm norm) {
    checkOpen();
    arguments.rmsnorm(out, x, norm);
    check(operators.rmsnorm(out, x, norm));
  }

  @Override
  public synchronized void gemm(
      Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    checkOpen();
    arguments.gemm(y, x, w, before, activation, residual);
    var weight = (NativeLinear) w;
    if (products == null || !products.takes(y, x)) {
      ownGemm(y, x, weight, before, activation, residual);
    } else {
      libraryCalls++;
      products.gemm(y, x, weight, before, activation, residual);
    }
  }

  private void ownGemm(
      Tensor y, Tensor x, NativeLinear w, Norm before, Activation activation, Tensor residual) {
    check(operators.gemm(y, x, w, before, activation, residual));
  }

  /** {@code out = activation(x + bias) + residual}, all of one type. */
  void activation(Tensor out, Tensor x, Tensor bias, Activation activation, Tensor residual) {
    check(operators.activation(out, x, bias, activation, residual));
  }

  /** How many operators went to NVIDIA's libraries; the rest are our own kernels'. */
  public synchronized long libraryCalls() {
    return libraryCalls;
  }

  /** The algorithm that the library took for each shape so far; empty with our own gemm. */
  public synchronized List<String> gemmAlgorithms() {
    return products == null ? List.of() : products.chosen();
  }

  // ---- attention ----

  @Override
  public synchronized void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    checkOpen();
    arguments.rope(q, kv, qkv, positions, table);
    check(operators.rope(q, kv, qkv, positions, table));
  }

  @Override
  public synchronized void attention(Tensor out, Tensor lse, AttentionInputs in) {
    checkOpen();
    arguments.attention(out, lse, in);
    if (attentions == null || !attentions.takes(in)) {
      ownAttention(out, lse, in);
    } else {
      libraryCalls++;
      attentions.attention(out, lse, in);
    }
  }

  void ownAttention(Tensor out, Tensor lse, AttentionInputs in) {
    check(operators.attention(out, lse, in));
  }

  /** {@code lengths = {rows, length + rows}} of the one segment. */
  void sequenceLengths(Tensor lengths, Segments segments) {
    check(operators.sequenceLengths(lengths, segments));
  }

  /** Natural logarithms become those of base 2, in place. */
  void lseFromNatural(Tensor lse) {
    check(operators.lseFromNatural(lse));
  }

  /** Downloaded, as floats, row by row. */
  float[] floats(Tensor t) {
    int n = t.rows() * t.width();
    if (t.dtype() == DType.F32) {
      float[] values = new float[n];
      download(MemorySegment.ofArray(values), t);
      return values;
    }
    short[] bits = new short[n];
    download(MemorySegment.ofArray(bits), t);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = t.dtype().value(bits[i]);
    }
    return values;
  }

  @Override
  public synchronized void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates keys) {
    checkOpen();
    arguments.attentionColsum(sums, in, lse, rows, keys);
    check(operators.attentionColsum(sums, in, lse, rows, keys));
  }

  // ---- selection and compaction ----

  @Override
  public synchronized void tokenSelect(
      Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    checkOpen();
    arguments.tokenSelect(keep, score, sums, rows, nonFinite);
    check(operators.tokenSelect(keep, score, sums, rows, nonFinite));
  }

  @Override
  public synchronized void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates keys,
      Tensor nonFinite) {
    checkOpen();
    arguments.colsumSelect(keep, score, in, lse, rows, keys, nonFinite);
    check(operators.colsumSelect(keep, score, in, lse, rows, keys, nonFinite));
  }

  @Override
  public synchronized void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    checkOpen();
    arguments.cosines(out, x, nonFinite);
    check(operators.cosines(out, x, nonFinite));
  }

  @Override
  public synchronized void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    checkOpen();
    arguments.dropDuplicates(keep, score, cosines, best);
    check(operators.dropDuplicates(keep, score, cosines, best));
  }

  @Override
  public synchronized void rowMap(
      Tensor rows,
      Tensor positionsOut,
      Tensor sources,
      Tensor positionsIn,
      List<Cut> cuts,
      PositionRule rule) {
    checkOpen();
    arguments.rowMap(rows, positionsOut, sources, positionsIn, cuts, rule);
    check(operators.rowMap(rows, positionsOut, sources, positionsIn, cuts, rule));
  }

  @Override
  public synchronized void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    checkOpen();
    arguments.hideRows(hidden, positionsOut, positionsIn, cuts, rule);
    check(operators.hideRows(hidden, positionsOut, positionsIn, cuts, rule));
  }

  @Override
  public synchronized void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    checkOpen();
    arguments.gatherRows(out, in, rows);
    check(operators.gatherRows(out, in, rows));
  }

  @Override
  public synchronized void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    checkOpen();
    arguments.combineRows(out, in, index, weight);
    check(operators.combineRows(out, in, index, weight));
  }

  @Override
  public synchronized void compactRows(List<Kv> kv, Tensor rows) {
    checkOpen();
    arguments.compactRows(kv, rows);
    int most = Operators.MAX_TENSORS / 2;
    for (int first = 0; first < kv.size(); first += most) {
      check(operators.compactRows(kv.subList(first, Math.min(kv.size(), first + most)), rows));
    }
  }

  // ---- the end of a step ----

  @Override
  public synchronized void sample(Tensor ids, Tensor logits, Segments segments, Tensor nonFinite) {
    checkOpen();
    arguments.sample(ids, logits, segments, nonFinite);
    check(operators.sample(ids, logits, segments, nonFinite));
  }

  @Override
  public synchronized void advance(Segments segments) {
    checkOpen();
    arguments.advance(segments);
    check(operators.advance(segments));
  }

  /**
   * Waits for the stream and closes it; harmless when repeated. Memory belongs to the arenas, which
   * may be closed later.
   */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    try {
      if (products != null) {
        products.close();
      }
      if (attentions != null) {
        attentions.close();
      }
    } finally {
      closed = true; // also of a card that has failed: closing once more is harmless
      try {
        closeStream();
      } finally {
        handles.close();
      }
    }
  }

  private void closeStream() {
    for (long event : events) {
      if (event != 0) {
        check(library.eventDestroy(event));
      }
    }
    check(library.streamDestroy(stream));
  }
}
