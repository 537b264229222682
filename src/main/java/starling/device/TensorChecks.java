package starling.device;

/**
 * What is asked of one tensor, or of two beside each other; the parts of {@link Arguments} are made
 * of these. A role is the parameter's name in {@link Device}, with which a sentence begins.
 */
final class TensorChecks {
  /** Bytes that a kernel moves at a time, where it does. */
  private static final int VECTOR = 16;

  private final TensorArena.Memory memory;
  private final Arguments.Runner runner;
  private boolean confined;

  TensorChecks(TensorArena.Memory memory, Arguments.Runner runner) {
    this.memory = memory;
    this.runner = runner;
  }

  // ---- type, shape and memory ----

  /** Any type and shape, in open memory of this device. */
  void open(String role, Tensor t) {
    t.expectOpen(role);
    reach(t);
  }

  /** A vector; a null type means any floating-point type, a negative size any. */
  void vector(String role, Tensor t, DType type, int n) {
    t.expect(role, type, n);
    reach(t);
  }

  /** A matrix; a null type means any floating-point type, a negative size any. */
  void matrix(String role, Tensor t, DType type, int rows, int columns) {
    t.expect(role, type, rows, columns);
    reach(t);
  }

  /** Three dimensions; a null type means any floating-point type, a negative size any. */
  void cube(String role, Tensor t, DType type, int rows, int heads, int channels) {
    t.expect(role, type, rows, heads, channels);
    reach(t);
  }

  private void reach(Tensor t) {
    t.checkReach(memory, runner);
    confined |= runner == Arguments.Runner.JAVA && t.isConfined();
  }

  /** See {@link Arguments#wereConfined}. */
  boolean wereConfined() {
    boolean were = confined;
    confined = false;
    return were;
  }

  /** An arena of this device, for a tensor of that name. */
  void arena(TensorArena arena, String tensor) {
    if (!arena.isOf(memory)) {
      throw new IllegalArgumentException(
          tensor + ": arena '" + arena.name() + "' is another device's");
    }
  }

  /** Kernels are compiled for some sizes of heads; Java takes any. */
  void headSize(String role, Tensor t) {
    int d = t.dim(2);
    if (runner != Arguments.Runner.JAVA && d != 32 && d != 64 && d != 80 && d != 128) {
      throw new IllegalArgumentException(
          role
              + ": "
              + t
              + ", expected heads of 32, 64, 80 or 128 channels; pad others with zeros");
    }
  }

  /** The output that says whether a score was not finite. */
  void nonFinite(Tensor nonFinite) {
    vector("nonFinite", nonFinite, DType.I32, 1);
    writable("nonFinite", nonFinite);
  }

  /** An output must be in memory that may be written. */
  static void writable(String role, Tensor t) {
    if (t.isReadOnly()) {
      throw new IllegalArgumentException(role + ": " + t + " in memory that may only be read");
    }
  }

  static void sameType(String role, Tensor t, Tensor other) {
    if (t.type() != other.type()) {
      throw new IllegalArgumentException(role + ": " + t + ", but " + other);
    }
  }

  /** Rows that a kernel reads 16 bytes at a time. */
  static void vectors(String role, Tensor t) {
    if (!t.isMapped() && !t.rowsStartAt(VECTOR)) {
      throw new IllegalArgumentException(
          role + ": " + t + ", of which every row must start at a multiple of 16 bytes");
    }
  }

  /** The same for rows of heads, unless a head is no multiple of 16 bytes: only Java takes such. */
  static void vectors(String role, Tensor t, int channels) {
    if (channels * t.dtype().bytes() % VECTOR == 0) {
      vectors(role, t);
    }
  }

  /** What no width can be equal to, if a product of sizes is larger than a width may be. */
  static int size(long product) {
    return (int) Math.min(product, Integer.MAX_VALUE);
  }

  // ---- two tensors ----

  /** An output may not lie where another tensor of the call does; null is no tensor. */
  static void apart(String role, Tensor out, String otherRole, Tensor other) {
    if (other != null && out != null && out.overlaps(other)) {
      throw new IllegalArgumentException(
          role + ": " + out + ", which overlaps " + otherRole + ", where " + other);
    }
  }

  /** The same, except that it may be the other tensor itself. */
  static void apartOrSame(String role, Tensor out, String otherRole, Tensor other) {
    if (other != null && !out.isSame(other)) {
      apart(role, out, otherRole, other);
    }
  }

  // ---- numbers in memory that Java can read ----

  /** Indices of rows, each at least 0 and below {@code limit}. */
  static void indices(String role, Tensor t, int limit) {
    if (limit < 1 && t.rows() > 0 && t.width() > 0) {
      throw new IllegalArgumentException(role + ": " + t + ", but there are no rows to index");
    }
    if (t.isReadable()) {
      for (int i = 0; i < t.rows(); i++) {
        for (int j = 0; j < t.width(); j++) {
          index(role, t, i, j, limit);
        }
      }
    }
  }

  /** Indices of rows in ascending order, none twice. */
  static void ascending(String role, Tensor t, int limit) {
    for (int i = 0, before = -1; t.isReadable() && i < t.rows(); i++) {
      int index = index(role, t, i, 0, limit);
      if (index <= before) {
        throw new IllegalArgumentException(
            role + ": " + t.name() + ": " + index + " follows " + before + "; it must ascend");
      }
      before = index;
    }
  }

  private static int index(String role, Tensor t, int i, int j, int limit) {
    int index = t.index(i, j);
    if (index < 0 || index >= limit) {
      String at = t.rank() == 1 ? "[" + i + "]" : "[" + i + ", " + j + "]";
      throw new IllegalArgumentException(
          "%s: %s%s is %s; it must be at least 0 and below %s"
              .formatted(role, t.name(), at, index, limit));
    }
    return index;
  }
}
