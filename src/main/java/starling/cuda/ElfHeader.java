package starling.cuda;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * What must be right of a shared library before the loader may map it: the loader trusts a file's
 * own tables, and touching a segment that a cut file does not have ends the process.
 */
final class ElfHeader {
  private static final int SIZE = 64;
  private static final int SHARED_OBJECT = 3;

  private ElfHeader() {}

  static void check(Path file) throws IOException, DynamicLibrary.Refused {
    try (var channel = FileChannel.open(file)) {
      long size = channel.size();
      if (size < SIZE) {
        throw new DynamicLibrary.Refused("file too short: " + size + " bytes");
      }
      ByteBuffer header = read(channel, 0, SIZE);
      if (header.getInt(0) != 0x464c457f || header.get(4) != 2 || header.get(5) != 1) {
        throw new DynamicLibrary.Refused("not a 64-bit ELF file");
      }
      if (header.getShort(16) != SHARED_OBJECT) {
        throw new DynamicLibrary.Refused("not a shared library");
      }
      int wanted = machine(System.getProperty("os.arch"));
      int machine = header.getShort(18) & 0xffff;
      if (machine != wanted) {
        throw new DynamicLibrary.Refused(
            "for another architecture: ELF machine " + machine + ", this one is " + wanted);
      }
      checkSegments(channel, header, size);
    }
  }

  private static int machine(String architecture) {
    return architecture.equals("aarch64") ? 183 : 62;
  }

  private static void checkSegments(FileChannel channel, ByteBuffer header, long size)
      throws IOException, DynamicLibrary.Refused {
    long table = header.getLong(32);
    int entry = header.getShort(54) & 0xffff;
    int count = header.getShort(56) & 0xffff;
    long end = Math.max(table + (long) entry * count, sectionEnd(header));
    for (int i = 0; i < count && table >= 0 && end <= size && entry >= 56; i++) {
      ByteBuffer segment = read(channel, table + (long) i * entry, 56);
      end = Math.max(end, segment.getLong(8) + segment.getLong(32));
    }
    if (table < 0 || end > size || end < 0) {
      throw new DynamicLibrary.Refused("cut off: it has " + size + " bytes of " + end);
    }
  }

  private static long sectionEnd(ByteBuffer header) {
    return header.getLong(40)
        + (long) (header.getShort(58) & 0xffff) * (header.getShort(60) & 0xffff);
  }

  private static ByteBuffer read(FileChannel channel, long at, int n) throws IOException {
    var buffer = ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) > 0) {
      // read on
    }
    return buffer;
  }
}
