#include "gpu/args.h"
#include "gpu/select.h"

KERNEL(512)
rank_select_kernel(int32_t* keep, float* score, int32_t* non_finite, const float* sums, int64_t stride, int heads, int n, int k,
                   int rows) {
  SHARED(float, s, 4096);
  SHARED(uint8_t, stays, 4096);
  for (int j = int(threadIdx.x); j < n; j += 512) {
    float sum = 0;
    for (int h = 0; h < heads; h++) sum += load(sums + h * stride + j);
    float mean = sum / (float(heads) * float(rows));
    store(score + j, mean);
    if (!finite(mean)) atomic_or(non_finite, 1);  // reported, and behind every other
    s[j] = finite(mean) ? mean : -INFINITY;
  }
  __syncthreads();
  for (int j = int(threadIdx.x); j < n; j += 512) {
    int better = 0;
    for (int i = 0; i < n; i++) better += s[i] > s[j] || (s[i] == s[j] && i < j);
    stays[j] = better < k;
  }
  __syncthreads();
  for (int j = int(threadIdx.x); j < n; j += 512) {
    int place = 0;
    for (int i = 0; i < j; i++) place += stays[i];
    if (stays[j]) store(keep + place, j);
  }
}

extern "C" STARLING_API int rank_select(const starling_token_select_args* args, starling_stream* stream) {
  return gpu::guarded("rank_select", args, [&](const starling_token_select_args& a) {
    int heads = a.sums.rows, n = a.sums.width, k = a.keep.rows;  // one column for each candidate
    gpu::launch<rank_select_kernel>(dim3(1), dim3(512), 0, stream, gpu::vector<int32_t>("keep", a.keep, k),
                                    gpu::vector<float>("score", a.score, n),
                                    gpu::vector<int32_t>("non_finite", a.non_finite, 1),
                                    gpu::matrix<float>("sums", a.sums, heads, n), a.sums.stride, heads, n, k, a.rows);
  });
}
