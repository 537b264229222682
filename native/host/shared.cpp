// Shared memory and asynchronous copies into it.
#include <cstdlib>
#include <new>

#include "block.h"
#include "sanitizer.h"

namespace host {

static void* allocate(size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, 1024, bytes)) throw std::bad_alloc();
  return p;
}

// Nothing may be read before it is written: 0xff bytes are NaN in every float type and a wild index as an integer.
static void poison(SharedPiece& piece, uint64_t block) {
  if (piece.block != block) {
    raw_fill(piece.memory, 0xff, piece.bytes);
    piece.block = block;
  }
}

void* dynamic_shared(size_t bytes, Site at) {
  Quiet quiet;
  Block& b = *block;
  unsigned i = current->carved++;
  if (i < b.dynamic_pieces.size() && b.dynamic_pieces[i].block == b.number) {
    if (b.dynamic_pieces[i].bytes != bytes) fail(at, "threads of one block carve shared memory differently");
    return b.dynamic_pieces[i].memory;
  }
  if (i == 0) b.dynamic_bytes = 0;
  b.dynamic_bytes += (bytes + 127) / 128 * 128;
  if (b.dynamic_bytes > b.grid->shared) {
    fail(at, "the kernel takes %zu bytes of dynamic shared memory, the launch gave %zu", b.dynamic_bytes, b.grid->shared);
  }
  if (i < b.dynamic_pieces.size() && b.dynamic_pieces[i].bytes != bytes) {
    free(b.dynamic_pieces[i].memory);
    b.dynamic_pieces[i] = {allocate(bytes), bytes, nullptr, 0};
  } else if (i == b.dynamic_pieces.size()) {
    b.dynamic_pieces.push_back({allocate(bytes), bytes, nullptr, 0});
  }
  poison(b.dynamic_pieces[i], b.number);
  return b.dynamic_pieces[i].memory;
}

// Fails where the pieces that the block has seen by now are more than it may have.
static void check_limit(const Block& b, Site at) {
  size_t bytes = b.grid->shared;
  for (const SharedPiece& p : b.static_pieces) bytes += p.block == b.number ? p.bytes : 0;
  if (bytes > b.grid->shared_limit) {
    fail(at, "a block needs %zu bytes of shared memory; this device has %zu", bytes, b.grid->shared_limit);
  }
}

void* static_shared(const void* tag, size_t bytes, Site at) {
  Quiet quiet;
  Block& b = *block;
  for (SharedPiece& p : b.static_pieces) {
    if (p.tag != tag) continue;
    if (p.block != b.number) {
      poison(p, b.number);
      check_limit(b, at);
    }
    return p.memory;
  }
  b.static_pieces.push_back({allocate(bytes), bytes, tag, 0});
  void* memory = b.static_pieces.back().memory;
  poison(b.static_pieces.back(), b.number);
  check_limit(b, at);
  return memory;
}

void release_shared(Block& b) {
  for (SharedPiece& p : b.dynamic_pieces) free(p.memory);
  for (SharedPiece& p : b.static_pieces) free(p.memory);
  b.dynamic_pieces.clear();
  b.static_pieces.clear();
}

// ---- cp.async ----

static void land(const AsyncCopy& c) {
  TSAN(__tsan_read_range(const_cast<void*>(c.from), c.valid); __tsan_write_range(c.to, c.bytes);)
#if defined(HOST_TSAN)
  raw_fill(c.to, 0, c.bytes);
  raw_copy(c.to, c.from, c.valid);
#else
  if (c.valid == 16) {
    std::memcpy(c.to, c.from, 16);
  } else {
    std::memset(c.to, 0, c.bytes);
    std::memcpy(c.to, c.from, c.valid);
  }
#endif
}

void copy_async(void* to, const void* from, unsigned bytes, unsigned valid, Site at) {
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % bytes) {
    fail(at, "cp.async: an address is not a multiple of %u", bytes);
  }
  if (valid > bytes) fail(at, "cp.async: %u valid bytes of %u", valid, bytes);
  count_read(valid);
  TSAN(__tsan_write_range(to, bytes); raw_fill(to, 0xff, bytes);)
#ifndef HOST_TSAN
  std::memset(to, 0xff, bytes);
#endif
  {
    Quiet quiet;
    AsyncCopies& copies = block->copies[current->number];
    copies.pending.push_back({to, from, bytes, valid, copies.committed});
  }
  maybe_preempt();
}

void copy_commit() { block->copies[current->number].committed++; }

void copy_wait(int groups_left) {
  AsyncCopies& copies = block->copies[current->number];
  while (copies.done < copies.pending.size() && int(copies.committed - copies.pending[copies.done].group) > groups_left) {
    land(copies.pending[copies.done++]);
  }
  if (copies.done == copies.pending.size()) {
    copies.pending.clear();
    copies.done = 0;
  }
}

}  // namespace host
