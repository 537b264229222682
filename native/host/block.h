// One block in execution: its threads, who can run, what is shared.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "fiber.h"

namespace host {

// A warp collective that is gathering its lanes.
struct Collective {
  uint32_t mask = 0, arrived = 0;
  WarpOp op = nullptr;
  Site at{};
  void* operands[32];
  char order;  // address of a happens-before edge
};

// Bit i of a mask is lane i.
struct Warp {
  uint32_t ready = 0, returned = 0, at_barrier = 0;
  Collective collectives[32];  // by lowest lane of the mask
};

struct AsyncCopy {
  void* to;
  const void* from;
  unsigned bytes, valid;
  unsigned group;
};
struct AsyncCopies {
  std::vector<AsyncCopy> pending;
  size_t done = 0;         // pending[0 … done) have landed
  unsigned committed = 0;  // groups
};

struct SharedPiece {
  void* memory;
  size_t bytes;
  const void* tag;  // null: dynamic
  uint64_t block;   // the block that filled it with NaN last
};

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ull + 0x1234567ull) {
    for (int i = 0; i < 8; i++) next();
  }
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return uint32_t(state >> 32);
  }
};

struct Grid {
  const char* kernel;
  dim3 grid, block;
  size_t shared, shared_limit;  // dynamic bytes; the most with those of SHARED
  Body body;
  const void* packed;
  uint64_t seed;  // 0: fixed order
  const std::atomic<bool>* failed;
};

// What an OS thread keeps from block to block.
struct Block {
  ~Block();
  // Runs one block; returns the sentence of its failure, or an empty string.
  std::string run(const Grid& grid, dim3 index, uint64_t number);
  void* tsan_of(const Thread* t) const { return t ? t->tsan : tsan_worker; }

  const Grid* grid = nullptr;
  int threads = 0, warps = 0, alive = 0;
  uint64_t number = 0;  // of blocks this OS thread has run
  std::vector<Thread> thread;
  std::vector<Warp> warp;
  std::vector<AsyncCopies> copies;
  std::vector<SharedPiece> dynamic_pieces, static_pieces;
  size_t dynamic_bytes = 0;
  std::string failure;

  int waiting = 0;  // threads at the barrier
  Site barrier_at{};
  unsigned barrier_phase = 0;
  char order[2];  // happens-before edges of even and odd barriers
  char starts, ends;

  Random random{1};
  int policy = 0;  // of a random schedule
  std::vector<uint32_t> priority;
  int current_warp = 0;

  struct Room {
    virtual ~Room() = default;
  };
  std::unique_ptr<Room> scratch;  // of tile_op

  Fiber worker;  // the OS thread's own stack
  std::vector<Fiber*> fibers, idle;
  void* tsan_worker = nullptr;
};

extern __thread Block* block;  // the one this OS thread runs

void release_shared(Block&);  // frees all pieces

}  // namespace host
