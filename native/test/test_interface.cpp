// The C interface: what it refuses, with which sentence, and that nothing is left changed.
#include <cstring>
#include <thread>

#include "check.h"

using namespace check;

static void refused(int status, int expected, const char* part) {
  equal(std::string("status of ") + part, expected, status);
  if (!strstr(starling_error(), part)) fail(std::string(starling_error()) + " does not say " + part);
}

TEST(wrong_arguments_get_a_sentence) {
  Tensor x = gaussian(STARLING_BF16, 4, 64), y = filled(STARLING_BF16, 4, 64, NAN);
  refused(starling_rmsnorm(y.data, y.stride, x.as<char>() + 2, x.stride, x.data, 3, 60, 1e-5f, STARLING_BF16, stream),
          STARLING_INVALID_ARGUMENT, "x: every row must start at a multiple of 16 bytes");
  refused(starling_rmsnorm(y.data, y.stride, x.data, 68, x.data, 3, 60, 1e-5f, STARLING_BF16, stream),
          STARLING_INVALID_ARGUMENT, "x: every row must start at a multiple of 16 bytes");
  refused(starling_rmsnorm(y.data, y.stride, x.data, x.stride, x.data, 3, 60, 1e-5f, 9, stream), STARLING_INVALID_ARGUMENT,
          "dtype 9 is not f32, bf16 or f16");
  refused(starling_attention(y.data, y.stride, nullptr, 0, x.data, x.stride, x.data, x.stride, x.data, x.stride, nullptr,
                             nullptr, 4, 4, 1, 1, 48, 0, 1, STARLING_BF16, stream),
          STARLING_INVALID_ARGUMENT, "head size 48 is not 32, 64 or 128");
  refused(starling_attention(y.data, y.stride, nullptr, 0, x.data, x.stride, x.data, x.stride, x.data, x.stride, nullptr,
                             nullptr, 4, 3, 1, 1, 32, 0, 1, STARLING_BF16, stream),
          STARLING_INVALID_ARGUMENT, "no room");
  Ints keep(5), fault(1, 0);
  Tensor s = gaussian(STARLING_F32, 1, 4);
  refused(starling_token_select(keep.data, s.as<float>(), fault.data, s.as<float>(), s.stride, 1, 4, 5, 1, stream),
          STARLING_INVALID_ARGUMENT, "k must be 1 to n");
  starling_cut cuts[] = {{keep.data, 0, 3, 1, 0}, {keep.data, 2, 3, 1, 0}};
  refused(starling_row_map(keep.data, keep.data, keep.data, cuts, 2, 10, STARLING_KEEP, stream), STARLING_INVALID_ARGUMENT,
          "overlap");
  y.receive();
  for (float v : y.values) equal("y is untouched", true, bool(std::isnan(v)));
}

TEST(no_rows_are_no_work) {
  Tensor x = gaussian(STARLING_BF16, 1, 64);
  ok(starling_rmsnorm(nullptr, 64, x.data, x.stride, x.data, 0, 64, 1e-5f, STARLING_BF16, stream));
  ok(starling_gemm(nullptr, 64, x.data, x.stride, x.data, x.stride, nullptr, nullptr, nullptr, nullptr, 0, 0, 1, 64, 0,
                   STARLING_NONE, STARLING_BF16, STARLING_BF16, stream));
}

TEST(out_of_memory_says_how_much) {
  void* p = nullptr;
  refused(starling_allocate(&p, int64_t(1) << 50), STARLING_OUT_OF_MEMORY, "1125899906842624 bytes asked");
  ok(starling_allocate(&p, 0));
  ok(starling_free(p));
  ok(starling_free(nullptr));
}

TEST(threads_with_streams_of_their_own) {
  std::vector<std::thread> team;
  std::vector<std::string> problems(4);
  for (int i = 0; i < 4; i++) {
    team.emplace_back([i, &problems] {
      starling_stream* own = nullptr;
      void* counter = nullptr;
      int32_t value = 0;
      int bad = starling_stream_create(&own, nullptr) || starling_allocate(&counter, 4);
      for (int n = 0; n < 50 && !bad; n++) bad = starling_advance(static_cast<int32_t*>(counter), 1, i, own);
      bad = bad || starling_download(&value, 4, counter, 4, 4, 1, own);
      if (bad) problems[i] = starling_error();
      else if (value != 50 * i) problems[i] = "a wrong sum";
      starling_free(counter);
      starling_stream_destroy(own);
    });
  }
  for (auto& t : team) t.join();
  for (auto& p : problems) equal("problem", std::string(), p);
}

TEST(events_measure_in_order) {
  starling_event *from = nullptr, *to = nullptr;
  ok(starling_event_create(&from));
  ok(starling_event_create(&to));
  Ints counter(1, 0);
  ok(starling_event_record(from, stream));
  ok(starling_advance(counter.data, 1, 1, stream));
  ok(starling_event_record(to, stream));
  double ms = -1;
  ok(starling_event_elapsed(&ms, from, to));
  if (!(ms >= 0 && ms < 10000)) fail("milliseconds " + std::to_string(ms));
  ok(starling_event_destroy(from));
  ok(starling_event_destroy(to));
}
