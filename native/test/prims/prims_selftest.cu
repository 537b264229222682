// Every primitive of kernels/gpu on fixed patterns, as bytes: what the host layer predicts is compared with what a GPU does.
//   prims_selftest_host --write FILE
//   prims_selftest_cuda --compare FILE
// FILE has a line per pattern: its name and the words of its output in hexadecimal.
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <vector>

#include "gpu/launch.h"
#include "gpu/philox.h"
#include "gpu/tile.h"

namespace {

constexpr int INPUTS = 4096;

// ---- patterns: each writes words to `out`; `in` holds INPUTS words, `zeros` is 0 before ----

DEVICE void put(uint32_t* out, int slot, uint32_t word) { store(out + slot * 32 + lane_id(), word); }
DEVICE void put(uint32_t* out, int slot, float value) { put(out, slot, __float_as_uint(value)); }
// A value that any of the three types holds exactly, and whose products and sums f32 does too.
DEVICE float small_whole(int i) { return float((i * 37 + i / 7 * 5) % 9 - 4); }

template <class T>
DEVICE uint32_t rounded(float x) {  // which NaN a NaN becomes is nobody's promise
  float y = to_float(from_float<T>(x));
  return y != y ? 0x7fc00000u : __float_as_uint(y);
}
KERNEL(256) conversions(const uint32_t* in, uint32_t* out, uint32_t*) {
  int i = int(blockIdx.x * 256 + threadIdx.x);
  float x = __uint_as_float(load(in + i));
  store(out + 2 * i, rounded<bf16>(x));
  store(out + 2 * i + 1, rounded<f16>(x));
}
KERNEL(32) packing(const uint32_t*, uint32_t* out, uint32_t*) {
  float x = small_whole(lane_id()) + 0.25f;
  put(out, 0, pack<bf16>(x, -2 * x));
  put(out, 1, pack<f16>(x, -2 * x));
  Vec16 v{{pack<bf16>(x, 1), pack<bf16>(2, x), pack<f16>(x, 3), pack<f16>(4, x)}};
  float a[8], b[8];
  unpack<bf16>(v, a);
  unpack<f16>(v, b);
  for (int i = 0; i < 4; i++) {
    put(out, 2 + i, a[i]);
    put(out, 6 + i, b[4 + i]);
  }
}
KERNEL(32) pairs(const uint32_t*, uint32_t* out, uint32_t*) {
  // Every third element starts a pair: some at a multiple of four bytes, some not.
  bf16* to = reinterpret_cast<bf16*>(out);
  store_pair(to + 3 * lane_id(), small_whole(lane_id()), -small_whole(lane_id()));
}
KERNEL(32) exponentials(const uint32_t*, uint32_t* out, uint32_t*) {
  for (int i = 0; i < 16; i++) put(out, i, exp2_fast(float(i * 32 + lane_id()) * 0.28173f - 130.f));
  put(out, 16, exp2_fast(-INFINITY));
}
KERNEL(32) reductions(const uint32_t* in, uint32_t* out, uint32_t*) {
  // Fractions: the sum depends on the order of additions, which is part of the promise.
  float x = float(load(in + lane_id()) >> 8) * 0x1p-20f - 3;
  put(out, 0, warp_sum(x));
  put(out, 1, warp_max(x));
  put(out, 2, warp_max(-x));
}
KERNEL(32) shuffles(const uint32_t* in, uint32_t* out, uint32_t*) {
  uint32_t x = load(in + lane_id());
  put(out, 0, __shfl_sync(ALL_LANES, x, (lane_id() * 5 + 3) & 31));
  put(out, 1, __shfl_xor_sync(ALL_LANES, x, 6));
  put(out, 2, __shfl_up_sync(ALL_LANES, x, 5u));
  put(out, 3, __shfl_down_sync(ALL_LANES, x, 9u));
  put(out, 4, uint32_t(__ballot_sync(ALL_LANES, x % 3 == 0)));
  put(out, 5, uint32_t(__any_sync(ALL_LANES, x == 1) != 0));
  put(out, 6, uint32_t(__match_any_sync(ALL_LANES, x % 5)));
  uint64_t wide = uint64_t(x) << 32 | uint32_t(lane_id());
  wide = __shfl_xor_sync(ALL_LANES, (unsigned long long)wide, 1);
  put(out, 7, uint32_t(wide >> 32));
  put(out, 8, uint32_t(wide));
  put(out, 9, uint32_t(__popc(x) << 8 | __clz(x)));
  put(out, 10, __umulhi(x, 0xD2511F53u));
}
KERNEL(32) random_words(const uint32_t* in, uint32_t* out, uint32_t*) {
  Philox p = philox(uint64_t(load(in)) << 32 | load(in + 1), lane_id(), 7);
  for (int i = 0; i < 4; i++) put(out, i, p.word[i]);
}
KERNEL(128) atomics(const uint32_t*, uint32_t* out, uint32_t* zeros) {
  atomic_add(zeros, unsigned(threadIdx.x) + blockIdx.x);
  atomic_or(zeros + 1, 1u << (threadIdx.x * 7 + blockIdx.x) % 29);
  if (last_block(zeros + 2, gridDim.x) && threadIdx.x == 0) {
    store(out, load_coherent(zeros));
    store(out + 1, load_coherent(zeros + 1));
  }
}
// Each block leaves a part; the last adds them up, in the order of blocks.
KERNEL(64) last_of_blocks(const uint32_t* in, uint32_t* out, uint32_t* zeros) {
  uint32_t* parts = zeros + 8;
  for (int i = int(threadIdx.x); i < 64; i += 64) store(parts + blockIdx.x * 64 + i, load(in + blockIdx.x * 64 + i));
  if (!last_block(zeros, gridDim.x)) return;
  uint32_t sum = 0;
  for (unsigned b = 0; b < gridDim.x; b++) sum = sum * 31 + load_coherent(parts + b * 64 + threadIdx.x);
  store(out + threadIdx.x, sum);
  if (threadIdx.x == 0) store(out + 64, load_coherent(zeros));
}
// Two groups in flight; thread i asks for i mod 17 of its 16 bytes.
KERNEL(64) async_copies(const uint32_t* in, uint32_t* out, uint32_t*) {
  Smem smem;
  uint32_t* first = smem.take<uint32_t>(256);
  uint32_t* second = smem.take<uint32_t>(256);
  int i = int(threadIdx.x);
  copy_async(first + 4 * i, in + 4 * i, i % 17);
  copy_commit();
  copy_async(second + 4 * i, in + 256 + 4 * i, 16);
  copy_commit();
  copy_wait<1>();
  __syncthreads();
  for (int c = 0; c < 4; c++) store(out + 4 * i + c, first[(4 * i + c + 4) % 256]);
  copy_wait<0>();
  __syncthreads();
  for (int c = 0; c < 4; c++) store(out + 256 + 4 * i + c, second[(4 * i + c + 4) % 256]);
}
KERNEL(32) carving(const uint32_t*, uint32_t* out, uint32_t*) {
  Smem smem;
  float* a = smem.take<float>(3);
  bf16* b = smem.take<bf16>(70);
  float* c = smem.take<float>(1);
  SHARED(uint32_t, fixed, 32);
  a[0] = 1;
  b[69] = from_float<bf16>(2);
  c[0] = 3;
  fixed[31 - lane_id()] = uint32_t(lane_id());
  __syncwarp();
  put(out, 0, a[0] + to_float(b[69]) + c[0]);
  put(out, 1, fixed[lane_id()]);
}
template <bool TRANSPOSED>
KERNEL(32)
matrices(const uint32_t*, uint32_t* out, uint32_t*) {
  Smem smem;
  uint16_t* tile = smem.take<uint16_t>(16 * 24);
  for (int i = lane_id(); i < 16 * 24; i += 32) tile[i] = uint16_t(i * 3 + 1);
  __syncthreads();
  uint32_t r[4];
  load_matrices<TRANSPOSED>(r, tile + (lane_id() & 15) * 24 + (lane_id() >> 4) * 8);
  for (int i = 0; i < 4; i++) put(out, i, r[i]);
}
template <class T>
KERNEL(32)
fragments(const uint32_t*, uint32_t* out, uint32_t*) {
  Smem smem;
  T* tile = smem.take<T>(16 * PADDED<T, 16>);
  for (int i = lane_id(); i < 16 * PADDED<T, 16>; i += 32) tile[i] = from_float<T>(small_whole(i));
  __syncthreads();
  Fragment<T> a, b;
  load_fragment(a, tile, PADDED<T, 16>);
  float left[4], right[4];
  for (int i = 0; i < 4; i++) {
    left[i] = small_whole(lane_id() + 32 * i);
    right[i] = small_whole(lane_id() + 32 * i + 7);
  }
  fragment_of(b, left, right);
  constexpr int N = sizeof(a.r) / 4;
  for (int i = 0; i < N; i++) {
    put(out, i, a.r[i]);
    put(out, N + i, b.r[i]);
  }
}
// 16×8×16 products of registers, before any shared memory: the layout of A, B and C itself.
template <class T>
KERNEL(32)
register_products(const uint32_t*, uint32_t* out, uint32_t*) {
  Fragment<T> a;
  for (int i = 0; i < 4; i++) a.r[i] = pack<T>(small_whole(lane_id() * 8 + i), small_whole(lane_id() * 8 + i + 77));
  uint32_t b[2][2];
  for (int i = 0; i < 4; i++) b[i / 2][i % 2] = pack<T>(small_whole(lane_id() * 4 + i), small_whole(lane_id() * 4 + i + 55));
  float c[2][4];
  for (int i = 0; i < 8; i++) c[i / 4][i % 4] = small_whole(lane_id() + i);
  mma<2, T>(c, a, b);
  for (int i = 0; i < 8; i++) put(out, i, c[i / 4][i % 4]);
}
template <class T, bool K_MAJOR>
KERNEL(32)
tile_products(const uint32_t*, uint32_t* out, uint32_t*) {
  constexpr int K = 32, N = 16, LD_A = PADDED<T, K>, LD_B = K_MAJOR ? PADDED<T, K> : PADDED<T, N>;
  Smem smem;
  T* a = smem.take<T>(32 * LD_A);
  T* b = smem.take<T>((K_MAJOR ? N : K) * LD_B);
  for (int i = lane_id(); i < 32 * LD_A; i += 32) a[i] = from_float<T>(small_whole(i));
  for (int i = lane_id(); i < (K_MAJOR ? N : K) * LD_B; i += 32) b[i] = from_float<T>(small_whole(i + 3));
  __syncthreads();
  Fragment<T> f[2][2];
  for (int i = 0; i < 4; i++) load_fragment(f[i / 2][i % 2], a + i / 2 * 16 * LD_A + i % 2 * 16, LD_A);
  float acc[2][2][4] = {};
  tile_mma<2, 2, 2, K_MAJOR>(acc, f, b, LD_B);
  for (int i = 0; i < 16; i++) put(out, i, acc[i / 8][i / 4 % 2][i % 4]);
}
// Five rows of eleven of a tile of 8×16: what is outside becomes zero.
template <class T>
KERNEL(32)
tiles(const uint32_t* in, uint32_t* out, uint32_t*) {
  Smem smem;
  T* tile = smem.take<T>(8 * PADDED<T, 16>);
  load_tile<T, 8, 16>(tile, reinterpret_cast<const T*>(in), 32, 2, 7, 8, 19, [](int row) { return row ^ 1; });
  copy_commit();
  copy_wait<0>();
  __syncthreads();
  const uint32_t* words = reinterpret_cast<const uint32_t*>(tile);
  constexpr int ROW = PADDED<T, 16> * sizeof(T) / 4, USED = 16 * sizeof(T) / 4;
  for (int i = lane_id(); i < 8 * USED; i += 32) store(out + i, words[i / USED * ROW + i % USED]);
}

// ---- running them ----

struct Pattern {
  const char* name;
  int words;     // of output
  unsigned ulp;  // 0: the same bytes
  std::function<void(const uint32_t*, uint32_t*, uint32_t*, gpu::Stream)> run;
};
template <auto Kernel>
Pattern pattern(const char* name, unsigned blocks, unsigned threads, int words, unsigned ulp = 0) {
  return {name, words, ulp, [=](const uint32_t* in, uint32_t* out, uint32_t* zeros, gpu::Stream stream) {
            gpu::launch_as<Kernel>(Kernel, dim3(blocks), dim3(threads), 16384, stream, in, out, zeros);
          }};
}

const std::vector<Pattern>& patterns() {
  static const std::vector<Pattern> all = {
      pattern<conversions>("f32 to bf16 and f16", INPUTS / 256, 256, 2 * INPUTS),
      pattern<packing>("pack, unpack", 1, 32, 10 * 32),
      pattern<pairs>("store_pair", 1, 32, 48),
      pattern<exponentials>("exp2_fast", 1, 32, 17 * 32, 2),
      pattern<reductions>("warp_sum, warp_max", 1, 32, 3 * 32),
      pattern<shuffles>("shuffles, votes, bits", 1, 32, 11 * 32),
      pattern<random_words>("philox", 1, 32, 4 * 32),
      pattern<atomics>("atomic_add, atomic_or", 8, 128, 2),
      pattern<last_of_blocks>("last_block, load_coherent", 16, 64, 65),
      pattern<async_copies>("copy_async, copy_wait", 1, 64, 512),
      pattern<carving>("Smem, SHARED", 1, 32, 2 * 32),
      pattern<matrices<false>>("ldmatrix", 1, 32, 4 * 32),
      pattern<matrices<true>>("ldmatrix.trans", 1, 32, 4 * 32),
      pattern<fragments<float>>("fragment f32", 1, 32, 16 * 32),
      pattern<fragments<bf16>>("fragment bf16", 1, 32, 8 * 32),
      pattern<fragments<f16>>("fragment f16", 1, 32, 8 * 32),
      pattern<register_products<bf16>>("mma bf16", 1, 32, 8 * 32),
      pattern<register_products<f16>>("mma f16", 1, 32, 8 * 32),
      pattern<tile_products<float, true>>("tile_mma f32, k-major", 1, 32, 16 * 32),
      pattern<tile_products<float, false>>("tile_mma f32", 1, 32, 16 * 32),
      pattern<tile_products<bf16, true>>("tile_mma bf16, k-major", 1, 32, 16 * 32),
      pattern<tile_products<bf16, false>>("tile_mma bf16", 1, 32, 16 * 32),
      pattern<tile_products<f16, true>>("tile_mma f16, k-major", 1, 32, 16 * 32),
      pattern<tile_products<f16, false>>("tile_mma f16", 1, 32, 16 * 32),
      pattern<tiles<float>>("load_tile f32", 1, 32, 128),
      pattern<tiles<bf16>>("load_tile bf16", 1, 32, 64),
  };
  return all;
}

// Any bits, then ties of bf16, then ties of f16 from its subnormals to its largest.
std::vector<uint32_t> inputs() {
  std::vector<uint32_t> in(INPUTS);
  uint32_t x = 12345;
  for (int i = 0; i < INPUTS; i++) {
    x = x * 1664525u + 1013904223u;
    in[i] = i < INPUTS / 2       ? x
            : i < INPUTS * 3 / 4 ? (x & 0xffff0000u) | 0x8000u
                                 : (x & 0x807fe000u) | 0x1000u | (100 + x % 45) << 23;
  }
  return in;
}

using Words = std::vector<uint32_t>;
void succeed(int status) {
  if (status != STARLING_OK) throw std::runtime_error(starling_error());
}
struct Memory {
  uint32_t* words = nullptr;
  starling_stream* stream;
  Memory(size_t n, starling_stream* stream) : stream(stream) {
    void* p = nullptr;
    succeed(starling_allocate(&p, int64_t(n) * 4, stream));
    words = static_cast<uint32_t*>(p);
  }
  ~Memory() { starling_free(words, stream); }
};

std::map<std::string, Words> run(starling_stream* stream) {
  std::map<std::string, Words> results;
  Words in = inputs(), zero(2048, 0);
  Memory input(in.size(), stream), zeros(zero.size(), stream);
  auto send = [&](uint32_t* to, const Words& from) {
    int64_t bytes = int64_t(from.size()) * 4;
    succeed(starling_upload(to, bytes, from.data(), bytes, bytes, 1, stream));
  };
  send(input.words, in);
  for (const Pattern& p : patterns()) {
    Words out(p.words, 0xa5a5a5a5u);
    Memory output(out.size(), stream);
    send(output.words, out);
    send(zeros.words, zero);
    int64_t bytes = int64_t(out.size()) * 4;
    p.run(input.words, output.words, zeros.words, stream->handle);
    succeed(starling_download(out.data(), bytes, output.words, bytes, bytes, 1, stream));
    results[p.name] = out;
  }
  return results;
}

float value(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
bool close(uint32_t a, uint32_t b, unsigned ulp) {
  if (a == b) return true;
  if (ulp == 0) return false;
  // ex2.approx.ftz makes subnormal results 0.
  if (std::fabs(value(a)) < 0x1p-126f && std::fabs(value(b)) < 0x1p-126f) return true;
  return (a > b ? a - b : b - a) <= ulp;
}

int compare(const std::map<std::string, Words>& actual, const char* file) {
  std::ifstream in(file);
  std::map<std::string, Words> expected;
  std::string line, word;
  while (std::getline(in, line)) {
    size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    std::istringstream words(line.substr(tab + 1));
    while (words >> word) expected[line.substr(0, tab)].push_back(uint32_t(std::stoul(word, nullptr, 16)));
  }
  int different = 0;
  for (const Pattern& p : patterns()) {
    const Words &a = expected[p.name], &b = actual.at(p.name);
    if (a.size() != b.size()) {
      printf("%-26s FAIL %s has %zu words of it, not %zu\n", p.name, file, a.size(), b.size());
      different++;
      continue;
    }
    size_t first = a.size(), bad = 0;
    for (size_t i = a.size(); i-- > 0;) {
      if (!close(a[i], b[i], p.ulp)) first = i, bad++;
    }
    if (bad) {
      printf("%-26s FAIL %zu of %zu words; [%zu] is %08x, predicted %08x\n", p.name, bad, a.size(), first, b[first],
             a[first]);
      different++;
    } else {
      printf("%-26s ok, %zu words%s\n", p.name, a.size(), p.ulp ? " within 2 ulp" : "");
    }
  }
  printf("%zu patterns, %d differ\n", patterns().size(), different);
  return different ? 1 : 0;
}

int write(const std::map<std::string, Words>& results, const char* file) {
  std::ofstream out(file);
  for (const auto& [name, words] : results) {
    out << name << '\t' << std::hex;
    for (uint32_t w : words) out << w << ' ';
    out << '\n';
  }
  out.close();
  if (!out) {
    fprintf(stderr, "%s cannot be written\n", file);
    return 1;
  }
  printf("%zu patterns written to %s\n", results.size(), file);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::string mode = count == 3 ? arguments[1] : "";
  if (mode != "--write" && mode != "--compare") {
    fprintf(stderr, "prims_selftest: --write FILE or --compare FILE\n");
    return 2;
  }
  char device[400];
  if (starling_probe(device, sizeof device)) {
    printf("not run: %s\n", starling_error());
    return 77;
  }
  try {
    starling_stream* stream = nullptr;
    succeed(starling_stream_create(&stream, nullptr));
    auto results = run(stream);
    succeed(starling_stream_destroy(stream));
    return mode == "--write" ? write(results, arguments[2]) : compare(results, arguments[2]);
  } catch (const std::exception& e) {
    printf("FAIL %s\n", e.what());
    return 1;
  }
}
