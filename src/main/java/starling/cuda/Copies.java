package starling.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import starling.device.Tensor;

/** Rows to the device and back, and how much that has been. */
final class Copies {
  private static final int ALIGNMENT = 16;

  private final NativeStream stream;
  private final NativeMemory memory;
  private long uploads;
  private long uploadedBytes;
  private long downloads;
  private long downloadedBytes;

  Copies(NativeStream stream, NativeMemory memory) {
    this.stream = stream;
    this.memory = memory;
  }

  Transfers counted() {
    return new Transfers(uploads, uploadedBytes, downloads, downloadedBytes);
  }

  void reset() {
    uploads = 0;
    uploadedBytes = 0;
    downloads = 0;
    downloadedBytes = 0;
  }

  private static long rowBytes(Tensor t) {
    return (long) t.width() * t.dtype().bytes();
  }

  private static long strideBytes(Tensor t) {
    return (long) t.rowStride() * t.dtype().bytes();
  }

  void upload(Tensor dst, MemorySegment src) {
    long row = rowBytes(dst);
    long bytes = row * dst.rows();
    uploads++;
    uploadedBytes += bytes;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = src;
      if (!src.isNative()) {
        from = arena.allocate(Math.max(1, bytes), ALIGNMENT);
        from.copyFrom(src.asSlice(0, bytes));
      }
      stream.check(
          stream
              .library()
              .upload(
                  memory.address(dst),
                  strideBytes(dst),
                  from,
                  row,
                  row,
                  dst.rows(),
                  stream.handle()));
    }
  }

  void download(MemorySegment dst, Tensor src) {
    long row = rowBytes(src);
    long bytes = row * src.rows();
    downloads++;
    downloadedBytes += bytes;
    if (dst.isNative()) {
      downloadNative(dst, src, row);
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment to = arena.allocate(Math.max(1, bytes), ALIGNMENT);
      downloadNative(to, src, row);
      dst.copyFrom(to.asSlice(0, bytes));
    }
  }

  private void downloadNative(MemorySegment dst, Tensor src, long row) {
    stream.check(
        stream
            .library()
            .download(
                dst, row, memory.address(src), strideBytes(src), row, src.rows(), stream.handle()));
  }
}
