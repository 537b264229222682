/* Holds our subset of cublasLt.h against NVIDIA's own: compiled, not run.
 *   cc -fsyntax-only -Inative native/bindings/check_cublaslt.c                              ours alone
 *   cc -fsyntax-only -Inative -DREAL -I$CUDA/include native/bindings/check_cublaslt.c       NVIDIA's */
#ifdef REAL
#include <cublasLt.h>
#else
#include "bindings/cublaslt.h"
#endif

#define SAME(constant, value) _Static_assert((int)(constant) == (value), #constant)
SAME(CUBLAS_STATUS_SUCCESS, 0);
SAME(CUBLAS_STATUS_NOT_SUPPORTED, 15);
SAME(CUBLAS_COMPUTE_32F, 68);
SAME(CUDA_R_32F, 0);
SAME(CUDA_R_16F, 2);
SAME(CUDA_R_16BF, 14);
SAME(CUBLAS_OP_N, 0);
SAME(CUBLAS_OP_T, 1);
SAME(CUBLASLT_MATMUL_DESC_TRANSA, 3);
SAME(CUBLASLT_MATMUL_DESC_TRANSB, 4);
SAME(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1);
SAME(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3);
SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5);
SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6);
SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7);
SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8);
SAME(CUBLASLT_REDUCTION_SCHEME_NONE, 0);
SAME(CUBLASLT_REDUCTION_SCHEME_INPLACE, 1);
SAME(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2);
SAME(CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 4);
SAME(CUBLASLT_ALGO_CONFIG_ID, 0);
SAME(CUBLASLT_ALGO_CONFIG_TILE_ID, 1);
SAME(CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 2);
SAME(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 3);

_Static_assert(sizeof(cublasLtMatmulAlgo_t) == 64, "size of an algorithm");
_Static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96, "size of a result");
_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64, "workspaceSize");
_Static_assert(offsetof(cublasLtMatmulHeuristicResult_t, state) == 72, "state");

/* Handles are pointers in ours; the library's own types must be as large, and every argument in its place. */
_Static_assert(sizeof(cublasLtHandle_t) == sizeof(void *) && sizeof(cublasLtMatmulDesc_t) == sizeof(void *), "handles");
typedef cublasStatus_t multiply(cublasLtHandle_t, cublasLtMatmulDesc_t, const void *, const void *, cublasLtMatrixLayout_t,
                                const void *, cublasLtMatrixLayout_t, const void *, const void *, cublasLtMatrixLayout_t,
                                void *, cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t);
static multiply *const has_multiply = cublasLtMatmul;
typedef cublasStatus_t choose(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                              cublasLtMatmulHeuristicResult_t *, int *);
static choose *const has_choose = cublasLtMatmulAlgoGetHeuristic;
