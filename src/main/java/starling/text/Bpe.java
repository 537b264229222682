package starling.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * Byte-pair merges over the characters of a word, in O(n log n): the pair of lowest rank is merged
 * first, the leftmost of equals. A character that is not in the vocabulary becomes its UTF-8 bytes
 * {@code <0xXX>}, or else the unknown token, or else nothing.
 */
final class Bpe {
  private static final int NONE = -1;

  private final Map<String, Integer> vocabulary;
  private final Map<Long, Merge> merges;
  private final boolean ignoreMerges;
  private final boolean fuseUnknown;
  private final int unknown;
  private final int[] bytes;

  /**
   * @param rank lower is merged earlier
   * @param id the token both become
   */
  record Merge(int rank, int id) {}

  /**
   * @param merges by {@link #pair} of the two tokens
   * @param ignoreMerges whether a word that is a token itself is taken whole
   * @param fuseUnknown whether unknown characters in a row become one unknown token
   * @param unknown id of the unknown token, or -1
   * @param bytes ids of the 256 byte tokens, -1 where there is none
   */
  Bpe(
      Map<String, Integer> vocabulary,
      Map<Long, Merge> merges,
      boolean ignoreMerges,
      boolean fuseUnknown,
      int unknown,
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

  /** Appends the ids of a word. */
  void encode(String word, List<Integer> out) {
    Integer whole = ignoreMerges ? vocabulary.get(word) : null;
    if (whole != null) {
      out.add(whole);
    } else {
      new Word(characters(word)).merge(out);
    }
  }

  /** A word as a linked list of tokens that shrinks. */
  private final class Word {
    private final int[] ids;
    private final int[] next;
    private final int[] previous;
    private final PriorityQueue<Long> queue = new PriorityQueue<>();

    Word(int[] ids) {
      this.ids = ids;
      next = new int[ids.length];
      previous = new int[ids.length];
      for (int i = 0; i < ids.length; i++) {
        next[i] = i + 1 < ids.length ? i + 1 : NONE;
        previous[i] = i - 1;
      }
    }

    void merge(List<Integer> out) {
      for (int i = 0; i < ids.length; i++) {
        offer(i);
      }
      while (!queue.isEmpty()) {
        long top = queue.poll();
        int left = (int) top;
        Merge merge = mergeAt(left);
        if (merge != null && merge.rank == (int) (top >>> 32)) {
          join(left, merge.id);
        } // otherwise one of the two has been merged since
      }
      for (int i = ids.length == 0 ? NONE : 0; i != NONE; i = next[i]) {
        out.add(ids[i]);
      }
    }

    private void join(int left, int id) {
      int right = next[left];
      ids[left] = id;
      ids[right] = NONE;
      next[left] = next[right];
      if (next[left] != NONE) {
        previous[next[left]] = left;
      }
      offer(left);
      if (previous[left] != NONE) {
        offer(previous[left]);
      }
    }

    private void offer(int left) {
      Merge merge = mergeAt(left);
      if (merge != null) {
        queue.add((long) merge.rank << 32 | left);
      }
    }

    /** The merge of a token with its right neighbour, or null. */
    private Merge mergeAt(int left) {
      boolean alive = ids[left] != NONE && next[left] != NONE;
      return alive ? merges.get(pair(ids[left], ids[next[left]])) : null;
    }
  }

  /**
   * Ids before any merge. An unknown token is put down when a known character or another unknown
   * one follows, which is the reference's order where only some byte tokens exist.
   */
  private int[] characters(String word) {
    int[] ids = new int[word.length() * 3]; // a char is at most three bytes of UTF-8
    int n = 0;
    boolean pending = false;
    for (int i = 0; i < word.length(); ) {
      int c = word.codePointAt(i);
      i += Character.charCount(c);
      String character = Character.toString(c);
      Integer id = vocabulary.get(character);
      byte[] utf8 = id != null ? null : character.getBytes(StandardCharsets.UTF_8);
      if (id != null) {
        if (pending) {
          ids[n++] = unknown;
          pending = false;
        }
        ids[n++] = id;
      } else if (hasAll(utf8)) {
        for (byte b : utf8) {
          ids[n++] = bytes[b & 0xff];
        }
      } else if (unknown != NONE) {
        if (pending && !fuseUnknown) {
          ids[n++] = unknown;
        }
        pending = true;
      }
    }
    if (pending) {
      ids[n++] = unknown;
    }
    return Arrays.copyOf(ids, n);
  }

  private boolean hasAll(byte[] utf8) {
    for (byte b : utf8) {
      if (bytes[b & 0xff] == NONE) {
        return false;
      }
    }
    return true;
  }
}
