// Which parts of an allocation are somebody's. Kernels ask check_slot (engine.h).
#pragma once
#include <cstddef>

namespace host {

void allocated(void* memory, size_t bytes);
void freed(void* memory);
// A part of an allocation becomes a slot, and is given back. A sentence where that cannot be, else null.
const char* claim_slot(void* memory, size_t bytes);
const char* release_slot(void* memory);

}  // namespace host
