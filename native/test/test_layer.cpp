// The host layer itself: what it must notice in wrong kernels, and what it must not disturb.
#if defined(STARLING_LAYER)
#include <cstring>
#include <string>

#include "attention_case.h"
#include "gpu/launch.h"
#include "gpu/prims.h"
#include "layer.h"
#include "starling_bench.h"

using namespace check;

namespace {

// Launches and returns the sentence of the failure, or an empty string.
template <auto Kernel, class... A>
std::string launched(dim3 grid, dim3 block, size_t shared, A... arguments) {
  try {
    gpu::launch<Kernel>(grid, block, shared, stream, arguments...);
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}
void says(const std::string& sentence, const std::string& part, const std::string& or_part = "\n") {
  if (sentence.find(part) == std::string::npos && sentence.find(or_part) == std::string::npos) {
    fail("'" + sentence + "' does not say '" + part + "'");
  }
}

KERNEL(64) takes_a_ticket_and_fails(unsigned* tickets) {
  if (threadIdx.x == 0) tickets[0]++;
  if (threadIdx.x < 16) __syncthreads();
}
KERNEL(64) barrier_in_a_branch() {
  if (threadIdx.x < 16) __syncthreads();
}
KERNEL(64) two_barriers() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
KERNEL(64) returns_before_a_barrier() {
  if (threadIdx.x == 3) return;
  __syncthreads();
}
KERNEL(32) shuffle_in_a_branch(int* out) {
  int v = int(threadIdx.x);
  if (threadIdx.x < 16) v = __shfl_sync(ALL_LANES, v, 0);
  out[threadIdx.x] = v;
}
KERNEL(32) shuffle_outside_its_mask(int* out) {
  int v = int(threadIdx.x);
  if (threadIdx.x < 16) v = __shfl_sync(0xffffu, v, lane_id() + 1);
  out[threadIdx.x] = v;
}
KERNEL(32) lane_not_in_its_mask(int* out) { out[threadIdx.x] = __shfl_sync(0xffffu, 1, 0); }
KERNEL(32) different_collectives(int* out) {
  int v = 0;
  if (threadIdx.x < 16) {
    v = __shfl_sync(ALL_LANES, v, 0);
  } else {
    v = __ballot_sync(ALL_LANES, 1);
  }
  out[threadIdx.x] = v;
}
KERNEL(32) takes_too_much() {
  Smem smem;
  smem.take<float>(64);
}
KERNEL(32) carves_differently() {
  Smem smem;
  smem.take<float>(threadIdx.x == 7 ? 8 : 16);
}
KERNEL(32) never_waits(const float* from) {
  Smem smem;
  float* tile = smem.take<float>(128);
  copy_async(tile + threadIdx.x * 4, from + threadIdx.x * 4, 16);
  copy_commit();
}
KERNEL(32) reads_before_waiting(const float* from, float* out) {
  Smem smem;
  float* tile = smem.take<float>(128);
  copy_async(tile + threadIdx.x * 4, from + threadIdx.x * 4, 16);
  copy_commit();
  out[threadIdx.x] = tile[threadIdx.x * 4];
  copy_wait<0>();
}
KERNEL(32) copies_unaligned(const float* from) {
  Smem smem;
  float* tile = smem.take<float>(128);
  copy_async(tile, from + 1, 16);
  copy_commit();
  copy_wait<0>();
}
KERNEL(32) reads_shared_unwritten(float* out) {
  SHARED(float, nothing, 32);
  out[threadIdx.x] = nothing[threadIdx.x];
}
KERNEL(32) takes_shared_memory_twice(float* out) {
  SHARED(float, fixed, 12 * 1024);
  fixed[threadIdx.x] = 1;
  out[blockIdx.x * 32 + threadIdx.x] = fixed[threadIdx.x];
}
KERNEL(32) wild_index(const int* index, int* out) { out[threadIdx.x] = checked(index[0], 10, "an index"); }
KERNEL(32) half_a_warp_multiplies(float* out) {
  Fragment<bf16> a{};
  float c[2][4] = {};
  uint32_t b[2][2] = {};
  if (threadIdx.x < 16) mma<2, bf16>(c, a, b);
  out[threadIdx.x] = c[0][0];
}
// The same product mma by mma and as a whole tile.
template <class T, bool K_MAJOR>
KERNEL(32)
both_products(float* apart, float* whole, const T* a, const T* b) {
  constexpr int MT = 2, NT = 4, KS = 2;
  Fragment<T> fragments[MT][KS];
  float c[MT][NT][4], d[MT][NT][4];
  for (int mt = 0; mt < MT; mt++) {
    for (int ks = 0; ks < KS; ks++) load_fragment(fragments[mt][ks], a + mt * 16 * 32 + ks * 16, 32);
    for (int nt = 0; nt < NT; nt++) {
      for (int i = 0; i < 4; i++) c[mt][nt][i] = d[mt][nt][i] = 0.1f * float(i + lane_id());
    }
  }
  tile_mma<MT, NT, KS, K_MAJOR>(c, fragments, b, 32);
  host::Tile op{ELEMENT<T>, fragments, b, &d[0][0][0], 32, MT, NT, KS, K_MAJOR};
  host::collective(ALL_LANES, host::tile_op, &op, "tile_mma", false, host::Site::here());
  for (int i = 0; i < MT * NT * 4; i++) {
    apart[threadIdx.x * MT * NT * 4 + i] = (&c[0][0][0])[i];
    whole[threadIdx.x * MT * NT * 4 + i] = (&d[0][0][0])[i];
  }
}
KERNEL(64) every_third_thread(int* out) {
  int total = 0;
  for (int round = 0; round < 5; round++) {
    __syncthreads();
    total += __popc(__ballot_sync(ALL_LANES, threadIdx.x % 3 == 0));
    unsigned same = __match_any_sync(ALL_LANES, threadIdx.x / 4);
    if (__popc(same) != 4) total = -1000;
    total += __shfl_up_sync(ALL_LANES, 1, 1) + __shfl_down_sync(ALL_LANES, 1, 1) + __any_sync(ALL_LANES, 0);
    __syncwarp();
  }
  out[blockIdx.x * 64 + threadIdx.x] = total;
}

}  // namespace

TEST(the_layer_names_what_a_kernel_does_wrong) {
  Ints out(64), wild(std::vector<int32_t>{10});
  Tensor from = gaussian(STARLING_F32, 1, 129, 1, 0), floats = filled(STARLING_F32, 1, 64, 0);
  says(launched<barrier_in_a_branch>(dim3(1), dim3(64), 0), "__syncthreads");
  says(launched<two_barriers>(dim3(1), dim3(64), 0), "different __syncthreads");
  says(launched<returns_before_a_barrier>(dim3(1), dim3(64), 0), "__syncthreads");
  says(launched<shuffle_in_a_branch>(dim3(1), dim3(32), 0, out.data), "deadlock: no thread can run; one waits in shuffle",
       "shuffle names a lane that has returned");
  says(launched<shuffle_outside_its_mask>(dim3(1), dim3(32), 0, out.data), "reads lane 16, which is not in the mask");
  says(launched<lane_not_in_its_mask>(dim3(1), dim3(32), 0, out.data), "not in its own mask");
  says(launched<different_collectives>(dim3(1), dim3(32), 0, out.data), "different collectives");
  says(launched<takes_too_much>(dim3(1), dim3(32), 128), "256 bytes of dynamic shared memory, the launch gave 128");
  says(launched<carves_differently>(dim3(1), dim3(32), 128), "carve shared memory differently");
  says(launched<never_waits>(dim3(1), dim3(32), 512, from.as<float>()), "cp.async it never waited for");
  says(launched<copies_unaligned>(dim3(1), dim3(32), 512, from.as<float>()), "not a multiple of 16");
  says(launched<wild_index>(dim3(3), dim3(32), 0, wild.data, out.data),
       "an index is 10; it must be at least 0 and below 10 at test_layer.cpp:");
  says(launched<half_a_warp_multiplies>(dim3(1), dim3(32), 0, floats.as<float>()), "waits in mma",
       "mma names a lane that has returned");
  says(launched<every_third_thread>(dim3(1), dim3(2000), 0, out.data), "beyond what a GPU takes");
  says(launched<every_third_thread>(dim3(1), dim3(40), 0, out.data), "does not exist");
}

namespace {
// A card with this much shared memory in a block.
struct SharedMemory {
  explicit SharedMemory(size_t bytes) { host::set_shared_limit(bytes); }
  ~SharedMemory() { host::set_shared_limit(host::SMALLEST_SHARED); }
};
}  // namespace

TEST(more_shared_memory_than_a_block_has_is_refused) {
  Case c{70, 0, 1, 1, 128, false, false};
  Inputs in(c, STARLING_BF16);
  Tensor out = filled(STARLING_BF16, 70, 128, NAN);
  auto refused = [&](const char* why, int status) {
    equal("status", int(STARLING_INVALID_ARGUMENT), status);
    equal("sentence", std::string(why), std::string(starling_error()));
  };
  {
    SharedMemory card(48 * 1024);
    refused("attention: its kernel needs 69632 bytes of shared memory in a block; this device has 49152",
            CALL(attention, .out = out, .in = in.inputs()));
    Tensor sums = filled(STARLING_F32, 1, 16384, 1), score = filled(STARLING_F32, 1, 16384, NAN);
    Ints keep(3), fault(1, 0);
    auto select = [&](int n) {
      starling_tensor few = sums, scores = score.vector();
      few.width = scores.rows = n;
      return CALL(token_select, .keep = keep, .score = scores, .non_finite = fault, .sums = few, .rows = 1);
    };
    refused("token_select: its kernel needs 65536 bytes of shared memory in a block; this device has 49152", select(16384));
    ok(select(8000));
    out.receive();
    for (float v : out.values) equal("out is untouched", true, bool(std::isnan(v)));
  }
  ok(CALL(attention, .out = out, .in = in.inputs()));
  // Together with what the compiler lays out.
  Tensor floats = filled(STARLING_F32, 1, 64, 0);
  auto twice = [&](size_t more) { return launched<takes_shared_memory_twice>(dim3(2), dim3(32), more, floats.as<float>()); };
  equal("no failure", std::string(), twice(51 * 1024));
  says(twice(51 * 1024 + 128), "a block needs 101504 bytes of shared memory; this device has 101376 at test_layer.cpp:");
  says(twice(100 * 1024), "its kernel needs 102400 bytes of shared memory in a block; this device has 101376");
}

TEST(what_is_not_there_yet_is_nan) {
  Tensor from = gaussian(STARLING_F32, 1, 128, 1, 0), out = filled(STARLING_F32, 1, 32, 0);
  equal("no failure", std::string(),
        launched<reads_before_waiting>(dim3(1), dim3(32), 512, from.as<float>(), out.as<float>()));
  out.receive();
  for (float v : out.values) equal("before the wait", true, bool(std::isnan(v)));
  equal("no failure", std::string(), launched<reads_shared_unwritten>(dim3(1), dim3(32), 0, out.as<float>()));
  out.receive();
  for (float v : out.values) equal("unwritten", true, bool(std::isnan(v)));
}

TEST(the_layer_works_on_after_a_failure) {
  Ints out(640);
  for (int i = 0; i < 3; i++) {
    if (launched<barrier_in_a_branch>(dim3(7), dim3(64), 0).empty()) fail("a divergent barrier passed");
    equal("no failure", std::string(), launched<every_third_thread>(dim3(10), dim3(64), 0, out.data));
    out.receive();
    for (int t = 0; t < 640; t++) equal("sum", 5 * ((t % 64 < 32 ? 11 : 11) + 2), int(out.values[t]));
  }
}

// The next operator that takes tickets finds them as new, also where the failure was in a replay.
TEST(a_failure_leaves_no_tickets) {
  if (launched<takes_a_ticket_and_fails>(dim3(1), dim3(64), 0, stream->tickets).empty()) fail("a divergent barrier passed");
  equal("tickets", 0u, stream->tickets[0]);
  starling_graph* graph = nullptr;
  ok(starling_capture_begin(stream));
  equal("no failure yet", std::string(), launched<takes_a_ticket_and_fails>(dim3(1), dim3(64), 0, stream->tickets));
  ok(starling_capture_end(&graph, stream));
  equal("status", int(STARLING_KERNEL_FAULT), starling_graph_launch(graph, stream));
  equal("tickets after a replay", 0u, stream->tickets[0]);
  ok(starling_graph_destroy(graph));
}

template <class T, bool K_MAJOR>
static void check_products(int dtype) {
  Tensor a = gaussian(dtype, 32, 32, 1, 0), b = gaussian(dtype, 32, 32, 1, 0);
  Tensor apart = filled(STARLING_F32, 1, 1024, NAN), whole = filled(STARLING_F32, 1, 1024, NAN);
  std::string why =
      launched<both_products<T, K_MAJOR>>(dim3(1), dim3(32), 0, apart.as<float>(), whole.as<float>(), a.as<T>(), b.as<T>());
  equal("no failure", std::string(), why);
  apart.receive();
  whole.receive();
  same_bits(name_of(dtype), apart, whole);
}

// libstarling_host.so multiplies whole tiles; what these programs prove mma by mma holds for it too.
TEST(a_whole_tile_gives_the_bits_of_its_parts) {
#if !defined(HOST_TSAN)
  check_products<float, true>(STARLING_F32);
  check_products<float, false>(STARLING_F32);
  check_products<bf16, true>(STARLING_BF16);
  check_products<bf16, false>(STARLING_BF16);
  check_products<f16, true>(STARLING_F16);
  check_products<f16, false>(STARLING_F16);
#endif
}

TEST(launches_are_recorded_and_counted) {
  Ints counter(1, 0);
  host::start_recording();
  ok(starling_add(counter.data, 1, 5, stream));
  ok(starling_add(counter.data, 1, 5, stream));
  std::vector<host::Launched> records = host::stop_recording();
  equal("launches", size_t(2), records.size());
  equal("name", std::string("add_kernel"), records[0].kernel);
  equal("bytes", records[0].arguments, records[1].arguments);
  equal("size", sizeof(void*) + 8, records[0].arguments.size());
  int32_t by;
  memcpy(&by, records[0].arguments.data() + sizeof(void*) + 4, 4);
  equal("an argument", 5, by);
#if !defined(HOST_TSAN)
  host::reset_counters();
  Tensor x = whole(STARLING_BF16, 64, 64), w = whole(STARLING_BF16, 128, 64), y = filled(STARLING_F32, 64, 128, NAN);
  ok(CALL(gemm, .y = y, .x = x, .w = w.weight()));
  host::Counters c = host::counters();
  equal("launches", uint64_t(1), c.launches);
  equal("flops", uint64_t(2) * 64 * 128 * 64, c.flops);
  equal("bytes read", uint64_t(2) * (2 * 64 + 128) * 64, c.read);  // x by each of two blocks of 64 columns
  equal("bytes written", uint64_t(4) * 64 * 128, c.written);
  host::reset_counters();  // gemv: the weights once, and x by each of eight blocks
  starling_tensor one_y = y, one_x = x;
  one_y.rows = one_x.rows = 1;
  ok(CALL(gemm, .y = one_y, .x = one_x, .w = w.weight()));
  c = host::counters();
  equal("flops", uint64_t(2) * 128 * 64, c.flops);
  equal("bytes read", uint64_t(2) * 128 * 64 + 8 * 2 * 64, c.read);
  host::reset_counters();
  ok(starling_ceiling_products(y.as<float>(), 3, 4, STARLING_BF16, stream));
  equal("flops", uint64_t(3) * 4 * 262144, host::counters().flops);
  host::reset_counters();
  ok(starling_ceiling_products(y.as<float>(), 3, 4, STARLING_F32, stream));
  equal("flops", uint64_t(3) * 4 * 262144, host::counters().flops);
  host::reset_counters();
  ok(starling_ceiling_copy(y.data, x.data, 4096, stream));
  equal("bytes read", uint64_t(4096), host::counters().read);
  equal("bytes written", uint64_t(4096), host::counters().written);
  host::reset_counters();  // one row of two heads over 33 keys
  Case one{1, 32, 2, 2, 64, true, false};
  Inputs in(one, STARLING_BF16);
  Tensor out = filled(STARLING_BF16, 1, 128, NAN);
  in.attention(out, nullptr);
  equal("flops", uint64_t(4) * 33 * 2 * 64, host::counters().flops);
#endif
}
#endif
