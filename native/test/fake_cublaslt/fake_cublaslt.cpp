// cuBLASLt as far as gemm uses it, on the made-up GPU: refuses what the real one refuses, multiplies plainly when its stream
// gets to it, and can be ordered to fail: fake_cublaslt("create=1"), "heuristic=none", "matmul=13", or "" for none.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "test/fake_cuda/stream.h"
#include "test/orders.h"
#include "test/stored_values.h"

extern "C" {
#include "bindings/cublaslt.h"
}

namespace {

constexpr uint64_t MAGIC = 0x5741544552ull;
int products = 0, alive = 0;

struct Desc {
  int transposed_a = CUBLAS_OP_N;
};
struct Layout {
  cudaDataType_t type;
  uint64_t rows, cols;
  int64_t ld;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t schemes = ~0u;
  uint32_t alignment[4] = {256, 256, 256, 256};
};

Stored stored(cudaDataType_t type) {
  return type == CUDA_R_32F ? Stored::F32 : type == CUDA_R_16F ? Stored::F16 : Stored::BF16;
}

}  // namespace

#define API __attribute__((visibility("default")))
constexpr auto OK = CUBLAS_STATUS_SUCCESS;
constexpr auto INVALID = cublasStatus_t(7);  // CUBLAS_STATUS_INVALID_VALUE

extern "C" {

API void fake_cublaslt(const char* text) {
  orders = text;
  products = 0;
}
API int fake_cublaslt_products() { return products; }
API int fake_cublaslt_alive() { return alive; }  // what was created and not destroyed

API size_t cublasLtGetVersion() { return 130100; }
API const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_OF_THE_STUB";
}
API cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(&orders);
  return cublasStatus_t(ordered("create"));
}
API cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return OK; }

API cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return INVALID;
  *desc = new Desc;
  alive++;
  return OK;
}
API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  delete static_cast<Desc*>(desc);
  alive--;
  return OK;
}
API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                                  const void* value, size_t bytes) {
  if (attribute != CUBLASLT_MATMUL_DESC_TRANSA || bytes != 4) return INVALID;
  static_cast<Desc*>(desc)->transposed_a = *static_cast<const int*>(value);
  return OK;
}
API cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, uint64_t rows,
                                              uint64_t cols, int64_t ld) {
  if (ld < int64_t(rows)) return INVALID;
  *layout = new Layout{type, rows, cols, ld};
  alive++;
  return OK;
}
API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete static_cast<Layout*>(layout);
  alive--;
  return OK;
}
API cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new Preference;
  alive++;
  return OK;
}
API cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete static_cast<Preference*>(preference);
  alive--;
  return OK;
}
API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                        cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                        size_t bytes) {
  auto* p = static_cast<Preference*>(preference);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      if (bytes != 8) return INVALID;
      memcpy(&p->workspace, value, 8);
      return OK;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      if (bytes != 4) return INVALID;
      memcpy(&p->schemes, value, 4);
      return OK;
    default:
      if (bytes != 4) return INVALID;
      memcpy(&p->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, 4);
      return OK;
  }
}

// data: magic, workspace, reduction scheme. Wherever it may it adds in place, so that a caller who forgot the mask is seen.
API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                                  cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                  cublasLtMatmulPreference_t preference, int requested,
                                                  cublasLtMatmulHeuristicResult_t* results, int* found) {
  auto* p = static_cast<Preference*>(preference);
  *found = 0;
  if (requested < 1) return INVALID;
  if (orders.find("heuristic=none") != std::string::npos) return CUBLAS_STATUS_NOT_SUPPORTED;
  memset(results, 0, sizeof *results);
  for (uint32_t a : p->alignment) {
    if (a > 16) results->algo.data[3] = 1;  // wants more than our rows have
  }
  results->algo.data[0] = MAGIC;
  results->algo.data[1] = results->workspaceSize = p->workspace / 2;
  results->algo.data[2] = p->schemes & CUBLASLT_REDUCTION_SCHEME_INPLACE
                              ? uint64_t(CUBLASLT_REDUCTION_SCHEME_INPLACE)
                              : p->schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  *found = 1;
  return OK;
}
API cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algo,
                                                        cublasLtMatmulAlgoConfigAttributes_t attribute, void* value,
                                                        size_t bytes, size_t* written) {
  if (bytes != 4 || algo->data[0] != MAGIC) return INVALID;
  int32_t numbers[] = {7, 20, 3, int32_t(algo->data[2])};
  memcpy(value, &numbers[attribute], 4);
  *written = 4;
  return OK;
}

API cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* A,
                                  cublasLtMatrixLayout_t a, const void* B, cublasLtMatrixLayout_t b, const void* beta,
                                  const void* C, cublasLtMatrixLayout_t c, void* D, cublasLtMatrixLayout_t d,
                                  const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspaceBytes,
                                  cudaStream_t stream) {
  if (int status = ordered("matmul")) return cublasStatus_t(status);
  auto &la = *static_cast<Layout*>(a), &lb = *static_cast<Layout*>(b), &lc = *static_cast<Layout*>(c),
       &ld = *static_cast<Layout*>(d);
  bool fits = handle == reinterpret_cast<cublasLtHandle_t>(&orders) && algo->data[0] == MAGIC && algo->data[3] == 0 &&
              workspace && workspaceBytes >= algo->data[1] && static_cast<Desc*>(desc)->transposed_a == CUBLAS_OP_T &&
              la.rows == lb.rows && la.cols == ld.rows && lb.cols == ld.cols && lc.rows == ld.rows && lc.cols == ld.cols &&
              lc.type == ld.type && la.type == lb.type;
  for (const void* p : {A, B, C, static_cast<const void*>(D)}) fits = fits && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  if (!fits) return INVALID;
  float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  uint64_t used = algo->data[1] < 4096 ? algo->data[1] : 4096;
  auto multiply = [=, la = la, lb = lb, lc = lc, ld = ld] {
    memset(workspace, 0xff, used);
    for (uint64_t n = 0; n < ld.cols; n++) {
      for (uint64_t m = 0; m < ld.rows; m++) {
        float sum = 0;
        for (uint64_t k = 0; k < la.rows; k++)
          sum += read(A, stored(la.type), m * la.ld + k) * read(B, stored(lb.type), n * lb.ld + k);
        float old = keep != 0 ? keep * read(C, stored(lc.type), n * lc.ld + m) : 0;
        write(D, stored(ld.type), n * ld.ld + m, scale * sum + old);
      }
    }
  };
  products++;
  return put(stream, "cublasLtMatmul", {A, B, C, D, workspace}, multiply) ? INVALID : OK;
}

}  // extern "C"
