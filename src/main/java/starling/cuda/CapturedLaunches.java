package starling.cuda;

import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntConsumer;

/** Graphs of so many launches, captured at their first replay; closed before the device. */
final class CapturedLaunches implements AutoCloseable {
  private final NativeDevice device;
  private final IntConsumer launches;
  private final Map<Integer, MemorySegment> graphs = new HashMap<>();

  /**
   * @param launches puts that many on the device's stream
   */
  CapturedLaunches(NativeDevice device, IntConsumer launches) {
    this.device = device;
    this.launches = launches;
  }

  /** Puts {@code count} launches on the stream as one graph. */
  void replay(int count) {
    MemorySegment graph = graphs.computeIfAbsent(count, this::capture);
    device.call((library, stream) -> library.graphLaunch(graph, stream));
  }

  private MemorySegment capture(int count) {
    launches.accept(1); // loads the kernel, which a capture may not
    return device.capture(() -> launches.accept(count));
  }

  @Override
  public void close() {
    graphs.values().forEach(g -> device.call((library, stream) -> library.graphDestroy(g)));
    graphs.clear();
  }
}
