// What the launchers of operators refuse, in words.
#include "gpu/args.h"

namespace gpu {

static std::string name_of(int dtype) {
  constexpr const char* names[] = {"f32", "bf16", "f16", "i32", "u8"};
  return dtype >= 0 && dtype < 5 ? names[dtype] : "dtype " + std::to_string(dtype);
}
static std::string shape(int64_t rows, int64_t width) {
  return std::string("[") + std::to_string(rows) + ", " + std::to_string(width) + "]";
}
[[noreturn]] static void refuse(const char* name, const std::string& what) {
  throw Error(STARLING_INVALID_ARGUMENT, std::string(name) + " " + what);
}

int64_t dtype_bytes(int dtype) {
  require(dtype >= STARLING_F32 && dtype <= STARLING_U8, "a type that is none of f32, bf16, f16, i32 and u8");
  return dtype == STARLING_U8 ? 1 : dtype == STARLING_BF16 || dtype == STARLING_F16 ? 2 : 4;
}

void require_size(uint32_t size, size_t expected) {
  if (size == expected) return;
  throw Error(STARLING_INVALID_ARGUMENT, "`size` is " + std::to_string(size) + ", this library's arguments have " +
                                             std::to_string(expected) +
                                             " bytes; set it to sizeof, with the starling.h of this library");
}

void require_dtype(const char* name, const starling_tensor& t, int dtype) {
  if (t.dtype != dtype) refuse(name, "is " + name_of(t.dtype) + ", not " + name_of(dtype));
}

void require_shape(const char* name, const starling_tensor& t, int64_t rows, int64_t width) {
  if (t.rows != rows || t.width != width || rows < 0 || width < 0) {
    refuse(name, "is " + shape(t.rows, t.width) + ", not " + shape(rows, width));
  }
  if (rows > 1 && t.stride < width) refuse(name, "has a stride of " + std::to_string(t.stride) + ": its rows overlap");
  if (!t.data && rows > 0 && width > 0) refuse(name, "is not there (its data is NULL)");
}

void require_vector(const char* name, const starling_tensor& t, int64_t n) {
  require_shape(name, t, n, 1);
  if (n > 1 && t.stride != 1) refuse(name, "is a vector with a stride of " + std::to_string(t.stride));
}

void rethrow(const char* operation, const Error& e) {
  if (e.status != STARLING_INVALID_ARGUMENT) throw e;
  throw Error(e.status, std::string(operation) + ": " + e.what());
}

}  // namespace gpu
