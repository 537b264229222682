package starling.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.ServiceConfigurationError;
import starling.input.InputException;
import starling.input.TerminalText;
import starling.prune.CutPoint;
import starling.prune.Method;
import starling.prune.MethodProvider;

/** What ended a command, in one sentence that says what to do about it. */
final class Failure {
  /** Made before memory runs out. */
  private static final byte[] NO_MEMORY_TO_SAY_SO =
      "starling: out of memory; give it more with JAVA_TOOL_OPTIONS=-Xmx4g\n"
          .getBytes(StandardCharsets.UTF_8);

  private Failure() {}

  /** Says on standard error what happened; returns the exit status. */
  static int report(Throwable thrown, boolean debug) {
    try {
      if (debug) {
        thrown.printStackTrace(System.err);
      } else {
        System.err.println("starling: " + oneLine(sentence(thrown)));
      }
    } catch (InputException e) {
      // Standard error cannot be written, and there is nowhere else to say it.
    } catch (Error e) { // there is no memory for more
      sayShortly();
    }
    return 1;
  }

  private static void sayShortly() {
    try (var err = new FileOutputStream(FileDescriptor.err)) {
      err.write(NO_MEMORY_TO_SAY_SO);
    } catch (IOException | Error e) {
      // The status has to do.
    }
  }

  static String sentence(Throwable thrown) {
    return switch (cause(thrown)) {
      case InputException e -> e.getMessage();
      case OutOfMemoryError e -> memory(String.valueOf(e.getMessage()));
      case StackOverflowError e ->
          "the stack is used up: something in the input is nested too deeply; simplify it, or give"
              + " more with JAVA_TOOL_OPTIONS=-Xss16m";
      case InternalError e when String.valueOf(e.getMessage()).contains("memory access") ->
          "a file became shorter, or could not be read any more, while it was in use; let its"
              + " download or copy finish, keep it unchanged, and start again";
      case ServiceConfigurationError e ->
          "a method from outside cannot be used: "
              + e.getMessage().replaceFirst("^[\\w.]+: ", "")
              + (e.getCause() == null ? "" : " (" + e.getCause() + ")")
              + "; mend its jar or leave it out of --plugins";
      case Throwable e when outside(e) != null ->
          outside(e) + " failed (" + e + "); it came by --plugins, and --debug shows where";
      case UnsupportedClassVersionError e ->
          "this JDK ("
              + Runtime.version()
              + ") is too old for the program; set JAVA_HOME to a JDK 25";
      case UnsatisfiedLinkError e ->
          "a native library cannot be loaded ("
              + e.getMessage()
              + "); install it, or a whole JDK 25";
      case LinkageError e ->
          "parts of the program are missing or damaged ("
              + e
              + "); remove the folder target, and the next start builds it anew";
      case VirtualMachineError e ->
          "the Java virtual machine failed (" + e + "); try another JDK 25 or later";
      case Throwable e when Plugins.inUse() ->
          "internal error: "
              + e
              + "; look first at what the method from --plugins wrote, and if it was right, please"
              + " report it with the output of --debug";
      case Throwable e -> "internal error: " + e + "; please report it with the output of --debug";
    };
  }

  /** The method from outside, or its provider or cut, that was running; null if none was. */
  private static String outside(Throwable thrown) {
    for (StackTraceElement frame : thrown.getStackTrace()) {
      try {
        Class<?> c =
            Class.forName(
                frame.getClassName(), false, Thread.currentThread().getContextClassLoader());
        if (!c.getPackage().equals(Method.class.getPackage())
            && (Method.class.isAssignableFrom(c)
                || CutPoint.class.isAssignableFrom(c)
                || MethodProvider.class.isAssignableFrom(c))) {
          return frame.getClassName();
        }
      } catch (ClassNotFoundException | LinkageError e) {
        // Not one of them, as far as can be told.
      }
    }
    return null;
  }

  /** The exception that says most; others may have been wrapped around it. */
  private static Throwable cause(Throwable thrown) {
    for (Class<?> kind : List.of(VirtualMachineError.class, InputException.class)) {
      for (Throwable e = thrown; e != null; e = e.getCause()) {
        if (kind.isInstance(e)) {
          return e;
        }
      }
    }
    boolean initialiser = thrown instanceof ExceptionInInitializerError;
    return initialiser && thrown.getCause() != null ? thrown.getCause() : thrown;
  }

  private static String memory(String what) {
    String lower =
        "; use fewer or smaller images, a shorter prompt or a smaller --max-tokens, or give more"
            + " with JAVA_TOOL_OPTIONS=";
    if (what.contains("native thread")) {
      return "out of memory: no thread can be started; raise the limit of processes (ulimit -u) or"
          + " of memory (ulimit -v), or let it use fewer processors with"
          + " JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount=1";
    }
    if (what.contains("direct buffer") || what.contains("direct memory")) {
      return "out of memory beside the Java heap ("
          + what
          + ")"
          + lower
          + "-XX:MaxDirectMemorySize=4g";
    }
    if (what.contains("space") && !what.contains("heap")) { // Metaspace, Compressed class space
      return "out of memory for classes ("
          + what
          + "); lift the limit with"
          + " JAVA_TOOL_OPTIONS=-XX:MaxMetaspaceSize=512m -XX:CompressedClassSpaceSize=256m";
    }
    if (what.contains("heap") || what.contains("GC overhead") || what.contains("array size")) {
      long heap = Runtime.getRuntime().maxMemory();
      return "out of memory: "
          + (heap >> 20)
          + " MB of Java heap are used up"
          + lower
          + "-Xmx"
          + (2 + (heap >> 29))
          + "g";
    }
    return "out of memory ("
        + what
        + "); close other programs, raise the limit of memory (ulimit -v),"
        + " or use fewer or smaller images";
  }

  static String oneLine(String message) {
    return TerminalText.of(message.strip().replaceAll("\\s*\\R\\s*", " "));
  }
}
