// patchify: a picture as rows of patches, for the patch embedding as a matrix product.
//
// Math      out[n, (c·p + y)·p + x] = pixels[c, (n / across)·p + y, (n mod across)·p + x], rounded to the type.
// Shapes    pixels f32 [3, height·width], a row is a plane; out [N, 3·p·p], N = (height / p)·(width / p), across = width / p.
// Launch    one block of 256 threads per patch.
// Cost      4 bytes read and one element written per value: 336 × 336 pixels are 1.35 MB and 0.68 MB. Bound by latency.
// Limits    none.
#include "gpu/launch.h"
#include "gpu/prims.h"

template <class T>
KERNEL(256)
patchify_kernel(T* out, const float* pixels, int64_t out_stride, int64_t pixels_stride, int width, int patch) {
  int across = width / patch, n = int(blockIdx.x), y0 = n / across * patch, x0 = n % across * patch;
  for (int i = int(threadIdx.x); i < 3 * patch * patch; i += 256) {
    int c = i / (patch * patch), y = i / patch % patch, x = i % patch;
    float value = load(pixels + c * pixels_stride + (y0 + y) * width + x0 + x);
    store(out + n * out_stride + i, from_float<T>(value));
  }
}

extern "C" int starling_patchify(void* out, int64_t out_stride, const float* pixels, int64_t pixels_stride, int32_t height,
                                 int32_t width, int32_t patch, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(patch >= 1 && height >= patch && width >= patch, "patchify: the picture is smaller than a patch");
    gpu::with_type(dtype, [&]<class T>() {
      gpu::launch<patchify_kernel<T>>(dim3((height / patch) * (width / patch)), dim3(256), 0, stream,
                                      static_cast<T*>(out), pixels, out_stride, pixels_stride, width, patch);
    });
  });
}
