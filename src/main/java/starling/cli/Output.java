package starling.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import starling.input.InputException;

/**
 * Files and JSON that a command writes. A file is written beside its place and moved there, so that
 * a reader sees the old one or the new one; where that would cut a link, change the owner or is not
 * allowed, it is written in place.
 */
final class Output {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int MAX_LINKS = 40;
  private static final int PIPE = 0010000;
  private static final int CHARACTER_DEVICE = 0020000;

  private Output() {}

  static String json(Object value) {
    return write(JSON, value);
  }

  /** For reading by people. */
  static String prettyJson(Object value) {
    return write(JSON.copy().enable(SerializationFeature.INDENT_OUTPUT), value);
  }

  private static String write(ObjectMapper mapper, Object value) {
    try {
      return mapper.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the report cannot be written as JSON", e);
    }
  }

  /**
   * Finds out before the work begins whether files can be written, and would take the place of
   * nothing that the command reads or writes besides.
   */
  static void checkWritable(Collection<Path> outputs, Collection<Path> inputs) {
    var seen = new ArrayList<Path>();
    for (Path file : outputs) {
      Path target = target(file);
      checkWritable(file, target);
      if (isStream(target)) {
        continue;
      }
      for (Path other : seen) {
        if (isSame(target, target(other))) {
          throw new InputException(file + ": two outputs would be written to this file");
        }
      }
      for (Path input : inputs) {
        if (isSame(target, input)) {
          throw new InputException(
              file + ": is read by this command and would be overwritten; name another file");
        }
      }
      seen.add(file);
    }
  }

  private static void checkWritable(Path file, Path target) {
    if (Files.isDirectory(target)) {
      throw new InputException(file + ": is a folder, not a file");
    }
    Path folder = target.getParent();
    if (!Files.isDirectory(folder)) {
      throw new InputException(file + ": there is no folder " + folder + " to write it to");
    }
    try {
      if (isStream(target)) {
        checkStream(target);
      } else if (exists(target)) {
        FileChannel.open(target, StandardOpenOption.WRITE).close();
      } else {
        Files.delete(Files.createFile(part(target)));
      }
    } catch (IOException e) {
      throw cannot(file, reason(e));
    }
  }

  /** Opening a pipe would wait for its reader. */
  private static void checkStream(Path target) throws IOException {
    int type = (int) Files.getAttribute(target, "unix:mode") & 0170000;
    if (type == CHARACTER_DEVICE && !isDescriptor(target)) {
      FileChannel.open(target, StandardOpenOption.WRITE).close();
    } else if (!isDescriptor(target) && type != PIPE) {
      throw new IOException("it is a socket or a disk");
    } else if (!Files.isWritable(target)) {
      throw new AccessDeniedException(target.toString());
    }
  }

