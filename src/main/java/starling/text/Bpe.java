package starling.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * Byte-pair merges over the characters of a word, in O(n log n): the pair of lowest rank is merged
 * first, the leftmost of equals. A character that is not in the vocabulary becomes its UTF-8 bytes
 * {@code <0xXX>}, or the unknown token.
 */
final class Bpe {
  private final Map<String, Integer> vocabulary;
  private final Map<Long, Merge> merges;
  private final boolean ignoreMerges;
  private final boolean fuseUnknown;
  private final Integer unknown;
  private final int[] bytes;

  /**
   * @param rank lower is merged earlier
   * @param id the token both become
   */
  record Merge(int rank, int id) {}

  /**
   * @param merges by {@link #pair} of the two tokens
   * @param ignoreMerges whether a word that is a token itself is taken whole
   * @param unknown id for what is in no other way expressible, or null
   * @param bytes ids of the 256 byte tokens, or null without byte fallback
   */
  Bpe(
      Map<String, Integer> vocabulary,
      Map<Long, Merge> merges,
      boolean ignoreMerges,
      boolean fuseUnknown,
      Integer unknown,
      int[] bytes) {
    this.vocabulary = vocabulary;
    this.merges = merges;
    this.ignoreMerges = ignoreMerges;
    this.fuseUnknown = fuseUnknown;
    this.unknown = unknown;
    this.bytes = bytes;
  }

  static long pair(int left, int right) {
    return (long) left << 32 | right;
  }

  void encode(String word, List<Integer> out) {
    Integer whole = ignoreMerges ? vocabulary.get(word) : null;
    if (whole != null) {
      out.add(whole);
      return;
    }
    int[] ids = characters(word);
    int[] next = new int[ids.length];
    int[] previous = new int[ids.length];
    var queue = new PriorityQueue<Long>();
    for (int i = 0; i < ids.length; i++) {
      next[i] = i + 1 < ids.length ? i + 1 : -1;
      previous[i] = i - 1;
      offer(queue, ids, i, next[i]);
    }
    while (!queue.isEmpty()) {
      long top = queue.poll();
      int left = (int) top;
      int right = ids[left] < 0 ? -1 : next[left];
      Merge merge = right < 0 ? null : merges.get(pair(ids[left], ids[right]));
      if (merge == null || merge.rank != (int) (top >>> 32)) {
        continue; // one of the two has been merged since
      }
      ids[left] = merge.id;
      ids[right] = -1;
      next[left] = next[right];
      if (next[left] >= 0) {
        previous[next[left]] = left;
      }
      offer(queue, ids, left, next[left]);
      if (previous[left] >= 0) {
        offer(queue, ids, previous[left], left);
      }
    }
    for (int i = ids.length == 0 ? -1 : 0; i >= 0; i = next[i]) {
      out.add(ids[i]);
    }
  }

  private void offer(PriorityQueue<Long> queue, int[] ids, int left, int right) {
    Merge merge = right < 0 ? null : merges.get(pair(ids[left], ids[right]));
    if (merge != null) {
      queue.add((long) merge.rank << 32 | left);
    }
  }

  private int[] characters(String word) {
    var ids = new ArrayList<Integer>(word.length());
    boolean unknownBefore = false;
    for (int i = 0; i < word.length(); ) {
      int c = word.codePointAt(i);
      i += Character.charCount(c);
      String character = Character.toString(c);
      Integer id = vocabulary.get(character);
      boolean isUnknown = false;
      if (id != null) {
        ids.add(id);
      } else if (bytes != null) {
        for (byte b : character.getBytes(java.nio.charset.StandardCharsets.UTF_8)) {
          ids.add(bytes[b & 0xff]);
        }
      } else if (unknown != null) {
        isUnknown = true;
        if (!unknownBefore || !fuseUnknown) {
          ids.add(unknown);
        }
      }
      unknownBefore = isUnknown;
    }
    return ids.stream().mapToInt(id -> id).toArray();
  }

  /** Ids of the 256 byte tokens, or null if one is missing. */
  static int[] byteTokens(Map<String, Integer> vocabulary) {
    int[] ids = new int[256];
    for (int b = 0; b < 256; b++) {
      Integer id = vocabulary.get(String.format("<0x%02X>", b));
      if (id == null) {
        return null;
      }
      ids[b] = id;
    }
    return ids;
  }

  /** Names of all parts, for a merge that would make a token the vocabulary lacks. */
  static Map<Integer, String> names(Map<String, Integer> vocabulary) {
    var names = new HashMap<Integer, String>();
    vocabulary.forEach((name, id) -> names.put(id, name));
    return names;
  }
}
