// cosines: how alike each two of n rows are.
//
// Math      out[i, j] = G_ij / √(G_ii·G_jj) with the Gram matrix G = X·Xᵀ in f32, divided in double and rounded once. One
//           that is not finite (a row of zeros, or one that holds such a number) sets non_finite.
// Shapes    x [n, D], out f32 [n, n].
// Launch    gemm.cu for G, which goes where the cosines do; a copy of its diagonal to scratch; n blocks of 256 threads.
// Cost      2·n²·D FLOPs for G (576 × 1024: 0.68 GFLOP), then 8·n² bytes that lie in L2. Bound by launch latency there.
// Limits    n ≤ 4096. Needs sm_80.
#include "gpu/args.h"
#include "gpu/select.h"

KERNEL(256)
diagonal_kernel(float* diagonal, const float* gram, int64_t stride, int n) {
  int i = int(blockIdx.x) * 256 + int(threadIdx.x);
  if (i < n) store(diagonal + i, load(gram + i * stride + i));
}

KERNEL(256)
cosines_kernel(float* out, int64_t stride, const float* diagonal, int32_t* non_finite, int n) {
  float* row = out + int64_t(blockIdx.x) * stride;
  double own = load(diagonal + blockIdx.x);
  for (int j = int(threadIdx.x); j < n; j += 256) {
    float cosine = float(double(load(row + j)) / sqrt(own * double(load(diagonal + j))));
    store(row + j, cosine);
    if (!finite(cosine)) atomic_or(non_finite, 1);
  }
}

extern "C" int starling_cosines(const starling_cosines_args* args, starling_stream* stream) {
  return gpu::guarded("cosines", args, [&](const starling_cosines_args& a) {
    int n = a.x.rows;
    gpu::require(n >= 1 && n <= MAX_COMPARED, "n must be 1 to 4096");
    auto* out = gpu::matrix<float>("out", a.out, n, n);
    auto* non_finite = gpu::vector<int32_t>("non_finite", a.non_finite, 1);
    starling_gemm_args product{};
    product.size = sizeof product;
    product.y = a.out;
    product.x = a.x;
    product.w.data = a.x.data;
    product.w.stride = a.x.stride;
    product.w.rows = n;
    int status = starling_gemm(&product, stream);
    if (status) throw gpu::Error(status, starling_error());
    auto* diagonal = static_cast<float*>(gpu::scratch(stream, size_t(n) * sizeof(float)));
    gpu::launch<diagonal_kernel>(dim3(gpu::ceil_div(n, 256)), dim3(256), 0, stream, diagonal, out, a.out.stride, n);
    gpu::launch<cosines_kernel>(dim3(n), dim3(256), 0, stream, out, a.out.stride, diagonal, non_finite, n);
  });
}
