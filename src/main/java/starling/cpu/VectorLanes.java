package starling.cpu;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;
import starling.device.DType;
import starling.device.Tensor;

/** The inner loops with the Vector API. Loaded only where the incubator module is present. */
sealed class VectorLanes implements Lanes permits UnfusedLanes {
  static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  static final int L = S.length();

  // Lanes are added up by halves: lane i and lane i + L/2, then i + L/4, and so on. reduceLanes
  // leaves the order open, and the interpreter and the compiler take different ones: results would
  // change while a program warms up. The steps are written out where they are used, since a vector
  // that is handed to a method may be put on the heap.
  static final VectorShuffle<Float> BY_2 = VectorShuffle.iota(S, L / 2, 1, true);
  static final VectorShuffle<Float> BY_4 = VectorShuffle.iota(S, Math.max(1, L / 4), 1, true);
  static final VectorShuffle<Float> BY_8 = VectorShuffle.iota(S, Math.max(1, L / 8), 1, true);
  static final VectorShuffle<Float> BY_16 = VectorShuffle.iota(S, Math.max(1, L / 16), 1, true);

  static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, S.vectorShape());
  private static final VectorSpecies<Short> HALVES =
      VectorSpecies.of(short.class, VectorShape.forBitSize(S.vectorBitSize() / 2));

  static final ByteOrder ORDER = ByteOrder.nativeOrder();

  // Lanes of two rows, the second's numbered from L on, that make the upper and the lower row of
  // step h of a transposition; at h·L.
  private static final int[] UPPER = new int[L * L];
  private static final int[] LOWER = new int[L * L];

  /** Of two vectors, the second's lanes numbered from L on. */
  private static final int[] EVEN_THEN_ODD = new int[2 * L];

  static {
    for (int lane = 0; lane < 2 * L; lane++) {
      EVEN_THEN_ODD[lane] = lane % L * 2 + lane / L;
    }
    for (int h = 1; h < L; h *= 2) {
      for (int lane = 0; lane < L; lane++) {
        UPPER[h * L + lane] = (lane & h) == 0 ? lane : L + lane - h;
        LOWER[h * L + lane] = (lane & h) == 0 ? lane + h : L + lane;
      }
    }
  }

  /** With vectors of four lanes a conversion to ints may be a call: SSE has none for halves. */
  private static final boolean WIDENS = L >= 8;

  /** 32 registers hold a tile of 6 by 4 vectors, 16 one of 6 by 2. */
  private static final boolean WIDE = S.vectorBitSize() >= 512;

  @Override
  public String description() {
    return "Vector API, " + S.vectorBitSize() + " bits";
  }

  @Override
  public int panelWidth() {
    return (WIDE ? 4 : 2) * L;
  }

  @Override
  public void tile(
      float[] a,
      int aAt,
      int aRow,
      int aStep,
      float[] b,
      int bAt,
      int k,
      float[] c,
      int cAt,
      int ldc) {
    if (WIDE) {
      VectorTiles.sixByFour(a, aAt, aRow, aStep, b, bAt, k, c, cAt, ldc);
    } else {
      VectorTiles.sixByTwo(a, aAt, aRow, aStep, b, bAt, k, c, cAt, ldc);
    }
  }

  @Override
  public int strip() {
    return L;
  }

  /**
   * Blocks of L rows by L columns. Step h swaps, in each pair of rows that lie h apart, the upper
   * row's lanes with bit h set with the lower row's lanes without it. Vectors of four lanes gain
   * nothing, and SSE cannot pick lanes from two of them.
   */
  @Override
  public void transpose(float[] rows, int stride, int k, float[] panel, int at) {
    int width = panelWidth();
    int i = 0;
    for (; i <= k - L && L >= 8; i += L) {
      for (int h = L / 2; h > 1; h /= 2) {
        IntVector upper = IntVector.fromArray(INTS, UPPER, h * L);
        IntVector lower = IntVector.fromArray(INTS, LOWER, h * L);
        for (int n = 0; n < L / 2; n++) {
          int u = ((n & -h) + n) * stride + i;
          int l = u + h * stride;
          IntVector x = FloatVector.fromArray(S, rows, u).reinterpretAsInts();
          IntVector y = FloatVector.fromArray(S, rows, l).reinterpretAsInts();
          upper.selectFrom(x, y).reinterpretAsFloats().intoArray(rows, u);
          lower.selectFrom(x, y).reinterpretAsFloats().intoArray(rows, l);
        }
      }
      IntVector upper = IntVector.fromArray(INTS, UPPER, L);
      IntVector lower = IntVector.fromArray(INTS, LOWER, L);
      for (int n = 0; n < L; n += 2) {
        IntVector x = FloatVector.fromArray(S, rows, n * stride + i).reinterpretAsInts();
        IntVector y = FloatVector.fromArray(S, rows, (n + 1) * stride + i).reinterpretAsInts();
        int to = at + (i + n) * width;
        upper.selectFrom(x, y).reinterpretAsFloats().intoArray(panel, to);
        lower.selectFrom(x, y).reinterpretAsFloats().intoArray(panel, to + width);
      }
    }
    for (; i < k; i++) {
      for (int j = 0; j < L; j++) {
        panel[at + i * width + j] = rows[j * stride + i];
      }
    }
  }

  /** The compiler makes vectors of the plain loop for f16, but not of the one for bf16. */
  @Override
  public void load(Tensor t, int row, int from, int n, float[] out, int at) {
    int i = 0;
    if (WIDENS && t.dtype() == DType.BF16 && t.memory().isNative()) {
      MemorySegment memory = t.memory();
      long offset = t.offset(row) + 2L * from;
      for (; i <= n - L; i += L) {
        ShortVector.fromMemorySegment(HALVES, memory, offset + 2L * i, ORDER)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0)
            .lanewise(VectorOperators.LSHL, 16)
            .reinterpretAsFloats()
            .intoArray(out, at + i);
      }
    }
    if (i < n) {
      Rows.load(t, row, from + i, n - i, out, at + i);
    }
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = FloatVector.zero(S);
    FloatVector s2 = FloatVector.zero(S);
    FloatVector s3 = FloatVector.zero(S);
    int i = 0;
    for (; i <= n - 4 * L; i += 4 * L) {
      s0 = FloatVector.fromArray(S, a, aAt + i).fma(FloatVector.fromArray(S, b, bAt + i), s0);
      s1 =
          FloatVector.fromArray(S, a, aAt + i + L)
              .fma(FloatVector.fromArray(S, b, bAt + i + L), s1);
      s2 =
          FloatVector.fromArray(S, a, aAt + i + 2 * L)
              .fma(FloatVector.fromArray(S, b, bAt + i + 2 * L), s2);
      s3 =
          FloatVector.fromArray(S, a, aAt + i + 3 * L)
              .fma(FloatVector.fromArray(S, b, bAt + i + 3 * L), s3);
    }
    for (; i <= n - L; i += L) {
      s0 = FloatVector.fromArray(S, a, aAt + i).fma(FloatVector.fromArray(S, b, bAt + i), s0);
    }
    FloatVector all = s0.add(s1).add(s2.add(s3));
    all = all.add(all.rearrange(BY_2));
    all = L >= 4 ? all.add(all.rearrange(BY_4)) : all;
    all = L >= 8 ? all.add(all.rearrange(BY_8)) : all;
    all = L >= 16 ? all.add(all.rearrange(BY_16)) : all;
    float sum = all.lane(0);
    for (; i < n; i++) {
      sum = Math.fma(a[aAt + i], b[bAt + i], sum);
    }
    return sum;
  }

  @Override
  public int lanes() {
    return L;
  }

  @Override
  public void split(float[] row, int at, int n, float[] out, int to, int step) {
    if (L < 8) {
      for (int i = 0; i < n; i++) {
        out[to + (i / (2 * L) * 2 + i % 2) * step + i % (2 * L) / 2] = row[at + i];
      }
      return;
    }
    IntVector even = IntVector.fromArray(INTS, EVEN_THEN_ODD, 0);
    IntVector odd = IntVector.fromArray(INTS, EVEN_THEN_ODD, L);
    for (int i = 0, j = to; i < n; i += 2 * L, j += 2 * step) {
      IntVector x = FloatVector.fromArray(S, row, at + i).reinterpretAsInts();
      IntVector y = FloatVector.fromArray(S, row, at + i + L).reinterpretAsInts();
      even.selectFrom(x, y).reinterpretAsFloats().intoArray(out, j);
      odd.selectFrom(x, y).reinterpretAsFloats().intoArray(out, j + step);
    }
  }

  @Override
  public void multiply(
      float[] x, int xAt, int rows, float[] w, int stride, int n, float[] sums, int sumsAt) {
    if (rows == 1) {
      VectorProducts.oneByFour(x, xAt, w, 0, stride, n, sums, sumsAt);
      VectorProducts.oneByFour(x, xAt, w, 4 * stride, stride, n, sums, sumsAt + 4 * L);
    } else {
      VectorProducts.fourByFour(x, xAt, w, stride, n, sums, sumsAt);
    }
  }

  @Override
  public void multiply(
      float[] x, int xAt, int rows, Tensor t, int row, int from, int n, float[] sums, int sumsAt) {
    long at = t.offset(row) + 2L * from;
    long stride = 2L * t.rowStride();
    if (rows == 1) {
      VectorProducts.oneByEight(x, xAt, t.memory(), at, stride, n, sums, sumsAt);
    } else {
      VectorProducts.fourByFour(x, xAt, t.memory(), at, stride, n, sums, sumsAt);
    }
  }

  @Override
  public int readable(Tensor t) {
    boolean pairs = t.dtype() == DType.BF16 && ORDER == ByteOrder.LITTLE_ENDIAN;
    return pairs && t.memory().isNative() ? t.width() / (2 * L) * 2 * L : 0;
  }

  /** L sums at a time, by halves: step h makes one vector of two, whose lanes h apart are added. */
  @Override
  public void addUp(float[] sums, int count) {
    for (int i = 0; i < count && L < 8; i++) {
      sums[i] = sum(sums, i * L, L);
    }
    for (int i = 0; i < count && L >= 8; i += L) {
      for (int h = L / 2; h >= 1; h /= 2) {
        IntVector upper = IntVector.fromArray(INTS, UPPER, h * L);
        IntVector lower = IntVector.fromArray(INTS, LOWER, h * L);
        for (int n = 0; n < h; n++) {
          int at = (i + n) * L;
          IntVector x = FloatVector.fromArray(S, sums, at).reinterpretAsInts();
          IntVector y = FloatVector.fromArray(S, sums, at + h * L).reinterpretAsInts();
          FloatVector u = upper.selectFrom(x, y).reinterpretAsFloats();
          FloatVector l = lower.selectFrom(x, y).reinterpretAsFloats();
          u.add(l).intoArray(sums, h == 1 ? i : at);
        }
      }
    }
  }

  @Override
  public void addScaled(float[] y, int yAt, float s, float[] x, int xAt, int n) {
    FloatVector factor = FloatVector.broadcast(S, s);
    int i = 0;
    for (; i <= n - L; i += L) {
      factor
          .fma(FloatVector.fromArray(S, x, xAt + i), FloatVector.fromArray(S, y, yAt + i))
          .intoArray(y, yAt + i);
    }
    for (; i < n; i++) {
      y[yAt + i] = Math.fma(s, x[xAt + i], y[yAt + i]);
    }
  }

  /**
   * The steps of {@link Lanes#exp2(float)} with FMA; in one piece, since a vector that is handed to
   * a method may be put on the heap.
   */
  @Override
  public void exp2(float[] x, int at, int n, float scale, float shift) {
    int i = 0;
    for (; i <= n - L; i += L) {
      FloatVector v =
          FloatVector.fromArray(S, x, at + i)
              .mul(scale)
              .sub(shift)
              .lanewise(VectorOperators.MIN, 126f)
              .lanewise(VectorOperators.MAX, -127f);
      FloatVector shifted = v.add(Lanes.ROUND);
      FloatVector f = v.sub(shifted.sub(Lanes.ROUND));
      FloatVector p = FloatVector.broadcast(S, Lanes.P6);
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P5));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P4));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P3));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P2));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P1));
      p = p.fma(f, FloatVector.broadcast(S, 1f));
      IntVector power =
          shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).add(0x3f800000);
      p.mul(power.reinterpretAsFloats()).intoArray(x, at + i);
    }
    for (; i < n; i++) {
      x[at + i] = exp2(x[at + i] * scale - shift);
    }
  }

  private static float exp2(float value) {
    float x = Math.max(Math.min(value, 126f), -127f);
    float shifted = x + Lanes.ROUND;
    float f = x - (shifted - Lanes.ROUND);
    float p = Lanes.P6;
    p = Math.fma(p, f, Lanes.P5);
    p = Math.fma(p, f, Lanes.P4);
    p = Math.fma(p, f, Lanes.P3);
    p = Math.fma(p, f, Lanes.P2);
    p = Math.fma(p, f, Lanes.P1);
    p = Math.fma(p, f, 1f);
    return p * Float.intBitsToFloat((Float.floatToRawIntBits(shifted) << 23) + 0x3f800000);
  }

  @Override
  public float sum(float[] x, int at, int n) {
    FloatVector s = FloatVector.zero(S);
    int i = 0;
    for (; i <= n - L; i += L) {
      s = s.add(FloatVector.fromArray(S, x, at + i));
    }
    s = s.add(s.rearrange(BY_2));
    s = L >= 4 ? s.add(s.rearrange(BY_4)) : s;
    s = L >= 8 ? s.add(s.rearrange(BY_8)) : s;
    s = L >= 16 ? s.add(s.rearrange(BY_16)) : s;
    float sum = s.lane(0);
    for (; i < n; i++) {
      sum += x[at + i];
    }
    return sum;
  }

  @Override
  public float max(float[] x, int at, int n) {
    FloatVector m = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i <= n - L; i += L) {
      m = m.max(FloatVector.fromArray(S, x, at + i));
    }
    float max = m.reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      max = Math.max(max, x[at + i]);
    }
    return max;
  }
}
