package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.Bindings;
import starling.device.OutOfMemoryException;
import starling.foreign.Symbols;
import starling.input.InputException;

/**
 * The one stream of a device: its work runs in the order of the calls. What the library answers
 * becomes an exception here and nowhere else. Callers hold the device's lock.
 */
final class NativeStream {
  private final String device;
  private final Bindings library;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment handle;
  private boolean closed;

  /**
   * @param device its name, for sentences
   * @param cudaStream a {@code cudaStream_t} of the caller's, or 0 for a stream of its own
   */
  @SuppressWarnings("restricted") // the stream as a segment, so that calls see whether it is closed
  NativeStream(String device, Bindings library, long cudaStream) {
    this.device = device;
    this.library = library;
    var out = arena.allocate(ADDRESS);
    int status = library.streamCreate(out, cudaStream);
    if (status != AbiConstants.OK) {
      arena.close();
      check(status);
    }
    // A call with a closed device finds the segment's arena closed.
    this.handle = out.get(ADDRESS, 0).reinterpret(1, arena, null);
  }

  Bindings library() {
    return library;
  }

  /** What calls of the library take. */
  MemorySegment handle() {
    return handle;
  }

  /** What the stream's calls lie in, as long as it is open. */
  Arena arena() {
    return arena;
  }

  boolean isClosed() {
    return closed;
  }

  void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the " + device + " device is closed");
    }
  }

  /** Throws what a status of the library says, with its sentence. */
  void check(int status) {
    if (status == AbiConstants.OK) {
      return;
    }
    String sentence = Symbols.string(library.error());
    switch (status) {
      case AbiConstants.INVALID_ARGUMENT -> throw new IllegalArgumentException(sentence);
      case AbiConstants.NO_DEVICE -> throw new InputException("device " + device + ": " + sentence);
      case AbiConstants.OUT_OF_MEMORY ->
          throw new OutOfMemoryException("device " + device + ": " + sentence);
      default -> throw new IllegalStateException("device " + device + ": " + sentence);
    }
  }

  /** The {@code cudaStream_t} inside. */
  MemorySegment cudaStream() {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      check(library.streamHandle(out, handle));
      return out.get(ADDRESS, 0);
    }
  }

  /** Waits until all of its work is done. */
  void await() {
    check(library.streamWait(handle));
  }

  /**
   * Records what {@code step} puts on the stream, as a graph of the library, instead of running it.
   * The same step has run once before: scratch memory is then there and kernels are loaded. A step
   * that fails leaves no graph, and a stream that works.
   */
  MemorySegment capture(Runnable step) {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      check(library.captureBegin(handle));
      boolean whole = false;
      try {
        step.run();
        whole = true;
      } finally {
        if (!whole && library.captureEnd(out, handle) == AbiConstants.OK) {
          library.graphDestroy(out.get(ADDRESS, 0));
        }
      }
      check(library.captureEnd(out, handle));
      return out.get(ADDRESS, 0);
    }
  }

  /** Waits for its work. The stream counts as closed even if that work, or the card, has failed. */
  void close() {
    closed = true;
    try {
      check(library.streamDestroy(handle));
    } finally {
      arena.close();
    }
  }
}
