package starling.model;

import java.util.ArrayList;
import java.util.List;

/**
 * The beginnings of prompts that are kept, one for each combination of encoded images: that of the
 * question that was asked last. One thread at a time.
 */
final class Prefixes {
  private static final int MOST = 16;

  private final List<Prefix> kept = new ArrayList<>(); // that used last at the end

  /** The beginning of such questions; null if none is kept. */
  Prefix of(Prefix.Key key) {
    for (Prefix prefix : kept) {
      if (key != null && prefix.of().equals(key)) {
        kept.remove(prefix);
        kept.add(prefix);
        return prefix;
      }
    }
    return null;
  }

  /**
   * Keeps one, in place of another on the same images.
   *
   * @param prefix may be null: then nothing changes
   */
  void keep(Prefix prefix) {
    if (prefix != null) {
      drop(kept.stream().filter(p -> p.of().images().equals(prefix.of().images())).toList());
      kept.add(prefix);
      if (kept.size() > MOST) {
        drop(List.of(kept.getFirst()));
      }
    }
  }

  /** Gives back all, or those on images that are closed. */
  void forget(boolean all) {
    drop(kept.stream().filter(p -> all || p.of().isGone()).toList());
  }

  private void drop(List<Prefix> some) {
    kept.removeAll(some);
    some.forEach(Prefix::close);
  }
}
