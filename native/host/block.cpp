#include "block.h"

#include <cstdarg>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "sanitizer.h"

namespace host {

__thread Thread* current;
__thread Block* block;
#ifndef HOST_TSAN
__thread Work work;
#endif
static __thread Fiber* fiber;  // the one that runs

// ---- who runs next ----

static Thread* take(Block& b, int warp, int lane) {
  b.warp[warp].ready &= ~(1u << lane);
  b.current_warp = warp;
  return &b.thread[warp * 32 + lane];
}

static Thread* take_kth(Block& b, int warp, uint32_t k) {
  uint32_t ready = b.warp[warp].ready;
  while (k--) ready &= ready - 1;
  return take(b, warp, __builtin_ctz(ready));
}

// Lanes of one warp in a ring, then the next warp: few switches, always the same order.
static Thread* next_fixed(Block& b) {
  for (int i = 0; i < b.warps; i++) {
    int w = (b.current_warp + i) % b.warps;
    uint32_t ready = b.warp[w].ready;
    if (!ready) continue;
    uint32_t lane = i == 0 && current ? current->lane : 31;
    uint32_t above = lane == 31 ? 0 : ready & ~((2u << lane) - 1);
    return take(b, w, __builtin_ctz(above ? above : ready));
  }
  return nullptr;
}

// Policies: any ready thread; warps by a random priority that changes now and then, so that one runs far ahead; the
// last ready thread always.
static Thread* next_random(Block& b) {
  uint32_t total = 0;
  for (Warp& w : b.warp) total += __builtin_popcount(w.ready);
  if (!total) return nullptr;
  if (b.policy == 1) {
    if (b.random.next() % 64 == 0) b.priority[b.random.next() % b.warps] = b.random.next();
    int best = -1;
    for (int w = 0; w < b.warps; w++) {
      if (b.warp[w].ready && (best < 0 || b.priority[w] > b.priority[best])) best = w;
    }
    return take_kth(b, best, b.random.next() % __builtin_popcount(b.warp[best].ready));
  }
  uint32_t k = b.policy == 2 ? total - 1 : b.random.next() % total;
  for (int w = 0; w < b.warps; w++) {
    uint32_t n = __builtin_popcount(b.warp[w].ready);
    if (k < n) return take_kth(b, w, k);
    k -= n;
  }
  return nullptr;
}

static Thread* next(Block& b) { return b.grid->seed ? next_random(b) : next_fixed(b); }

// ---- fibers of a block ----

static void enter();

static Fiber* fiber_for(Block& b, Thread* t) {
  Quiet quiet;
#ifdef HOST_TSAN
  // A CUDA thread is a fiber of ThreadSanitizer with a stack of its own. Both are used again in later blocks, which are
  // not ordered with this one, but by a thread of another number: what two blocks do to one address still looks like two
  // threads, except for one pair of numbers that changes from block to block.
  while (b.fibers.size() < size_t(b.threads) + 31) {
    b.fibers.push_back(new_fiber(enter));
    b.fibers.back()->tsan = __tsan_create_fiber(0);
  }
  Fiber* own = b.fibers[(t->number + 37 * b.number) % b.fibers.size()];
  own->runs = t;
  t->fiber = own;
  t->tsan = own->tsan;
  return own;
#endif
  if (b.idle.empty()) {
    b.idle.push_back(new_fiber(enter));
    b.fibers.push_back(b.idle.back());
  }
  Fiber* f = b.idle.back();
  b.idle.pop_back();
  f->runs = t;
  t->fiber = f;
  return f;
}

static void go(Block& b, Fiber* to, Thread* t, bool dies) {
#ifndef HOST_TSAN
  work.switches++;
#endif
  Fiber* from = fiber;
  fiber = to;
  switch_fiber(from, to, b.tsan_of(t), dies);
}

// The current thread cannot go on: run another one until somebody makes it ready.
static void deadlock(Block& b);
static void suspend(Block& b) {
  Thread* me = current;
  TSAN(__tsan_release(&b.ends);)  // should the launch fail, this is the last that is heard of the thread
  Thread* t = next(b);
  if (!t) deadlock(b);
  if (t == me) return;
  go(b, t->fiber ? t->fiber : fiber_for(b, t), t, false);
  current = me;
}

static void yield(Block& b) {
  b.warp[current->warp].ready |= 1u << current->lane;
  suspend(b);
}

void maybe_preempt() {
  Block& b = *block;
  if (b.grid->seed && b.random.next() % 8 == 0) yield(b);
}

void wait_for_others(Site at) {
  if (*block->grid->failed) fail(at, "what is waited for will not come: another block has failed");
  std::this_thread::yield();
}

static void finish(Block& b, Thread* t) {
  AsyncCopies& copies = b.copies[t->number];
  if (copies.done < copies.pending.size()) fail(t->waits_at, "a thread returned with a cp.async it never waited for");
  b.warp[t->warp].returned |= 1u << t->lane;
  b.alive--;
  TSAN(__tsan_release(&b.ends);)
  if (b.waiting && b.waiting == b.alive) fail(b.barrier_at, "__syncthreads is not reached by all threads of the block");
}

// A fiber runs one CUDA thread after another; it changes only when one blocks. Kernels without barriers never switch.
static void enter() {
  entered_fiber(&block->worker);
  for (;;) {
    Block& b = *block;
    Fiber* me = fiber;
    Thread* t = me->runs;
    current = t;
    TSAN(__tsan_acquire(&b.starts);)
    b.grid->body(b.grid->packed);
    finish(b, t);
    me->runs = nullptr;
    t->fiber = nullptr;
    Thread* n = next(b);
    if (!n && b.alive) deadlock(b);
#ifdef HOST_TSAN
    go(b, n ? (n->fiber ? n->fiber : fiber_for(b, n)) : &b.worker, n, false);
#else
    if (n && !n->fiber) {
      n->fiber = me;
      me->runs = n;
      continue;
    }
    b.idle.push_back(me);
    go(b, n ? n->fiber : &b.worker, n, false);
#endif
  }
}

// ---- errors ----

void fail(Site at, const char* format, ...) {
  char what[400], where[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  const char* file = at.file ? at.file : "?";
  for (const char* c = file; *c; c++) file = *c == '/' ? c + 1 : file;
  if (!current) throw std::runtime_error(what);
  Thread& t = *current;
  snprintf(where, sizeof where, "%s at %s:%d, block (%u,%u,%u) thread %u (warp %u lane %u)", what, file, at.line, t.block.x,
           t.block.y, t.block.z, t.number, t.warp, t.lane);
  Block& b = *block;
  Quiet::begin();
  b.failure = where;
  TSAN(__tsan_release(&b.ends);)
  Quiet::end_all();
  go(b, &b.worker, nullptr, true);  // every other thread of the block is abandoned where it stands
  __builtin_unreachable();
}

static void deadlock(Block& b) {
  for (Thread& t : b.thread) {
    if (int(t.number) < b.threads && !(b.warp[t.warp].returned >> t.lane & 1)) {
      Thread* first = &t;
      current = first;
      fail(first->waits_at, "deadlock: no thread can run; one waits in %s", first->waits_in ? first->waits_in : "?");
    }
  }
  fail(Site{nullptr, 0}, "deadlock");
}

// ---- a block ----

// After a failure: whatever the fibers were doing is abandoned.
static void forget_fibers(Block& b) {
  Quiet quiet;
#ifdef HOST_TSAN
  for (Fiber* f : b.fibers) {
    __tsan_destroy_fiber(f->tsan);
    delete_fiber(f);
  }
  b.fibers.clear();
#else
  for (Fiber* f : b.fibers) reset_fiber(f, enter);
  b.idle = b.fibers;
#endif
}

static void place_threads(Block& b, dim3 index) {
  dim3 dim = b.grid->block;
  for (int i = 0; i < b.warps * 32; i++) {
    Thread& t = b.thread[i];
    t = Thread{};
    t.index = dim3(i % dim.x, i / dim.x % dim.y, i / (dim.x * dim.y));
    t.block = index;
    t.block_dim = dim;
    t.grid_dim = b.grid->grid;
    t.number = i;
    t.lane = i % 32;
    t.warp = i / 32;
  }
  for (int w = 0; w < b.warps; w++) {
    int lanes = b.threads - w * 32;
    b.warp[w].ready = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    b.warp[w].returned = ~b.warp[w].ready;
    b.warp[w].at_barrier = 0;
    for (Collective& c : b.warp[w].collectives) c.arrived = 0;
  }
}

std::string Block::run(const Grid& g, dim3 index, uint64_t seed) {
  block = this;
  grid = &g;
  threads = int(g.block.x * g.block.y * g.block.z);
  warps = (threads + 31) / 32;
  alive = threads;
  waiting = 0;
  current_warp = 0;
  failure.clear();
  number++;
  random = Random(seed);
  policy = int(random.next() % 8);
  policy = policy < 4 ? 0 : policy < 7 ? 1 : 2;
  warp.resize(warps);
  thread.resize(warps * 32);
  copies.resize(warps * 32);
  for (AsyncCopies& c : copies) c = AsyncCopies{std::move(c.pending), 0, 0}, c.pending.clear();
  priority.resize(warps);
  for (uint32_t& p : priority) p = random.next();
#ifdef HOST_TSAN
  {
    Quiet quiet;
    release_shared(*this);  // fresh memory for every block: nothing of one may lend its order to the next
  }
  tsan_worker = __tsan_get_current_fiber();
#endif
  place_threads(*this, index);
  current = nullptr;
  TSAN(__tsan_release(&starts);)
  Thread* first = next(*this);
  fiber = &worker;
  go(*this, fiber_for(*this, first), first, false);
  current = nullptr;
  if (!failure.empty()) forget_fibers(*this);
  return failure;
}

Block::~Block() {
  for (Fiber* f : fibers) {
    TSAN(__tsan_destroy_fiber(f->tsan);)
    delete_fiber(f);
  }
  release_shared(*this);
}

// ---- what a thread waits for ----

void barrier(Site at) {
  Block& b = *block;
  Thread* me = current;
  me->waits_at = at;
  me->waits_in = "__syncthreads";
  if (b.waiting && (b.barrier_at.line != at.line || b.barrier_at.file != at.file)) {
    fail(at, "threads of one block wait in different __syncthreads, one of them at line %d", b.barrier_at.line);
  }
  if (b.alive != b.threads) fail(at, "__syncthreads after some threads of the block have returned");
  b.barrier_at = at;
  char* order = &b.order[b.barrier_phase % 2];
  (void)order;
  TSAN(__tsan_release(order);)
  if (++b.waiting == b.alive) {
    b.waiting = 0;
    b.barrier_phase++;
#ifndef HOST_TSAN
    work.barriers++;
#endif
    for (Warp& w : b.warp) {
      w.ready |= w.at_barrier;
      w.at_barrier = 0;
    }
    if (b.grid->seed) yield(b);
  } else {
    b.warp[me->warp].at_barrier |= 1u << me->lane;
    suspend(b);
  }
  TSAN(__tsan_acquire(order);)
}

void collective(uint32_t mask, WarpOp op, void* operands, const char* what, bool orders, Site at) {
  (void)orders;
  Block& b = *block;
  Thread* me = current;
  Warp& w = b.warp[me->warp];
  me->waits_at = at;
  me->waits_in = what;
  if (!(mask >> me->lane & 1)) fail(at, "%s: the calling lane is not in its own mask", what);
  if (mask & w.returned) fail(at, "%s names a lane that has returned or does not exist", what);
  Collective& c = w.collectives[__builtin_ctz(mask)];
  if (!c.arrived) {
    c.mask = mask;
    c.op = op;
    c.at = at;
  } else if (c.mask != mask || c.op != op || c.at.line != at.line || c.at.file != at.file) {
    fail(at, "lanes of one warp are in different collectives, one of them at line %d", c.at.line);
  }
  TSAN(if (orders) __tsan_release(&c.order);)
  c.operands[me->lane] = operands;
  c.arrived |= 1u << me->lane;
  if (c.arrived == mask) {
#ifndef HOST_TSAN
    work.collectives++;
#endif
    {
      Quiet quiet;
      op(mask, c.operands, at);
    }
    c.arrived = 0;
    w.ready |= mask & ~(1u << me->lane);
    if (b.grid->seed) yield(b);
  } else {
    suspend(b);
  }
  TSAN(if (orders) __tsan_acquire(&c.order);)
}

}  // namespace host
