// What the native tests are written with. They reach the kernels through the C interface only, so the same source runs
// against either library. Tensors on the device have exactly the bytes they need, their padding is NaN, and every
// comparison is written so that NaN fails it.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "starling.h"

namespace check {

inline constexpr double EPS = 0x1p-24;  // half a unit in the last place of 1, in f32
// The same of a type's own.
double eps_of(int dtype);
const char* name_of(int dtype);

extern starling_stream* stream;

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
// CALL(rmsnorm, .out = y, .x = x, …) calls starling_rmsnorm on `stream`; what is not named is zero.
#define CALL(operator, ...) CALL_ON(stream, operator, __VA_ARGS__)
#define CALL_ON(stream, operator, ...) \
  starling_##operator(check::sized(starling_##operator##_args{.size = 0, __VA_ARGS__}), stream)
template <class A>
const A* sized(A&& args) {
  args.size = sizeof args;
  return &args;
}

// A tensor that lies apart from its `Tensor`.
inline starling_tensor with(starling_tensor t, void* data) {
  t.data = data;
  return t;
}
extern std::mt19937_64 rng;

// Rows of a type; `values` are what the device holds, exactly.
class Tensor {
 public:
  Tensor(int dtype, int rows, int width, int padding = -1);  // padding in elements; −1: up to a multiple of 8, plus 8
  Tensor(const Tensor&) = delete;
  Tensor(Tensor&& other) noexcept;
  ~Tensor();

  int dtype, rows, width;
  int64_t stride;
  std::vector<float> values;  // [rows][width]
  void* data = nullptr;

  float& at(int row, int column) { return values[size_t(row) * width + column]; }
  float at(int row, int column) const { return values[size_t(row) * width + column]; }
  void send();     // rounds `values` to the type and copies them to the device; padding becomes NaN
  void receive();  // copies back; fails if padding is no longer NaN
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  operator starling_tensor() const { return {data, stride, rows, width, dtype, 0}; }
  starling_tensor vector() const { return {data, 1, width, 1, dtype, 0}; }  // of the one row there is
  starling_weight weight() const { return {data, nullptr, nullptr, stride, STARLING_PLAIN, 0, rows, 0}; }
};

Tensor gaussian(int dtype, int rows, int width, double scale = 1, int padding = -1);
Tensor whole(int dtype, int rows, int width, int padding = -1);  // −3 … 3
Tensor filled(int dtype, int rows, int width, float value);      // NaN: what an output holds before

class Ints {
 public:
  explicit Ints(std::vector<int32_t> values);
  explicit Ints(int n, int32_t value = -7) : Ints(std::vector<int32_t>(n, value)) {}
  Ints(const Ints&) = delete;
  ~Ints();
  void send();
  void receive();
  operator starling_tensor() const { return {data, 1, int32_t(values.size()), 1, STARLING_I32, 0}; }
  std::vector<int32_t> values;
  int32_t* data = nullptr;
};

class Bytes {
 public:
  explicit Bytes(std::vector<uint8_t> values);
  Bytes(const Bytes&) = delete;
  ~Bytes();
  void receive();
  operator starling_tensor() const { return {data, 1, int32_t(values.size()), 1, STARLING_U8, 0}; }
  std::vector<uint8_t> values;
  uint8_t* data = nullptr;
};

// ---- verdicts; the first failure of a test is printed with `what` and ends it ----
struct Failure {
  std::string sentence;
};
void ok(int status);  // fails with starling_error()
void fail(const std::string& sentence);
void near(const std::string& what, double expected, double actual, double bound);
template <class A>
void equal(const std::string& what, const A& expected, const A& actual) {
  if (!(expected == actual)) fail(what + " differ");
}
void same_bits(const std::string& what, const Tensor& a, const Tensor& b);

// ---- tests ----
struct Test {
  const char* name;
  std::function<void()> body;
};
std::vector<Test>& tests();
struct Register {
  Register(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};
#define TEST(name)                                     \
  static void name();                                  \
  static check::Register register_##name(#name, name); \
  static void name()

extern bool small;  // for ThreadSanitizer: the smallest shapes that still have several tiles

std::vector<int> all_dtypes();

}  // namespace check
