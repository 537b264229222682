// Stacks and the switch between them.
#pragma once
#include <cstddef>

namespace host {

struct Thread;

struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;  // lowest usable byte; a guard page lies below
  size_t size = 0;
  Thread* runs = nullptr;
  void* asan = nullptr;
  void* tsan = nullptr;
};

Fiber* new_fiber(void (*entry)());
void reset_fiber(Fiber*, void (*entry)());  // forget what it was doing
void delete_fiber(Fiber*);
// Leaves `from` (for good if `dies`) and continues `to`. `tsan` is the ThreadSanitizer fiber of `to`.
void switch_fiber(Fiber* from, Fiber* to, void* tsan, bool dies);
void entered_fiber(Fiber* came_from);  // first thing in a new fiber

}  // namespace host
