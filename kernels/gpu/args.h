// What a launcher is handed: its structure, and tensors as pointers of their type, each held against the sizes that the
// operator wants of it.
#pragma once
#include "launch.h"

namespace gpu {

template <class T>
constexpr int DTYPE = -1;
template <>
constexpr int DTYPE<float> = STARLING_F32;
template <>
constexpr int DTYPE<bf16> = STARLING_BF16;
template <>
constexpr int DTYPE<f16> = STARLING_F16;
template <>
constexpr int DTYPE<int32_t> = STARLING_I32;
template <>
constexpr int DTYPE<uint8_t> = STARLING_U8;

// In native/runtime/args.cpp; what is refused is thrown.
int64_t dtype_bytes(int dtype);
void require_size(uint32_t size, size_t expected);
void require_dtype(const char* name, const starling_tensor& t, int dtype);
void require_shape(const char* name, const starling_tensor& t, int64_t rows, int64_t width);  // of any type
void require_vector(const char* name, const starling_tensor& t, int64_t n);
[[noreturn]] void rethrow(const char* operation, const Error& e);  // what it refuses begins with its name

// Runs an operator.
template <class Args, class Body>
int guarded(const char* operation, const Args* args, Body body) {
  return guarded([&] {
    try {
      require(args != nullptr, "its arguments are NULL");
      require_size(args->size, sizeof(Args));
      body(*args);
    } catch (const Error& e) {
      rethrow(operation, e);
    }
  });
}

// The elements of a tensor that must have this type and shape.
template <class T>
T* matrix(const char* name, const starling_tensor& t, int64_t rows, int64_t width) {
  require_dtype(name, t, DTYPE<T>);
  require_shape(name, t, rows, width);
  return static_cast<T*>(t.data);
}
template <class T>
T* vector(const char* name, const starling_tensor& t, int64_t n) {
  require_dtype(name, t, DTYPE<T>);
  require_vector(name, t, n);
  return static_cast<T*>(t.data);
}

// The same where every row must start at a multiple of 16 bytes.
template <class T>
T* matrix16(const char* name, const starling_tensor& t, int64_t rows, int64_t width) {
  T* data = matrix<T>(name, t, rows, width);
  require_rows16(data, t.stride, name);
  return data;
}
template <class T>
T* vector16(const char* name, const starling_tensor& t, int64_t n) {
  T* data = vector<T>(name, t, n);
  require_rows16(data, 0, name);
  return data;
}

// The same of a tensor that need not be there: then nullptr.
template <class T>
T* optional_matrix(const char* name, const starling_tensor& t, int64_t rows, int64_t width) {
  return t.data ? matrix<T>(name, t, rows, width) : nullptr;
}
template <class T>
T* optional_vector(const char* name, const starling_tensor& t, int64_t n) {
  return t.data ? vector<T>(name, t, n) : nullptr;
}
template <class T>
T* optional_vector16(const char* name, const starling_tensor& t, int64_t n) {
  return t.data ? vector16<T>(name, t, n) : nullptr;
}

// For an operator that calls another.
template <class T>
starling_tensor tensor(T* data, int64_t rows, int64_t width, int64_t stride) {
  using Element = std::remove_const_t<T>;
  return {const_cast<Element*>(data), stride, int32_t(rows), int32_t(width), DTYPE<Element>, 0};
}

}  // namespace gpu
