package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * The functions of {@code native/include/starling_host.h}, which documents them. Addresses of
 * device memory are {@code long}s, host memory and streams are segments, so that their lifetime and
 * thread are checked by every call.
 *
 * <p>Generated from the header by {@code BindingsTest}; do not edit.
 */
final class HostBindings {
  private static final MethodHandle THREADS = Symbols.procedure(JAVA_INT);
  private static final MethodHandle SCHEDULE = Symbols.procedure(JAVA_LONG);
  private static final MethodHandle COUNTERS = Symbols.procedure(ADDRESS);
  private static final MethodHandle RESET_COUNTERS = Symbols.procedure();
  private static final MethodHandle RECORD = Symbols.procedure();
  private static final MethodHandle RECORDS = Symbols.function(JAVA_LONG, ADDRESS, JAVA_LONG);

  private final MemorySegment threads;
  private final MemorySegment schedule;
  private final MemorySegment counters;
  private final MemorySegment resetCounters;
  private final MemorySegment record;
  private final MemorySegment records;

  /**
   * Binds all of them; a missing one is an {@link java.util.NoSuchElementException} with its name.
   */
  HostBindings(SymbolLookup library) {
    threads = Symbols.find(library, "starling_host_threads");
    schedule = Symbols.find(library, "starling_host_schedule");
    counters = Symbols.find(library, "starling_host_counters");
    resetCounters = Symbols.find(library, "starling_host_reset_counters");
    record = Symbols.find(library, "starling_host_record");
    records = Symbols.find(library, "starling_host_records");
  }

  void threads(int threads) {
    try {
      THREADS.invokeExact(this.threads, threads);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  void schedule(long seed) {
    try {
      SCHEDULE.invokeExact(this.schedule, seed);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  void counters(MemorySegment out) {
    try {
      COUNTERS.invokeExact(this.counters, out);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  void resetCounters() {
    try {
      RESET_COUNTERS.invokeExact(this.resetCounters);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  void record() {
    try {
      RECORD.invokeExact(this.record);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  long records(MemorySegment text, long size) {
    try {
      return (long) RECORDS.invokeExact(this.records, text, size);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }
}
