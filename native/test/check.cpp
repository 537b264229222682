#include "check.h"

#include <cstdio>
#include <cstring>

namespace check {

starling_stream* stream;
std::mt19937_64 rng(11);
bool small = false;

double eps_of(int dtype) { return dtype == STARLING_F32 ? EPS : dtype == STARLING_BF16 ? 0x1p-8 : 0x1p-11; }
const char* name_of(int dtype) { return dtype == STARLING_F32 ? "f32" : dtype == STARLING_BF16 ? "bf16" : "f16"; }
std::vector<int> all_dtypes() { return {STARLING_F32, STARLING_BF16, STARLING_F16}; }

void fail(const std::string& sentence) { throw Failure{sentence}; }
void ok(int status) {
  if (status != STARLING_OK) fail(starling_error());
}
void near(const std::string& what, double expected, double actual, double bound) {
  if (expected == actual) return;  // infinities
  if (!(std::fabs(expected - actual) <= bound)) {
    char line[300];
    snprintf(line, sizeof line, "%s is %.9g, not %.9g ± %.3g", what.c_str(), actual, expected, bound);
    fail(line);
  }
}

static uint16_t to_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if (std::isnan(x)) return 0x7fc0;
  return uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static float from_bf16(uint16_t x) {
  uint32_t u = uint32_t(x) << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

static size_t bytes_of(int dtype) { return dtype == STARLING_F32 ? 4 : 2; }
static void encode(int dtype, float value, unsigned char* to) {
  if (dtype == STARLING_F32) {
    memcpy(to, &value, 4);
  } else if (dtype == STARLING_BF16) {
    uint16_t b = to_bf16(value);
    memcpy(to, &b, 2);
  } else {
    _Float16 h = _Float16(value);
    memcpy(to, &h, 2);
  }
}
static float decode(int dtype, const unsigned char* from) {
  if (dtype == STARLING_F32) {
    float f;
    memcpy(&f, from, 4);
    return f;
  }
  if (dtype == STARLING_BF16) {
    uint16_t b;
    memcpy(&b, from, 2);
    return from_bf16(b);
  }
  _Float16 h;
  memcpy(&h, from, 2);
  return float(h);
}

static size_t device_bytes(const Tensor& t) {  // the last row ends where its elements end, up to 16 bytes
  if (t.rows == 0) return 0;
  size_t b = (size_t(t.rows - 1) * t.stride + t.width) * bytes_of(t.dtype);
  return b;
}

Tensor::Tensor(int dtype, int rows, int width, int padding) : dtype(dtype), rows(rows), width(width) {
  stride = padding >= 0 ? width + padding : (width + 7) / 8 * 8 + 8;
  values.assign(size_t(rows) * width, NAN);
  ok(starling_allocate(&data, int64_t(device_bytes(*this)), stream));
}
Tensor::Tensor(Tensor&& o) noexcept
    : dtype(o.dtype), rows(o.rows), width(o.width), stride(o.stride), values(std::move(o.values)), data(o.data) {
  o.data = nullptr;
}
Tensor::~Tensor() { starling_free(data, stream); }

void Tensor::send() {
  size_t e = bytes_of(dtype);
  std::vector<unsigned char> raw(device_bytes(*this));
  for (size_t i = 0; i < raw.size() / e; i++) {
    size_t row = i / stride, column = i % stride;
    bool inside = column < size_t(width);
    encode(dtype, inside ? at(int(row), int(column)) : NAN, &raw[i * e]);
    if (inside) at(int(row), int(column)) = decode(dtype, &raw[i * e]);
  }
  ok(starling_upload(data, int64_t(raw.size()), raw.data(), int64_t(raw.size()), int64_t(raw.size()), 1, stream));
}

void Tensor::receive() {
  size_t e = bytes_of(dtype);
  std::vector<unsigned char> raw(device_bytes(*this));
  ok(starling_download(raw.data(), int64_t(raw.size()), data, int64_t(raw.size()), int64_t(raw.size()), 1, stream));
  for (size_t i = 0; i < raw.size() / e; i++) {
    size_t row = i / stride, column = i % stride;
    float value = decode(dtype, &raw[i * e]);
    if (column < size_t(width)) at(int(row), int(column)) = value;
    else if (!std::isnan(value)) fail("something was written between rows");
  }
}

Tensor gaussian(int dtype, int rows, int width, double scale, int padding) {
  Tensor t(dtype, rows, width, padding);
  std::normal_distribution<double> normal(0, scale);
  for (float& v : t.values) v = float(normal(rng));
  t.send();
  return t;
}
Tensor whole(int dtype, int rows, int width, int padding) {
  Tensor t(dtype, rows, width, padding);
  for (float& v : t.values) v = float(int(rng() % 7) - 3);
  t.send();
  return t;
}
Tensor filled(int dtype, int rows, int width, float value) {
  Tensor t(dtype, rows, width);
  for (float& v : t.values) v = value;
  t.send();
  return t;
}

Ints::Ints(std::vector<int32_t> v) : values(std::move(v)) {
  void* p = nullptr;
  ok(starling_allocate(&p, int64_t(values.size() * 4), stream));
  data = static_cast<int32_t*>(p);
  send();
}
Ints::~Ints() { starling_free(data, stream); }
void Ints::send() {
  int64_t n = int64_t(values.size() * 4);
  ok(starling_upload(data, n, values.data(), n, n, 1, stream));
}
void Ints::receive() {
  int64_t n = int64_t(values.size() * 4);
  ok(starling_download(values.data(), n, data, n, n, 1, stream));
}

Bytes::Bytes(std::vector<uint8_t> v) : values(std::move(v)) {
  void* p = nullptr;
  int64_t n = int64_t(values.size());
  ok(starling_allocate(&p, n, stream));
  data = static_cast<uint8_t*>(p);
  ok(starling_upload(data, n, values.data(), n, n, 1, stream));
}
Bytes::~Bytes() { starling_free(data, stream); }
void Bytes::receive() {
  int64_t n = int64_t(values.size());
  ok(starling_download(values.data(), n, data, n, n, 1, stream));
}

void same_bits(const std::string& what, const Tensor& a, const Tensor& b) {
  if (a.values.size() != b.values.size() || memcmp(a.values.data(), b.values.data(), a.values.size() * 4) != 0) {
    fail(what + ": not the same bits");
  }
}

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

}  // namespace check