  /**
   * Whether a file is there; fails for a name that no file can have, such as one that is too long.
   */
  private static boolean exists(Path target) throws IOException {
    try {
      Files.readAttributes(target, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      return true;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** Writes a file; what was there before stays whole if there is no room for the new one. */
  static void write(Path file, byte[] bytes) {
    Path target = target(file);
    try {
      if (isStandard(target, 1)) {
        System.out.write(bytes, 0, bytes.length);
      } else if (isStandard(target, 2)) {
        System.err.write(bytes, 0, bytes.length);
      } else if (isStream(target)) {
        Files.write(target, bytes, StandardOpenOption.APPEND);
      } else if (!replaced(target, bytes)) {
        overwrite(target, bytes);
      }
    } catch (IOException e) {
      throw cannot(file, reason(e));
    }
  }

  /** False if the file has to be written in place; nothing has changed then. */
  private static boolean replaced(Path target, byte[] bytes) throws IOException {
    Path part = part(target);
    try {
      Files.createFile(part);
    } catch (IOException e) {
      return false; // no file can be made in this folder, but the target may be there
    }
    try {
      if (!takesThePlaceOf(part, target)) {
        return false;
      }
      Files.write(part, bytes);
      try {
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (FileSystemException e) {
        return false; // mounted, or another user's in a folder like /tmp
      }
      return true;
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** Gives the new file the mode of the old one; false if it would differ in more. */
  private static boolean takesThePlaceOf(Path part, Path target) throws IOException {
    if (!exists(target)) {
      return true;
    }
    if ((int) Files.getAttribute(target, "unix:nlink") > 1) {
      return false;
    }
    for (String owner : List.of("unix:uid", "unix:gid")) {
      if (!Files.getAttribute(part, owner).equals(Files.getAttribute(target, owner))) {
        return false;
      }
    }
    Files.setAttribute(part, "unix:mode", Files.getAttribute(target, "unix:mode"));
    return true;
  }

  /**
   * Writes what goes beyond the old end first: if the disk is full, this fails before anything was
   * changed.
   */
  private static void overwrite(Path target, byte[] bytes) throws IOException {
    try (var channel =
        FileChannel.open(target, StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
      long before = channel.size();
      int kept = (int) Math.min(before, bytes.length);
      try {
        writeFully(channel, ByteBuffer.wrap(bytes, kept, bytes.length - kept), kept);
      } catch (IOException e) {
        channel.truncate(before);
        throw e;
      }
      writeFully(channel, ByteBuffer.wrap(bytes, 0, kept), 0);
      channel.truncate(bytes.length);
    }
  }

  private static void writeFully(FileChannel channel, ByteBuffer bytes, long at)
      throws IOException {
    for (long place = at; bytes.hasRemaining(); ) {
      place += channel.write(bytes, place);
    }
  }

  /** Beside the file, under a name that nothing has and that is never too long. */
  private static Path part(Path target) {
    String name =
        ".starling-%d-%x.part".formatted(ProcessHandle.current().pid(), System.nanoTime());
    return target.resolveSibling(name);
  }

  /**
   * The file that links lead to, whether it is there or not; a stream of a process is not followed.
   */
  private static Path target(Path file) {
    Path target = file.toAbsolutePath();
    try {
      for (int links = 0; Files.isSymbolicLink(target) && !isDescriptor(target); links++) {
        if (links == MAX_LINKS) {
          throw new InputException(file + ": is a link to a link, without end");
        }
        target = target.resolveSibling(Files.readSymbolicLink(target));
      }
      Path folder = target.getParent();
      boolean real = folder != null && Files.isDirectory(folder) && !isDescriptor(target);
      return real ? folder.toRealPath().resolve(target.getFileName()) : target;
    } catch (IOException e) {
      throw cannot(file, reason(e));
    }
  }

  /**
   * Whether this is a stream of a process, as {@code /dev/stdout} is: its link shows a name that
   * need not be a file's.
   */
  private static boolean isDescriptor(Path file) {
    return file.toString().matches("/proc/[^/]+/fd/\\d+|/dev/fd/\\d+");
  }

  private static boolean isStandard(Path target, int descriptor) {
    long pid = ProcessHandle.current().pid();
    return target.toString().matches("(/proc/(self|" + pid + ")|/dev)/fd/" + descriptor);
  }

  /** What is written to as it is: a pipe, a device, a stream of a process. */
  private static boolean isStream(Path target) {
    return isDescriptor(target)
        || (Files.exists(target) && !Files.isRegularFile(target) && !Files.isDirectory(target));
  }

  private static boolean isSame(Path one, Path other) {
    try {
      return one.equals(target(other))
          || (Files.exists(one) && Files.exists(other) && Files.isSameFile(one, other));
    } catch (IOException e) {
      return false; // whoever reads it will say so
    }
  }

  private static InputException cannot(Path file, String why) {
    return new InputException(file + ": cannot be written (" + why + ")");
  }

  /** The reason alone; in the sentence the name of the file stands before it. */
  static String reason(IOException e) {
    return switch (e) {
      case AccessDeniedException denied -> "permission denied";
      case FileAlreadyExistsException there -> "it is in the way";
      case NoSuchFileException gone -> "no such file or directory";
      case FileSystemException other when other.getReason() != null -> other.getReason();
      default -> String.valueOf(e.getMessage());
    };
  }
}
