// cuBLAS 13 as far as JCublas' product uses it, on the made-up GPU: fake_cublas("create=1"), "gemm=13", "wrong=1" (success, and
// another product), or "" for none.
#include <cstdlib>
#include <string>

#include "test/fake_cuda/stream.h"
#include "test/orders.h"
#include "test/stored_values.h"

namespace {

int products = 0, alive = 0;
void* current = nullptr;  // stream

Stored stored(int type) { return type == 0 ? Stored::F32 : type == 2 ? Stored::F16 : Stored::BF16; }

constexpr int INVALID = 7, OP_N = 0, OP_T = 1, COMPUTE_32F = 68, DEFAULT = -1;

}  // namespace

#define API __attribute__((visibility("default")))

extern "C" {

API void fake_cublas(const char* text) {
  orders = text;
  products = 0;
}
API int fake_cublas_products() { return products; }
API int fake_cublas_alive() { return alive; }

API int cublasCreate_v2(void** handle) {
  *handle = &orders;
  int status = ordered("create");
  if (!status) alive++;
  return status;
}
API int cublasDestroy_v2(void*) {
  alive--;
  return 0;
}
API int cublasSetStream_v2(void*, void* stream) { return current = stream, stream ? 0 : INVALID; }
API int cublasGetVersion_v2(void*, int* version) { return *version = 130100, 0; }
API int cublasGemmEx(void* handle, int transposed_a, int transposed_b, int m, int n, int k, const void* alpha, const void* a,
                     int a_type, int lda, const void* b, int b_type, int ldb, const void* beta, void* c, int c_type, int ldc,
                     int compute, int algorithm) {
  if (int status = ordered("gemm")) return status;
  if (handle != &orders || transposed_a != OP_T || transposed_b != OP_N || compute != COMPUTE_32F || algorithm != DEFAULT ||
      a_type != b_type || lda < k || ldb < k || ldc < m || *static_cast<const float*>(beta) != 0) {
    return INVALID;
  }
  float scale = *static_cast<const float*>(alpha) * float(1 + ordered("wrong"));
  auto multiply = [=] {
    for (int64_t j = 0; j < n; j++) {
      for (int64_t i = 0; i < m; i++) {
        float sum = 0;
        for (int64_t p = 0; p < k; p++) sum += read(a, stored(a_type), i * lda + p) * read(b, stored(b_type), j * ldb + p);
        write(c, stored(c_type), j * ldc + i, scale * sum);
      }
    }
  };
  products++;
  return put(current, "cublasGemmEx", {a, b, c}, multiply) ? INVALID : 0;
}

}  // extern "C"
