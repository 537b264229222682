// patchify: an image as rows of patches, for the patch embedding as a matrix product.
//
// Math      out[n, (c·p + y)·p + x] = pixels[c, (n / across)·p + y, (n mod across)·p + x], rounded to the type.
// Shapes    pixels f32 [3, height·width], a row is a plane; out [N, 3·p·p], N = (height / p)·(width / p), across = width / p.
// Launch    one block of 256 threads per patch.
// Cost      4 bytes read and one element written per value: 336 × 336 pixels are 1.35 MB and 0.68 MB. Bound by latency.
// Limits    none.
#include "gpu/args.h"
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

extern "C" int starling_patchify(const starling_patchify_args* args, starling_stream* stream) {
  return gpu::guarded("patchify", args, [&](const starling_patchify_args& a) {
    gpu::require(a.patch >= 1 && a.height >= a.patch && a.width >= a.patch, "the image is smaller than a patch");
    int patches = (a.height / a.patch) * (a.width / a.patch);
    auto* pixels = gpu::matrix<float>("pixels", a.pixels, 3, int64_t(a.height) * a.width);
    gpu::with_type(a.out.dtype, [&]<class T>() {
      auto* out = gpu::matrix<T>("out", a.out, patches, int64_t(3) * a.patch * a.patch);
      gpu::launch<patchify_kernel<T>>(dim3(patches), dim3(256), 0, stream, out, pixels, a.out.stride, a.pixels.stride,
                                      a.width, a.patch);
    });
  });
}
