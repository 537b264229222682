package starling.nvidia;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.DType;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;
import starling.nvidia.cudnn.Cudnn;

/** A kernel of cuDNN for one shape of attention, with the memory that it works in. */
final class CudnnPlan implements AutoCloseable {
  /** Configurations that the library is asked to propose. */
  private static final int ENGINES = 8;

  private final CudnnDescriptor plan;
  private final List<CudnnDescriptor> parts; // what it was made of, the last first
  private final TensorArena memory;
  private final long workspace;

  private CudnnPlan(
      CudnnDescriptor plan, List<CudnnDescriptor> parts, TensorArena memory, long workspace) {
    this.plan = plan;
    this.parts = parts;
    this.memory = memory;
    this.workspace = workspace;
  }

  /**
   * Has the library compile one.
   *
   * @param cudnn the library's handle
   * @throws InputException if it has no kernel for the shape, with its reason
   */
  static CudnnPlan of(CudnnAttention.Shape shape, MemorySegment cudnn, LibraryHost host) {
    var parts = new ArrayList<CudnnDescriptor>();
    try {
      CudnnDescriptor graph = new CudnnGraph(shape, parts).of(cudnn);
      return withWorkspace(bestThatCompiles(graph, cudnn, parts), parts, host);
    } catch (RuntimeException e) {
      parts.reversed().forEach(CudnnDescriptor::close);
      throw e instanceof IllegalStateException
          ? new InputException("attention cudnn: no kernel for " + shape + ": " + e.getMessage(), e)
          : e;
    }
  }

  /** Of the engines that the library proposes, the first whose kernel compiles. */
  private static CudnnDescriptor bestThatCompiles(
      CudnnDescriptor graph, MemorySegment cudnn, List<CudnnDescriptor> parts) {
    CudnnDescriptor heuristic =
        CudnnGraph.part(parts, Cudnn.CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR())
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
        return plan.library(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_HANDLE(), cudnn)
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
      made.add(CudnnGraph.part(parts, Cudnn.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR()));
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

  private static CudnnPlan withWorkspace(
      CudnnDescriptor plan, List<CudnnDescriptor> parts, LibraryHost host) {
    TensorArena memory = host.arena("cudnn workspace");
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
      return new CudnnPlan(plan, List.copyOf(parts.reversed()), memory, host.address(workspace));
    } catch (RuntimeException e) {
      memory.close();
      plan.close();
      throw e;
    }
  }

  MemorySegment handle() {
    return plan.handle();
  }

  /** Address of the memory that the kernel works in. */
  long workspace() {
    return workspace;
  }

  void closeDescriptors() {
    plan.close();
    parts.forEach(CudnnDescriptor::close);
  }

  void closeMemory() {
    memory.close();
  }

  @Override
  public void close() {
    closeDescriptors();
    closeMemory();
  }
}
