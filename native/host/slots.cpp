#include "slots.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "engine.h"
#include "sanitizer.h"

namespace host {

namespace {

struct Allocation {
  size_t bytes;
  bool pool;                          // a part was ever claimed; what is in no slot is poisoned
  std::map<uintptr_t, size_t> slots;  // their bytes
};

std::shared_mutex lock;
std::map<uintptr_t, Allocation> allocations;
std::atomic<uint64_t> changes{1};  // of the two

// What an OS thread found to lie in one slot: all threads of a block ask for the same keys and values.
struct Found {
  uintptr_t first;
  size_t bytes;
  uint64_t changes;
};
thread_local Found found[2];
thread_local int oldest = 0;

uintptr_t number(const void* p) { return reinterpret_cast<uintptr_t>(p); }

void poison(uintptr_t p, size_t bytes) { ASAN(__asan_poison_memory_region(reinterpret_cast<void*>(p), bytes);) }
void unpoison(uintptr_t p, size_t bytes) { ASAN(__asan_unpoison_memory_region(reinterpret_cast<void*>(p), bytes);) }

// The entry of a map that begins at or before p.
template <class Map>
typename Map::iterator before(Map& map, uintptr_t p) {
  auto next = map.upper_bound(p);
  return next == map.begin() ? map.end() : std::prev(next);
}

Allocation* holder(uintptr_t p) {
  auto it = before(allocations, p);
  return it == allocations.end() || p >= it->first + it->second.bytes ? nullptr : &it->second;
}

}  // namespace

void allocated(void* memory, size_t bytes) {
  std::unique_lock guard(lock);
  changes++;
  allocations[number(memory)] = {bytes, false, {}};
}

void freed(void* memory) {
  std::unique_lock guard(lock);
  auto it = allocations.find(number(memory));
  if (it == allocations.end()) return;
  changes++;
  if (it->second.pool) unpoison(it->first, it->second.bytes);
  allocations.erase(it);
}

const char* claim_slot(void* memory, size_t bytes) {
  std::unique_lock guard(lock);
  uintptr_t p = number(memory);
  auto it = before(allocations, p);
  if (it == allocations.end() || p + bytes > it->first + it->second.bytes) {
    return "slot_claim: the slot does not lie in one allocation";
  }
  Allocation& a = it->second;
  auto next = a.slots.lower_bound(p), previous = before(a.slots, p);
  if ((next != a.slots.end() && next->first < p + bytes) ||
      (previous != a.slots.end() && previous->first + previous->second > p)) {
    return "slot_claim: the slot overlaps another";
  }
  changes++;
  if (!a.pool) poison(it->first, a.bytes);
  a.pool = true;
  a.slots[p] = bytes;
  unpoison(p, bytes);
  std::memset(memory, 0xff, bytes);  // NaN: who reads what nobody wrote is seen
  return nullptr;
}

const char* release_slot(void* memory) {
  std::unique_lock guard(lock);
  uintptr_t p = number(memory);
  Allocation* a = holder(p);
  if (!a || !a->slots.count(p)) return "slot_release: no slot begins here";
  changes++;
  poison(p, a->slots[p]);
  a->slots.erase(p);
  return nullptr;
}

void check_slot(const void* first, size_t bytes, const char* what, Site at) {
  Quiet quiet;
  uintptr_t p = number(first);
  for (const Found& f : found) {
    if (f.first == p && f.bytes == bytes && f.changes == changes.load()) return;
  }
  bool inside = true;
  {
    std::shared_lock guard(lock);
    Allocation* a = holder(p);
    if (a && a->pool) {
      auto slot = before(a->slots, p);
      inside = slot != a->slots.end() && p + bytes <= slot->first + slot->second;
    }
  }
  if (inside) found[oldest ^= 1] = {p, bytes, changes.load()};
  if (!inside) fail(at, "the %s of a segment do not lie in one slot of their pool", what);
}

}  // namespace host
