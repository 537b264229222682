#include "fiber.h"

#include <sys/mman.h>

#include <new>

#include "sanitizer.h"

namespace host {

static constexpr size_t GUARD = 4096;
#if defined(HOST_ASAN) || defined(HOST_TSAN)  // their code needs more
static constexpr size_t STACK = 512 * 1024;
#else
static constexpr size_t STACK = 128 * 1024;
#endif

// Saves the callee-saved registers on the old stack and takes them from the new one: 7 ns, where ucontext's two system
// calls take 250.
extern "C" void starling_host_switch(void** save, void* to);
#if defined(__x86_64__)
asm(R"(
.text
.globl starling_host_switch
.hidden starling_host_switch
.type starling_host_switch,@function
starling_host_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp,(%rdi)
  mov %rsi,%rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size starling_host_switch,.-starling_host_switch
)");
#else
#error "the host layer switches stacks on x86-64 only"
#endif

void reset_fiber(Fiber* f, void (*entry)()) {
  ASAN(__asan_unpoison_memory_region(f->stack, f->size);)  // the red zones of frames that were abandoned
  void** sp = reinterpret_cast<void**>(f->stack + f->size);
  *--sp = nullptr;  // keeps the entry's stack pointer at 8 modulo 16, as after a call
  *--sp = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  f->stack_pointer = sp;
  f->runs = nullptr;
}

Fiber* new_fiber(void (*entry)()) {
  void* memory = mmap(nullptr, STACK + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, GUARD, PROT_NONE);
  auto* f = new Fiber;
  f->stack = static_cast<char*>(memory) + GUARD;
  f->size = STACK;
  reset_fiber(f, entry);
  return f;
}

void delete_fiber(Fiber* f) {
  munmap(f->stack - GUARD, f->size + GUARD);
  delete f;
}

void switch_fiber(Fiber* from, Fiber* to, void* tsan, bool dies) {
  (void)tsan;
  (void)dies;
  ASAN(__sanitizer_start_switch_fiber(dies ? nullptr : &from->asan, to->stack, to->size);)
  TSAN(__tsan_switch_to_fiber(tsan, 1);)
  starling_host_switch(&from->stack_pointer, to->stack_pointer);
  ASAN(__sanitizer_finish_switch_fiber(from->asan, nullptr, nullptr);)
}

void entered_fiber(Fiber* came_from) {
  (void)came_from;
#ifdef HOST_ASAN
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (came_from && !came_from->stack) {
    came_from->stack = static_cast<char*>(const_cast<void*>(bottom));
    came_from->size = size;
  }
#endif
}

}  // namespace host
