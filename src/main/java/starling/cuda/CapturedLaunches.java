package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntConsumer;

/** Numbers of launches, each captured as a graph at its first replay; closed before the device. */
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

  void replay(int count) {
    MemorySegment graph = graphs.computeIfAbsent(count, this::capture);
    device.call((library, stream) -> library.graphLaunch(graph, stream));
  }

  private MemorySegment capture(int count) {
    try (Arena memory = Arena.ofConfined()) {
      MemorySegment out = memory.allocate(ADDRESS);
      device.call((library, stream) -> library.captureBegin(stream));
      launches.accept(count);
      device.call((library, stream) -> library.captureEnd(out, stream));
      return out.get(ADDRESS, 0);
    }
  }

  @Override
  public void close() {
    graphs.values().forEach(g -> device.call((library, stream) -> library.graphDestroy(g)));
    graphs.clear();
  }
}
