// The CUDA driver (libcuda.so.1) as far as an empty kernel's launch uses it: fake_driver("load=209"), "launch=700",
// "context=201", or "" for none. It is also what a call costs when nothing is behind it.
#include <cstring>

#include "test/orders.h"

namespace {

int launched = 0, alive = 0;
char module_of_all, function_of_all, context_of_all;

constexpr int INVALID = 1, INVALID_DEVICE = 101, INVALID_HANDLE = 400, NOT_FOUND = 500;

}  // namespace

#define API __attribute__((visibility("default")))

extern "C" {

API void fake_driver(const char* text) {
  orders = text;
  launched = 0;
}
API int fake_driver_launched() { return launched; }
API int fake_driver_alive() { return alive; }  // modules

API int cuInit(unsigned) { return 0; }
API int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
API int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? 0 : INVALID_DEVICE; }
API int cuDevicePrimaryCtxRetain(void** context, int device) {
  if (int status = ordered("context")) return status;
  return *context = &context_of_all, device == 0 ? 0 : INVALID_DEVICE;
}
API int cuModuleLoadData(void** module, const void* image) {
  if (int status = ordered("load")) return status;
  if (!strstr(static_cast<const char*>(image), ".visible .entry noop()")) return INVALID;
  *module = &module_of_all;
  alive++;
  return 0;
}
API int cuModuleUnload(void* module) { return module == &module_of_all ? alive--, 0 : INVALID_HANDLE; }
API int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (module != &module_of_all || strcmp(name, "noop")) return NOT_FOUND;
  *function = &function_of_all;
  return 0;
}
API int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, void* stream, void**, void**) {
  if (int status = ordered("launch")) return status;
  if (function != &function_of_all) return INVALID_HANDLE;
  if (gx != 1 || gy != 1 || gz != 1 || bx != 32 || by != 1 || bz != 1 || shared || !stream) return INVALID;
  launched++;
  return 0;
}

}  // extern "C"
