// The sanitizers' own words. The layer is compiled without -fsanitize=thread: it tells ThreadSanitizer by hand which
// CUDA thread runs and what orders two of them, so that only the kernels' accesses are judged.
#pragma once
#include <cstddef>

#ifdef HOST_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define ASAN(x) x
#else
#define ASAN(x)
#endif

#ifdef HOST_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned);
void __tsan_destroy_fiber(void*);
void __tsan_switch_to_fiber(void*, unsigned);
void __tsan_acquire(void*);
void __tsan_release(void*);
void __tsan_read_range(void*, unsigned long);
void __tsan_write_range(void*, unsigned long);
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
#define TSAN(x) x
#else
#define TSAN(x)
#endif

namespace host {

// While one lives, the layer's own allocations do not count as accesses of the CUDA thread that happens to run.
struct Quiet {
#ifdef HOST_TSAN
  static inline __thread int depth = 0;
  static void begin() {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
    depth++;
  }
  static void end() {
    depth--;
    AnnotateIgnoreWritesEnd("", 0);
    AnnotateIgnoreReadsEnd("", 0);
  }
  // Before a thread is abandoned.
  static void end_all() {
    while (depth > 0) end();
  }
#else
  static void begin() {}
  static void end() {}
  static void end_all() {}
#endif
  Quiet() { begin(); }
  ~Quiet() { end(); }
};

// Never intercepted, unlike memset and memcpy.
inline void raw_fill(void* to, int byte, size_t n) { asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory"); }
inline void raw_copy(void* to, const void* from, size_t n) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
}

}  // namespace host
