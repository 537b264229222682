package starling.bench;

import java.util.Locale;

/** What a cache holds when a sample is taken. */
public enum CacheState {
  /** Nothing of the operator's: as many bytes as two last caches were copied before. */
  COLD,

  /** What the call before has left. */
  WARM,

  /** Whatever it may be: work is counted instead of time. */
  COUNTED;

  /** Lower-case name, as the command line and reports write it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
