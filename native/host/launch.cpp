// Grids: blocks are dealt to the layer's own threads. A thread that the JVM knows never has its stack switched.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "block.h"
#include "layer.h"
#include "sanitizer.h"

namespace host {
namespace {

struct Settings {
  int threads = std::max(1u, std::thread::hardware_concurrency());
  uint64_t seed = 0;
  bool recording = false;
  size_t shared_limit = SMALLEST_SHARED;
};

// Threads that run one job together and then wait for the next.
class Workers {
 public:
  ~Workers() { resize(0); }

  void run(int threads, const std::function<void(Block&)>& job) {
    if (threads != int(team_.size())) resize(threads);
    std::unique_lock lock(mutex_);
    job_ = &job;
    running_ = int(team_.size());
    turn_++;
    wake_.notify_all();
    done_.wait(lock, [&] { return running_ == 0; });
  }

 private:
  void resize(int threads) {
    {
      std::lock_guard lock(mutex_);
      job_ = nullptr;
      turn_++;
      wake_.notify_all();
    }
    for (std::thread& t : team_) t.join();
    team_.clear();
    for (int i = 0; i < threads; i++) team_.emplace_back([this, seen = turn_] { loop(seen); });
  }

  void loop(uint64_t seen) {
    Block own;
    for (;;) {
      const std::function<void(Block&)>* job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return turn_ != seen; });
        seen = turn_;
        job = job_;
      }
      if (!job) return;
      (*job)(own);
      std::lock_guard lock(mutex_);
      if (--running_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> team_;
  const std::function<void(Block&)>* job_ = nullptr;
  uint64_t turn_ = 0;
  int running_ = 0;
};

std::mutex one_launch;  // kernels of all streams run one after another
Settings settings;
Counters total;
std::vector<Launched> records;

Workers& workers() {
  static auto* team = new Workers;  // never destroyed: a JVM that exits does not wait for it
  return *team;
}

std::vector<uint64_t> block_order(uint64_t blocks, uint64_t seed) {
  std::vector<uint64_t> order(blocks);
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  for (uint64_t i = blocks - 1; seed && i > 0; i--) std::swap(order[i], order[random.next() % (i + 1)]);
  return order;
}

void add_work() {
#ifndef HOST_TSAN
  total.read += work.read;
  total.written += work.written;
  total.flops += work.flops;
  total.barriers += work.barriers;
  total.collectives += work.collectives;
  total.switches += work.switches;
  work = Work{};
#endif
}

}  // namespace

// "const char* host::kernel_name() [with auto Kernel = rmsnorm_kernel<bf16>]" → "rmsnorm_kernel<bf16>"
std::string short_name(const char* pretty) {
  std::string name = pretty;
  size_t from = name.find("Kernel = ");
  if (from == std::string::npos) return name;
  name = name.substr(from + 9, name.rfind(']') - from - 9);
  return name[0] == '&' ? name.substr(1) : name;
}

namespace {

void check_shape(const char* kernel, dim3 grid, dim3 block, size_t shared) {
  uint64_t threads = uint64_t(block.x) * block.y * block.z;
  bool fits = threads >= 1 && threads <= 1024 && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x < 1u << 31 &&
              grid.y < 65536 && grid.z < 65536 && shared <= settings.shared_limit;
  if (!fits) {
    throw std::runtime_error(short_name(kernel) + ": a grid of (" + std::to_string(grid.x) + "," + std::to_string(grid.y) +
                             "," + std::to_string(grid.z) + ") blocks of " + std::to_string(threads) + " threads with " +
                             std::to_string(shared) + " bytes of shared memory is beyond what a GPU takes");
  }
}

}  // namespace

void launch(const char* kernel, dim3 grid, dim3 block, size_t shared, Body body, const void* packed,
            const Argument* arguments, int count) {
  std::lock_guard lock(one_launch);
  check_shape(kernel, grid, block, shared);
  if (settings.recording) {
    Launched record{short_name(kernel), grid, block, shared, {}};
    for (int i = 0; i < count; i++) record.arguments.append(static_cast<const char*>(arguments[i].bytes), arguments[i].size);
    records.push_back(record);
  }
  std::atomic<bool> failed{false};
  Grid g{kernel, grid, block, shared, settings.shared_limit, body, packed, settings.seed, &failed};
  uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  std::vector<uint64_t> order = block_order(blocks, settings.seed);
  std::atomic<uint64_t> next{0};
  std::mutex ends;
  std::string failure;
  workers().run(settings.threads, [&](Block& b) {
    for (uint64_t i; (i = next.fetch_add(1)) < blocks;) {
      uint64_t k = order[i];
      dim3 index(k % grid.x, k / grid.x % grid.y, k / (uint64_t(grid.x) * grid.y));
      std::string sentence = b.run(g, index, settings.seed * 1000003 + k + 1);
      if (!sentence.empty()) {
        std::lock_guard guard(ends);
        if (failure.empty()) failure = short_name(kernel) + ": " + sentence;
        next = blocks;
        failed = true;
      }
    }
    std::lock_guard guard(ends);
    TSAN(__tsan_acquire(&b.ends);)
    add_work();
  });
  total.launches++;
  total.blocks += blocks;
  if (!failure.empty()) throw std::runtime_error(failure);
}

void count_flops(uint64_t flops) {
  (void)flops;
#ifndef HOST_TSAN
  work.flops += flops;
#endif
}

void set_threads(int threads) {
  std::lock_guard lock(one_launch);
  settings.threads = threads;
}

void set_schedule(uint64_t seed) {
  std::lock_guard lock(one_launch);
  settings.seed = seed;
}

void set_shared_limit(size_t bytes) {
  std::lock_guard lock(one_launch);
  settings.shared_limit = bytes;
}

size_t shared_limit() {
  std::lock_guard lock(one_launch);
  return settings.shared_limit;
}

Counters counters() {
  std::lock_guard lock(one_launch);
  return total;
}

void reset_counters() {
  std::lock_guard lock(one_launch);
  total = Counters{};
}

void start_recording() {
  std::lock_guard lock(one_launch);
  settings.recording = true;
  records.clear();
}

std::vector<Launched> stop_recording() {
  std::lock_guard lock(one_launch);
  settings.recording = false;
  return std::move(records);
}

}  // namespace host
