// Elements of f32, f16 and bf16 memory, for the libraries that are played here.
#pragma once
#include <cstdint>
#include <cstring>

enum class Stored { F32, F16, BF16 };

inline float read(const void* p, Stored type, int64_t i) {
  if (type == Stored::F32) return static_cast<const float*>(p)[i];
  uint16_t bits = static_cast<const uint16_t*>(p)[i];
  if (type == Stored::BF16) {
    uint32_t wide = uint32_t(bits) << 16;
    float f;
    memcpy(&f, &wide, 4);
    return f;
  }
  _Float16 h;
  memcpy(&h, &bits, 2);
  return float(h);
}
inline void write(void* p, Stored type, int64_t i, float value) {
  if (type == Stored::F32) {
    static_cast<float*>(p)[i] = value;
  } else if (type == Stored::BF16) {
    uint32_t u;
    memcpy(&u, &value, 4);
    static_cast<uint16_t*>(p)[i] = uint16_t((u + 0x7fffu + (u >> 16 & 1)) >> 16);
  } else {
    _Float16 h = _Float16(value);
    memcpy(static_cast<uint16_t*>(p) + i, &h, 2);
  }
}
