package starling.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import starling.foreign.Symbols;

/**
 * A folder in which nobody but this user, or root, can change or replace a file, so that what was
 * checked there is what is loaded. Every folder above it must be like that too, or sticky as {@code
 * /tmp} is, where everybody may add entries but nobody may rename another's.
 */
@SuppressWarnings("restricted") // that is what this is for: see NativeLibrary.nativeAccess
final class PrivateFolder {
  private static final int OTHERS_MAY_WRITE = 022;
  private static final int STICKY = 01000;
  private static final MethodHandle GETEUID =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("geteuid"),
              FunctionDescriptor.of(JAVA_INT));

  private PrivateFolder() {}

  /**
   * Makes the folder, and those above it that are missing, for this user alone, if it is not there.
   *
   * @return its path without links
   * @throws DynamicLibrary.Refused if it, or one above it, is another's to change; with the reason
   */
  static Path in(Path folder) throws IOException, DynamicLibrary.Refused {
    if (!folder.isAbsolute()) {
      throw new DynamicLibrary.Refused("relative to the working directory, which may be anybody's");
    }
    if (Files.isSymbolicLink(folder)) {
      throw new DynamicLibrary.Refused(folder + " is a link; a folder is needed");
    }
    Files.createDirectories(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    Path real = folder.toRealPath();
    check(real, true);
    for (Path above = real.getParent(); above != null; above = above.getParent()) {
      check(above, false);
    }
    return real;
  }

  /** Whether this user's file is one that only this user can write to, and no link. */
  static boolean owns(Path file) throws IOException {
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && owner(file) == user()
        && (mode(file) & OTHERS_MAY_WRITE) == 0;
  }

  private static void check(Path folder, boolean own) throws IOException, DynamicLibrary.Refused {
    int owner = owner(folder);
    // Root may be another number where the system runs in a user namespace.
    boolean trusted = owner == user() || (!own && (owner == 0 || owner == owner(folder.getRoot())));
    if (!trusted) {
      throw new DynamicLibrary.Refused(folder + " belongs to another user");
    }
    int mode = mode(folder);
    if ((mode & OTHERS_MAY_WRITE) != 0 && (own || (mode & STICKY) == 0)) {
      throw new DynamicLibrary.Refused(folder + ": others may write to it");
    }
  }

  private static int owner(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS);
  }

  private static int mode(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:mode", LinkOption.NOFOLLOW_LINKS);
  }

  private static int user() {
    try {
      return (int) GETEUID.invokeExact();
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }
}
