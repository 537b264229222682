// native_tests [--seeds N] [--small] [--list] [PART OF A NAME]
// Runs the tests, with --seeds also under N random schedules of the host layer each. Prints the seed of a failure.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "check.h"
#if defined(STARLING_EMULATED)
#include "starling_host.h"
#endif
#if defined(STARLING_FAKE_CUDA)
extern "C" void fake_cuda(const char*);
extern "C" const char* fake_cuda_faults();
extern "C" const char* fake_cuda_alive();
#endif

// What a made-up GPU has to say about the order of the calls.
static void faults() {
#if defined(STARLING_FAKE_CUDA)
  std::string said = fake_cuda_faults();
  if (!said.empty()) check::fail(said);
#endif
}

static int run(const check::Test& test, uint64_t seed) {
#if defined(STARLING_EMULATED)
  starling_host_schedule(seed);
#endif
  check::rng.seed(11 + seed);
  try {
    test.body();
    check::ok(starling_stream_wait(check::stream));
    faults();
    return 0;
  } catch (const check::Failure& f) {
    printf("FAIL %s (seed %llu): %s\n", test.name, (unsigned long long)seed, f.sentence.c_str());
    return 1;
  }
}

int main(int count, char** arguments) {
#if defined(STARLING_FAKE_CUDA)
  if (count > 1 && strchr(arguments[count - 1], '=')) fake_cuda(arguments[--count]);  // "pools=0"
#endif
  int seeds = 0, failures = 0, ran = 0;
  const char* part = "";
  for (int i = 1; i < count; i++) {
    if (!strcmp(arguments[i], "--seeds") && i + 1 < count) seeds = atoi(arguments[++i]);
    else if (!strcmp(arguments[i], "--small")) check::small = true;
    else part = arguments[i];
  }
  char device[400];
  if (starling_probe(device, sizeof device)) {
    printf("not run: %s\n", starling_error());
    return 77;
  }
  if (starling_stream_create(&check::stream, nullptr)) return 1;
#if defined(STARLING_EMULATED)
  starling_host_threads(2);
#endif
  auto start = std::chrono::steady_clock::now();
  for (const check::Test& test : check::tests()) {
    if (!strstr(test.name, part)) continue;
    auto before = std::chrono::steady_clock::now();
    for (int seed = 0; seed <= seeds; seed++) failures += run(test, uint64_t(seed));
    ran++;
    double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    if (getenv("TIMES")) printf("%6.2f s %s\n", s, test.name);
  }
  starling_stream_destroy(check::stream);
#if defined(STARLING_FAKE_CUDA)
  if (const char* left = fake_cuda_alive(); *left) printf("FAIL not given back: %s\n", left), failures++;
#endif
  double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  printf("%d tests, %d random schedules of each, %d failures, %.1f s on %s\n", ran, seeds, failures, s, device);
  return failures || !ran ? 1 : 0;
}
