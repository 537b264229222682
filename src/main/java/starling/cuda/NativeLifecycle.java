package starling.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import starling.cuda.abi.Bindings;
import starling.device.Arguments;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.DeviceType;
import starling.device.Graph;
import starling.device.Linear;
import starling.device.Providers;
import starling.device.Slab;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * A native device but for its operators: the library that was found, its stream, memory, copies,
 * events and graphs. Every method holds the device's lock while it is at work.
 */
abstract class NativeLifecycle implements Device {
  private static final int MAX_HEAD = 128; // channels that the kernels for attention are made for

  private final DeviceType type;
  private final String description;
  private final SymbolLookup symbols;
  final NativeStream stream;
  private final NativeMemory memory;
  private final NativeEvents events;
  private final Copies copies;
  private final Arguments arguments;
  final Operators operators;
  final Libraries libraries;
  private final Upload upload = new Upload(this);

  NativeLifecycle(DeviceType type, NativeLibrary found, long cudaStream, Providers providers) {
    Bindings library = found.bindings();
    this.type = type;
    this.description = Cards.probe(type.label(), library);
    this.symbols = found.symbols();
    var runner = emulated() ? Arguments.Runner.HOST_KERNELS : Arguments.Runner.GPU_KERNELS;
    if (emulated()) {
      providers.needsCuda();
    }
    this.stream = new NativeStream(type.label(), library, cudaStream);
    try {
      this.memory = new NativeMemory(stream, runner, this);
      this.events = new NativeEvents(stream);
      this.copies = new Copies(stream, memory);
      this.arguments = new Arguments(memory, runner);
      this.operators = new Operators(library, stream.handle(), stream.arena(), memory::address);
      this.libraries =
          emulated()
              ? Libraries.NONE
              : Libraries.of(providers, new OwnKernels(stream, memory, operators, copies));
    } catch (RuntimeException e) {
      stream.close();
      throw e;
    }
  }

  @Override
  public DeviceType type() {
    return type;
  }

  @Override
  public String description() {
    String decoded = upload.decoded();
    return description
        + (decoded.isEmpty() ? "" : ", weights decoded on load: " + decoded)
        + libraries.description();
  }

  @Override
  public String weightFormats() {
    return "f32, bf16 and f16; block formats are decoded on load, to the type of the activations";
  }

  /** The checks of an operator's arguments, if the device is open. */
  final Arguments checked() {
    stream.checkOpen();
    return arguments;
  }

  boolean emulated() {
    return type == DeviceType.EMULATED;
  }

  /** For functions that only one library has. */
  SymbolLookup symbols() {
    return symbols;
  }

  DeviceProperties card(int index) {
    return Cards.card(stream.library(), index);
  }

  /** How many operators went to NVIDIA's libraries; the rest are our own kernels'. */
  public synchronized long libraryCalls() {
    return libraries.calls();
  }

  /** The algorithm that the library took for each shape so far; empty with our own gemm. */
  public synchronized List<String> gemmAlgorithms() {
    return libraries.gemmAlgorithms();
  }

  // ---- the stream, for programs and benches that put more on it ----

  /** The {@code cudaStream_t} that all work of this device runs on. */
  public synchronized long cudaStream() {
    stream.checkOpen();
    return stream.cudaStream().address();
  }

  /** Where a tensor of this device begins, in the device's memory. */
  public synchronized long addressOf(Tensor t) {
    stream.checkOpen();
    arguments.open("tensor", t);
    return address(t);
  }

  long address(Tensor t) {
    return memory.address(t);
  }

  /** A call of the library that is not an operator; returns its status. */
  interface Call {
    int on(Bindings library, MemorySegment stream);
  }

  synchronized void call(Call call) {
    stream.checkOpen();
    stream.check(call.on(stream.library(), stream.handle()));
  }

  /** Records what {@code step} does as a graph of the library; other threads wait. */
  synchronized MemorySegment capture(Runnable step) {
    stream.checkOpen();
    return stream.capture(step);
  }

  @Override
  public Graph graph(Runnable work) {
    return new NativeGraph(this, capture(work));
  }

  /** Also when the device is closed already: a graph lives in the library, not on the stream. */
  synchronized void destroy(MemorySegment graph) {
    stream.check(stream.library().graphDestroy(graph));
  }

  @Override
  public synchronized long recordEvent() {
    stream.checkOpen();
    return events.record();
  }

  @Override
  public synchronized double elapsedMillis(long from, long to) {
    stream.checkOpen();
    return events.millis(from, to);
  }

  // ---- memory ----

  @Override
  public TensorArena arena(String arena) {
    stream.checkOpen();
    return new TensorArena(arena, memory);
  }

  @Override
  public Slab slab(String slab) {
    stream.checkOpen();
    return new Slab(slab, memory);
  }

  @Override
  public int headSize(int d) {
    if (d > MAX_HEAD) {
      throw new InputException(
          "device %s: heads of %d channels are wider than its kernels' %d"
              .formatted(type.label(), d, MAX_HEAD));
    }
    return d <= 32 ? 32 : d <= 64 ? 64 : d <= 80 ? 80 : MAX_HEAD;
  }

  @Override
  public Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    stream.checkOpen();
    arguments.linear(arena, dtype, source);
    return upload.linear(arena, dtype, source);
  }

  @Override
  public Linear asLinear(Tensor weight, Tensor bias) {
    stream.checkOpen();
    arguments.asLinear(weight, bias);
    return new NativeLinear(weight, bias);
  }

  @Override
  public Tensor table(TensorArena arena, DType dtype, StoredTensor stored) {
    stream.checkOpen();
    arguments.table(arena, dtype, stored);
    return upload.table(arena, dtype, stored);
  }

  @Override
  public synchronized void upload(Tensor dst, MemorySegment src) {
    stream.checkOpen();
    arguments.upload(dst, src);
    copies.upload(dst, src);
  }

  @Override
  public synchronized void download(MemorySegment dst, Tensor src) {
    stream.checkOpen();
    arguments.download(dst, src);
    copies.download(dst, src);
  }

  /** What has crossed since the device was opened, or the last {@link #resetTransfers}. */
  public synchronized Transfers transfers() {
    return copies.counted();
  }

  /** Counts from zero again. */
  public synchronized void resetTransfers() {
    copies.reset();
  }

  /**
   * Waits for the stream and closes it; harmless when repeated. Memory belongs to the arenas, which
   * may be closed later.
   */
  @Override
  public synchronized void close() {
    if (stream.isClosed()) {
      return;
    }
    try {
      libraries.close();
    } finally {
      try {
        events.close();
      } finally {
        stream.close();
      }
    }
  }
}
