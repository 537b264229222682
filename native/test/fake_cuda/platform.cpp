// The file that is tested, with the made-up cuda_runtime.h of this folder.
#include "cuda/platform.cu"
