package starling.nvidia;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import starling.foreign.Symbols;
import starling.nvidia.cudnn.Cudnn;

/**
 * One of cuDNN's backend descriptors: created, given its attributes, finalized, closed. What fails
 * is an {@link IllegalStateException} with the call, the status and the library's own reason.
 */
final class CudnnDescriptor implements AutoCloseable {
  private MemorySegment handle;

  /**
   * @param type one of {@code CUDNN_BACKEND_…_DESCRIPTOR}
   */
  CudnnDescriptor(int type) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      check("cudnnBackendCreateDescriptor", Cudnn.cudnnBackendCreateDescriptor(type, out));
      handle = out.get(ADDRESS, 0);
    }
  }

  MemorySegment handle() {
    return handle;
  }

  CudnnDescriptor set(int attribute, int type, long count, MemorySegment values) {
    check(
        "cudnnBackendSetAttribute " + attribute,
        Cudnn.cudnnBackendSetAttribute(handle, attribute, type, count, values));
    return this;
  }

  CudnnDescriptor longs(int attribute, long... values) {
    try (Arena arena = Arena.ofConfined()) {
      return set(
          attribute,
          Cudnn.CUDNN_TYPE_INT64(),
          values.length,
          arena.allocateFrom(JAVA_LONG, values));
    }
  }

  /** A value of an enumeration, whose type is {@code type}. */
  CudnnDescriptor choice(int attribute, int type, int value) {
    try (Arena arena = Arena.ofConfined()) {
      return set(attribute, type, 1, arena.allocateFrom(JAVA_INT, value));
    }
  }

  CudnnDescriptor yes(int attribute) {
    try (Arena arena = Arena.ofConfined()) {
      return set(attribute, Cudnn.CUDNN_TYPE_BOOLEAN(), 1, arena.allocateFrom(JAVA_BYTE, (byte) 1));
    }
  }

  CudnnDescriptor part(int attribute, CudnnDescriptor value) {
    try (Arena arena = Arena.ofConfined()) {
      return set(
          attribute,
          Cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR(),
          1,
          arena.allocateFrom(ADDRESS, value.handle));
    }
  }

  CudnnDescriptor library(int attribute, MemorySegment cudnn) {
    try (Arena arena = Arena.ofConfined()) {
      return set(attribute, Cudnn.CUDNN_TYPE_HANDLE(), 1, arena.allocateFrom(ADDRESS, cudnn));
    }
  }

  CudnnDescriptor finish() {
    check("cudnnBackendFinalize", Cudnn.cudnnBackendFinalize(handle));
    return this;
  }

  static void check(String call, int status) {
    if (status != 0) {
      throw new IllegalStateException(call + ": " + sentence(status));
    }
  }

  /** "CUDNN_STATUS_NOT_SUPPORTED (3000): why", as far as the library says why. */
  static String sentence(int status) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(2048);
      Cudnn.cudnnGetLastErrorString(text, text.byteSize());
      String why = text.getString(0).lines().findFirst().orElse("");
      String name = Symbols.string(Cudnn.cudnnGetErrorString(status));
      return name + " (" + status + ")" + (why.isEmpty() ? "" : ": " + why);
    }
  }

  @Override
  public void close() {
    if (handle != null) {
      Cudnn.cudnnBackendDestroyDescriptor(handle);
      handle = null;
    }
  }
}
