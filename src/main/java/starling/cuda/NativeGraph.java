package starling.cuda;

import java.lang.foreign.MemorySegment;
import starling.device.Graph;

/** A graph of the library: on a GPU a CUDA graph, on the emulated device a list of launches. */
final class NativeGraph implements Graph {
  private final NativeLifecycle device;
  private MemorySegment graph;

  NativeGraph(NativeLifecycle device, MemorySegment graph) {
    this.device = device;
    this.graph = graph;
  }

  @Override
  public void launch() {
    if (graph == null) {
      throw new IllegalStateException("a graph is launched after it was closed");
    }
    device.call((library, stream) -> library.graphLaunch(graph, stream));
  }

  @Override
  public void close() {
    if (graph != null) {
      MemorySegment closing = graph;
      graph = null;
      device.destroy(closing);
    }
  }
}
