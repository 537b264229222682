// Products of bf16, rotary embedding and attention, forward and backward: what stack.cpp builds its layers of.
// Needs AVX512-BF16. Head width 32; widths are multiples of 32.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <omp.h>
#include <vector>
typedef uint16_t bf;
typedef uint32_t u32;
static inline float b2f(bf x) {
  u32 u = (u32)x << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
static inline bf f2b(float f) {
  u32 u;
  memcpy(&u, &f, 4);
  u += 0x7fff + ((u >> 16) & 1);
  return (bf)(u >> 16);
}
static inline int up(int x, int m) { return (x + m - 1) / m * m; }
static const int D = 32, BQ = 32;
static void cvt(const float *a, bf *o, long n) {
  for (long i = 0; i < n; i++) o[i] = f2b(a[i]);
}
// MR x 32 tile of C = A B, A read as pairs of bf16 along k
template <int MR>
static inline __attribute__((always_inline)) void mk(int K2, const u32 *A, long am, long ak, const u32 *B, long ldb, float *C, long ldc, bool acc) {
  __m512 c[MR][2];
  for (int i = 0; i < MR; i++) {
    c[i][0] = acc ? _mm512_loadu_ps(C + i * ldc) : _mm512_setzero_ps();
    c[i][1] = acc ? _mm512_loadu_ps(C + i * ldc + 16) : _mm512_setzero_ps();
  }
  for (int k = 0; k < K2; k++) {
    __m512bh b0 = (__m512bh)_mm512_loadu_si512(B + k * ldb), b1 = (__m512bh)_mm512_loadu_si512(B + k * ldb + 16);
    for (int i = 0; i < MR; i++) {
      __m512bh a = (__m512bh)_mm512_set1_epi32(A[i * am + k * ak]);
      c[i][0] = _mm512_dpbf16_ps(c[i][0], a, b0);
      c[i][1] = _mm512_dpbf16_ps(c[i][1], a, b1);
    }
  }
  for (int i = 0; i < MR; i++) {
    _mm512_storeu_ps(C + i * ldc, c[i][0]);
    _mm512_storeu_ps(C + i * ldc + 16, c[i][1]);
  }
}
// C[M][N] (+)= A B; A[m*am + k*ak] and B[k*ldb + n] hold bf16 pairs along k; M % 8 == 0, N % 32 == 0
static void gemm(int M, int N, int K2, const void *A_, long am, long ak, const void *B_, long ldb, float *C, long ldc, bool acc) {
  const u32 *A = (const u32 *)A_, *B = (const u32 *)B_;
  for (int m = 0; m < M; m += 8)
    for (int n = 0; n < N; n += 32) mk<8>(K2, A + m * am, am, ak, B + n, ldb, C + m * ldc + n, ldc, acc);
}
// pack rows in pairs: o[t2][n] = x[2t2][n] | x[2t2+1][n]<<16
static void pairs(const bf *x, long ldx, int T, int N, u32 *o, long ldo) {
  for (int t = 0; t < T / 2; t++) {
    const bf *a = x + (2 * t) * ldx, *b = a + ldx;
    u32 *w = o + t * ldo;
    for (int n = 0; n < N; n++) w[n] = (u32)a[n] | ((u32)b[n] << 16);
  }
}
static void tr32(const u32 *x, long ldx, int R, int C, u32 *o, long ldo) {
  for (int c = 0; c < C; c++)
    for (int r = 0; r < R; r++) o[c * ldo + r] = x[r * ldx + c];
}
// bump allocator
struct Arena {
  char *p;
  size_t cap, off;
  Arena() : p(0), cap(0), off(0) {}
  void reset(size_t n) {
    if (n > cap) {
      free(p);
      p = (char *)aligned_alloc(64, (n + 63) / 64 * 64);
      cap = n;
    }
    off = 0;
  }
  template <class X> X *get(size_t n) {
    X *r = (X *)(p + off);
    off += (n * sizeof(X) + 63) / 64 * 64;
    if (off > cap) abort();
    return r;
  }
};
// key ranges that the rows of one tile need: [0, n1) and [s2, e2), with padded lengths
struct Rng {
  int n1, n1p, s2, e2, n2p;
};
static Rng rng(const int *n1, const int *s2, int q0, int qe) {
  Rng r;
  r.n1 = 0;
  r.s2 = 1 << 30;
  r.e2 = 0;
  for (int q = q0; q < qe; q++) {
    r.n1 = std::max(r.n1, n1[q]);
    if (s2[q] <= q) {
      r.s2 = std::min(r.s2, s2[q]);
      r.e2 = q + 1;
    }
  }
  r.s2 &= ~1;
  r.n1p = up(r.n1, 32);
  r.n2p = r.e2 ? up(r.e2 - r.s2, 32) : 0;
  return r;
}
// copy one head out of the interleaved rows, rotated when cs (cos 16 | sin 16) is given; unrope is its gradient
static void rope(const bf *x, long ts, int T, bf *o, const float *cs, int Tp) {
  for (int t = 0; t < T; t++) {
    const bf *r = x + t * ts;
    bf *w = o + t * D;
    if (cs) {
      const float *c = cs + (long)t * D;
      for (int i = 0; i < 16; i++) {
        float a = b2f(r[i]), b = b2f(r[i + 16]);
        w[i] = f2b(a * c[i] - b * c[16 + i]);
        w[i + 16] = f2b(b * c[i] + a * c[16 + i]);
      }
    } else memcpy(w, r, D * 2);
  }
  memset(o + (long)T * D, 0, (size_t)(Tp - T) * D * 2);
}
static void unrope(const float *g, int T, bf *x, long ts, const float *cs) {
  for (int t = 0; t < T; t++) {
    bf *r = x + t * ts;
    const float *w = g + t * D;
    if (cs) {
      const float *c = cs + (long)t * D;
      for (int i = 0; i < 16; i++) {
        float a = w[i], b = w[i + 16];
        r[i] = f2b(a * c[i] + b * c[16 + i]);
        r[i + 16] = f2b(b * c[i] - a * c[16 + i]);
      }
    } else
      for (int i = 0; i < D; i++) r[i] = f2b(w[i]);
  }
}
// qkv [T][3C] bf16, out [T][C] bf16, lse [H][T]
static void attn_f(Arena A, const bf *qkv, int T, int H, bf *out, float *lse, const int *N1, const int *S2, const float *cs) {
  int C = H * D, Tp = up(T, 32) + 64;
  float scale = 1.f / sqrtf((float)D);
  long ldm = 2 * (long)Tp;
  bf *Q = A.get<bf>(Tp * D), *K = A.get<bf>(Tp * D), *V = A.get<bf>(Tp * D);
  u32 *Kt = A.get<u32>(16 * Tp), *Vp = A.get<u32>(Tp / 2 * D);
  float *S = A.get<float>(BQ * ldm), *O = A.get<float>(BQ * D);
  bf *P = A.get<bf>(BQ * ldm);
  for (int h = 0; h < H; h++) {
    rope(qkv + h * D, 3 * C, T, Q, cs, Tp);
    rope(qkv + C + h * D, 3 * C, T, K, cs, Tp);
    rope(qkv + 2 * C + h * D, 3 * C, T, V, nullptr, Tp);
    tr32((u32 *)K, 16, Tp, 16, Kt, Tp);
    pairs(V, D, Tp, D, Vp, D);
    for (int q0 = 0; q0 < T; q0 += BQ) {
      int qe = std::min(T, q0 + BQ);
      Rng r = rng(N1, S2, q0, qe);
      long ld = r.n1p + r.n2p;
      gemm(BQ, r.n1p, 16, Q + (long)q0 * D, 16, 1, Kt, Tp, S, ld, false);
      if (r.n2p) gemm(BQ, r.n2p, 16, Q + (long)q0 * D, 16, 1, Kt + r.s2, Tp, S + r.n1p, ld, false);
      for (int i = 0; i < BQ; i++) {
        float *s = S + i * ld;
        bf *p = P + i * ld;
        int qi = q0 + i;
        if (qi >= T) {
          memset(p, 0, ld * 2);
          continue;
        }
        int a = N1[qi], lo = r.n1p, hi = r.n1p;
        if (S2[qi] <= qi) {
          lo = r.n1p + S2[qi] - r.s2;
          hi = r.n1p + qi + 1 - r.s2;
        }
        float m = -1e30f;
        for (int j = 0; j < a; j++) m = std::max(m, s[j]);
        for (int j = lo; j < hi; j++) m = std::max(m, s[j]);
        float z = 0;
        for (int j = 0; j < a; j++) {
          s[j] = expf((s[j] - m) * scale);
          z += s[j];
        }
        for (int j = lo; j < hi; j++) {
          s[j] = expf((s[j] - m) * scale);
          z += s[j];
        }
        for (int j = a; j < lo; j++) s[j] = 0;
        for (long j = hi; j < ld; j++) s[j] = 0;
        lse[h * T + qi] = m * scale + logf(z);
        float iz = 1 / z;
        for (long j = 0; j < ld; j++) p[j] = f2b(s[j] * iz);
      }
      gemm(BQ, D, r.n1p / 2, P, ld / 2, 1, Vp, D, O, D, false);
      if (r.n2p) gemm(BQ, D, r.n2p / 2, P + r.n1p, ld / 2, 1, Vp + (long)r.s2 / 2 * D, D, O, D, true);
      for (int i = 0; i < BQ && q0 + i < T; i++) cvt(O + i * D, out + (long)(q0 + i) * C + h * D, D);
    }
  }
}
// gradients of attn_f with respect to qkv
static void attn_b(Arena A, const bf *qkv, int T, int H, const bf *out, const bf *dout, const float *lse, const int *N1, const int *S2,
                   const float *cs, bf *dqkv) {
  int C = H * D, Tp = up(T, 32) + 64;
  float scale = 1.f / sqrtf((float)D);
  long ldm = 2 * (long)Tp;
  bf *Q = A.get<bf>(Tp * D), *K = A.get<bf>(Tp * D), *V = A.get<bf>(Tp * D), *G = A.get<bf>(Tp * D);
  u32 *Kt = A.get<u32>(16 * Tp), *Vt = A.get<u32>(16 * Tp), *Kp = A.get<u32>(Tp / 2 * D), *Qp = A.get<u32>(Tp / 2 * D), *Gp = A.get<u32>(Tp / 2 * D);
  float *S = A.get<float>(BQ * ldm), *E = A.get<float>(BQ * ldm), *dQ = A.get<float>(Tp * D), *dK = A.get<float>(Tp * D), *dV = A.get<float>(Tp * D);
  bf *P = A.get<bf>(BQ * ldm), *Z = A.get<bf>(BQ * ldm);
  u32 *Pp = A.get<u32>(BQ / 2 * ldm), *Zp = A.get<u32>(BQ / 2 * ldm);
  for (int h = 0; h < H; h++) {
    rope(qkv + h * D, 3 * C, T, Q, cs, Tp);
    rope(qkv + C + h * D, 3 * C, T, K, cs, Tp);
    rope(qkv + 2 * C + h * D, 3 * C, T, V, nullptr, Tp);
    rope(dout + h * D, C, T, G, nullptr, Tp);
    tr32((u32 *)K, 16, Tp, 16, Kt, Tp);
    tr32((u32 *)V, 16, Tp, 16, Vt, Tp);
    pairs(K, D, Tp, D, Kp, D);
    pairs(Q, D, Tp, D, Qp, D);
    pairs(G, D, Tp, D, Gp, D);
    memset(dK, 0, sizeof(float) * Tp * D);
    memset(dV, 0, sizeof(float) * Tp * D);
    for (int q0 = 0; q0 < T; q0 += BQ) {
      int qe = std::min(T, q0 + BQ);
      Rng r = rng(N1, S2, q0, qe);
      long ld = r.n1p + r.n2p;
      gemm(BQ, r.n1p, 16, Q + (long)q0 * D, 16, 1, Kt, Tp, S, ld, false);
      gemm(BQ, r.n1p, 16, G + (long)q0 * D, 16, 1, Vt, Tp, E, ld, false);
      if (r.n2p) {
        gemm(BQ, r.n2p, 16, Q + (long)q0 * D, 16, 1, Kt + r.s2, Tp, S + r.n1p, ld, false);
        gemm(BQ, r.n2p, 16, G + (long)q0 * D, 16, 1, Vt + r.s2, Tp, E + r.n1p, ld, false);
      }
      for (int i = 0; i < BQ; i++) {
        float *s = S + i * ld, *e = E + i * ld;
        bf *p = P + i * ld, *z = Z + i * ld;
        int qi = q0 + i;
        if (qi >= T) {
          memset(p, 0, ld * 2);
          memset(z, 0, ld * 2);
          continue;
        }
        int a = N1[qi], lo = r.n1p, hi = r.n1p;
        if (S2[qi] <= qi) {
          lo = r.n1p + S2[qi] - r.s2;
          hi = r.n1p + qi + 1 - r.s2;
        }
        const bf *o = out + (long)qi * C + h * D, *g = G + (long)qi * D;
        float dl = 0;
        for (int d = 0; d < D; d++) dl += b2f(o[d]) * b2f(g[d]);
        float L = lse[h * T + qi];
        for (int j = 0; j < a; j++) {
          float x = expf(s[j] * scale - L);
          p[j] = f2b(x);
          z[j] = f2b(x * (e[j] - dl) * scale);
        }
        for (int j = a; j < lo; j++) {
          p[j] = 0;
          z[j] = 0;
        }
        for (int j = lo; j < hi; j++) {
          float x = expf(s[j] * scale - L);
          p[j] = f2b(x);
          z[j] = f2b(x * (e[j] - dl) * scale);
        }
        for (long j = hi; j < ld; j++) {
          p[j] = 0;
          z[j] = 0;
        }
      }
      gemm(BQ, D, r.n1p / 2, Z, ld / 2, 1, Kp, D, dQ + (long)q0 * D, D, false);
      if (r.n2p) gemm(BQ, D, r.n2p / 2, Z + r.n1p, ld / 2, 1, Kp + (long)r.s2 / 2 * D, D, dQ + (long)q0 * D, D, true);
      pairs(P, ld, BQ, ld, Pp, ld);
      pairs(Z, ld, BQ, ld, Zp, ld);
      gemm(r.n1p, D, BQ / 2, Zp, 1, ld, Qp + (long)q0 / 2 * D, D, dK, D, true);
      gemm(r.n1p, D, BQ / 2, Pp, 1, ld, Gp + (long)q0 / 2 * D, D, dV, D, true);
      if (r.n2p) {
        int n2 = up(r.e2 - r.s2, 8);
        gemm(n2, D, BQ / 2, Zp + r.n1p, 1, ld, Qp + (long)q0 / 2 * D, D, dK + (long)r.s2 * D, D, true);
        gemm(n2, D, BQ / 2, Pp + r.n1p, 1, ld, Gp + (long)q0 / 2 * D, D, dV + (long)r.s2 * D, D, true);
      }
    }
    unrope(dQ, T, dqkv + h * D, 3 * C, cs);
    unrope(dK, T, dqkv + C + h * D, 3 * C, cs);
    unrope(dV, T, dqkv + 2 * C + h * D, 3 * C, nullptr);
  }
}
