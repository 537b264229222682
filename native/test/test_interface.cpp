// The C interface: what it refuses, with which sentence, and that nothing is left changed.
#include <cstring>
#include <memory>
#include <thread>

#include "check.h"
#include "starling_bench.h"

using namespace check;

static void refused(int status, int expected, const char* part) {
  equal(std::string("status of ") + part, expected, status);
  if (!strstr(starling_error(), part)) fail(std::string(starling_error()) + " does not say " + part);
}

TEST(wrong_arguments_get_a_sentence) {
  Tensor x = gaussian(STARLING_BF16, 4, 64), y = filled(STARLING_BF16, 4, 64, NAN);
  starling_tensor out{y.data, y.stride, 3, 60, STARLING_BF16, 0}, in{x.data, x.stride, 3, 60, STARLING_BF16, 0};
  starling_tensor weight{x.data, 1, 60, 1, STARLING_BF16, 0}, shifted = in, odd = in, unknown = in;
  shifted.data = x.as<char>() + 2;
  odd.stride = 68;
  unknown.dtype = 9;
  refused(CALL(rmsnorm, .out = out, .x = shifted, .weight = weight), STARLING_INVALID_ARGUMENT,
          "rmsnorm: x: every row must start at a multiple of 16 bytes");
  refused(CALL(rmsnorm, .out = out, .x = odd, .weight = weight), STARLING_INVALID_ARGUMENT,
          "x: every row must start at a multiple of 16 bytes");
  refused(CALL(rmsnorm, .out = out, .x = unknown, .weight = weight), STARLING_INVALID_ARGUMENT,
          "dtype 9 is not f32, bf16 or f16");
  starling_attention_inputs heads{x, x, x, {}, {}, 1, 1, 48, 0, 1};
  refused(CALL(attention, .out = y, .in = heads), STARLING_INVALID_ARGUMENT, "head size 48 is not 32, 64, 80 or 128");
  heads.head_size = 64;
  heads.k.rows = heads.v.rows = 3;
  refused(CALL(attention, .out = y, .in = heads), STARLING_INVALID_ARGUMENT, "no room");
  Ints keep(5), fault(1, 0);
  Tensor s = gaussian(STARLING_F32, 1, 4);
  refused(CALL(token_select, .keep = keep, .score = s.vector(), .non_finite = fault, .sums = s, .rows = 1),
          STARLING_INVALID_ARGUMENT, "k must be 1 to n");
  starling_cut cuts[] = {{fault, {}, 0, 3}, {fault, {}, 2, 3}};
  starling_tensor positions{keep.data, 10, 1, 10, STARLING_I32, 0};
  auto row_map = [&](const char* part) {
    refused(CALL(row_map, .rows = keep, .positions_out = positions, .positions_in = positions, .cuts = cuts, .cut_count = 2,
                 .rule = STARLING_KEEP),
            STARLING_INVALID_ARGUMENT, part);
  };
  row_map("row_map: cuts: two overlap, and neither lists its candidates");
  cuts[1] = {fault, {}, 8, 3};
  row_map("rows beyond those of the call");
  cuts[1] = {fault, keep, 5, 3};
  row_map("more candidates than rows");
  cuts[1] = {keep, {}, 5, 3};
  row_map("more candidates kept than there are");
  cuts[1] = {fault, {}, 5, 3};
  row_map("positions_out is [1, 10], not [1, 6]");
  positions.rows = 0;
  row_map("positions have at least one axis");
  y.receive();
  for (float v : y.values) equal("y is untouched", true, bool(std::isnan(v)));
}

TEST(a_structure_of_another_size_is_refused) {
  Ints counter(1, 0);
  starling_advance_args args{uint32_t(sizeof args) - 8, counter};
  refused(starling_advance(&args, stream), STARLING_INVALID_ARGUMENT,
          ("advance: `size` is " + std::to_string(sizeof args - 8) + ", this library's arguments have " +
           std::to_string(sizeof args) + " bytes")
              .c_str());
  args.size = sizeof args + 8;
  refused(starling_advance(&args, stream), STARLING_INVALID_ARGUMENT, "advance: `size` is");
  args.size = 0;
  refused(starling_advance(&args, stream), STARLING_INVALID_ARGUMENT, "advance: `size` is 0");
  refused(starling_advance(nullptr, stream), STARLING_INVALID_ARGUMENT, "advance: its arguments are NULL");
  counter.receive();
  equal("counter", 0, counter.values[0]);
}

TEST(tensors_that_do_not_fit_get_a_sentence) {
  Tensor x = gaussian(STARLING_BF16, 4, 64), y = filled(STARLING_BF16, 4, 64, NAN), w = gaussian(STARLING_BF16, 64, 64);
  Tensor wide = filled(STARLING_F32, 4, 64, NAN);
  auto gemm = [&](const char* part, const std::function<void(starling_gemm_args&)>& change) {
    starling_gemm_args a{.size = sizeof a, .y = y, .x = x, .w = w.weight()};
    change(a);
    refused(starling_gemm(&a, stream), STARLING_INVALID_ARGUMENT, part);
  };
  gemm("gemm: x is [4, 64], not [3, 64]", [](auto& a) { a.y.rows = 3; });
  gemm("gemm: w is [63, 64], not [64, 64]", [](auto& a) { a.w.rows = 63; });
  gemm("gemm: w is [64, 64], not [128, 64]", [](auto& a) { a.activation = STARLING_SILU_MUL; });
  gemm("gemm: x has a stride of 0: its rows overlap", [](auto& a) { a.x.stride = 0; });
  gemm("gemm: x is not there (its data is NULL)", [](auto& a) { a.x.data = nullptr; });
  gemm("gemm: y must have the type of x, or f32", [](auto& a) { a.y.dtype = STARLING_F16; });
  gemm("gemm: residual and y have different types", [&](auto& a) { a.residual = wide; });
  gemm("gemm: bias is [64, 1], not [128, 1]", [&](auto& a) {
    a.bias = {wide.data, 1, 64, 1, STARLING_F32, 0};
    a.w.rows = 128;
    a.activation = STARLING_SILU_MUL;
  });
  gemm("gemm: the layout of w is none of this library's", [](auto& a) { a.w.layout = 1; });
  gemm("gemm: a plain w has no groups", [](auto& a) { a.w.group = 32; });
  Ints table(32, 0);
  starling_tensor narrow{table.data, 16, 2, 15, STARLING_I32, 0}, floats{table.data, 16, 2, 16, STARLING_F32, 0};
  starling_tensor every_second{table.data, 2, 2, 1, STARLING_I32, 0};
  refused(CALL(embed, .out = y, .ids = every_second, .table = x), STARLING_INVALID_ARGUMENT,
          "embed: ids is a vector with a stride of 2");
  refused(CALL(advance, .segments = narrow), STARLING_INVALID_ARGUMENT, "advance: segments is [2, 15], not [2, 16]");
  refused(CALL(advance, .segments = floats), STARLING_INVALID_ARGUMENT, "advance: segments is f32, not i32");
  starling_attention_inputs in{x, x, x, {}, {}, 1, 1, 32, 0, 1};
  refused(CALL(attention, .out = y, .in = in), STARLING_INVALID_ARGUMENT, "attention: out is [4, 64], not [4, 32]");
  y.receive();
  for (float v : y.values) equal("y is untouched", true, bool(std::isnan(v)));
}

TEST(no_rows_are_no_work) {
  Tensor x = gaussian(STARLING_BF16, 1, 64);
  starling_tensor out{nullptr, 64, 0, 64, STARLING_BF16, 0}, y{nullptr, 64, 0, 1, STARLING_BF16, 0}, in = x;
  in.rows = 0;
  ok(CALL(rmsnorm, .out = out, .x = in, .weight = x.vector(), .eps = 1e-5f));
  ok(CALL(gemm, .y = y, .x = in, .w = x.weight()));
}

TEST(out_of_memory_says_how_much) {
  void* p = nullptr;
  refused(starling_allocate(&p, int64_t(1) << 50, stream), STARLING_OUT_OF_MEMORY, "1125899906842624 bytes asked");
  ok(starling_allocate(&p, 0, stream));
  ok(starling_free(p, stream));
  ok(starling_free(nullptr, stream));
}

TEST(threads_with_streams_of_their_own) {
  std::vector<std::thread> team;
  std::vector<std::string> problems(4);
  for (int i = 0; i < 4; i++) {
    team.emplace_back([i, &problems] {
      starling_stream* own = nullptr;
      void* counter = nullptr;
      int32_t value = 0;
      int bad = starling_stream_create(&own, nullptr) || starling_allocate(&counter, 4, own);
      for (int n = 0; n < 50 && !bad; n++) bad = starling_add(static_cast<int32_t*>(counter), 1, i, own);
      bad = bad || starling_download(&value, 4, counter, 4, 4, 1, own);
      if (bad) problems[i] = starling_error();
      else if (value != 50 * i) problems[i] = "a wrong sum";
      starling_free(counter, own);
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
  ok(starling_add(counter.data, 1, 1, stream));
  ok(starling_event_record(to, stream));
  double ms = -1;
  ok(starling_event_elapsed(&ms, from, to));
  if (!(ms >= 0 && ms < 10000)) fail("milliseconds " + std::to_string(ms));
  ok(starling_event_destroy(from));
  ok(starling_event_destroy(to));
}

TEST(a_capture_runs_nothing_and_replays_in_order) {
  Ints counter(1, 1);
  Tensor table = gaussian(STARLING_BF16, 8, 64), row = filled(STARLING_BF16, 1, 64, NAN);
  ok(starling_capture_begin(stream));
  ok(CALL(embed, .out = row, .ids = counter, .table = table));
  ok(starling_add(counter.data, 1, 2, stream));
  starling_graph* graph = nullptr;
  ok(starling_capture_end(&graph, stream));
  counter.receive();
  equal("counter after the capture", 1, counter.values[0]);
  for (int step = 0; step < 3; step++) {
    ok(starling_graph_launch(graph, stream));
    counter.receive();
    row.receive();
    equal("counter", 3 + 2 * step, counter.values[0]);
    for (int i = 0; i < 64; i++) equal("row", table.at(1 + 2 * step, i), row.at(0, i));
  }
  ok(starling_graph_destroy(graph));
  ok(starling_graph_destroy(nullptr));
  // What was captured is gone from the stream: it runs again.
  ok(starling_add(counter.data, 1, -7, stream));
  counter.receive();
  equal("counter", 0, counter.values[0]);
}

TEST(a_capture_in_a_capture_and_an_end_without_one_are_refused) {
  starling_graph* graph = nullptr;
  equal("an end without a begin", false, starling_capture_end(&graph, stream) == STARLING_OK);
  equal("a graph", true, graph == nullptr);
  ok(starling_capture_begin(stream));
  equal("a second begin", false, starling_capture_begin(stream) == STARLING_OK);
  ok(starling_capture_end(&graph, stream));
  ok(starling_graph_launch(graph, stream));  // of nothing
  ok(starling_graph_destroy(graph));
}

// Refused before the machine hears of it: the capture, without a graph, ends like any other.
static void refused_in_a_capture(const char* part, const std::function<int()>& call) {
  Ints counter(1, 3);
  ok(starling_capture_begin(stream));
  ok(starling_add(counter.data, 1, 1, stream));
  refused(call(), STARLING_INVALID_ARGUMENT, part);
  starling_graph* graph = nullptr;
  refused(starling_capture_end(&graph, stream), STARLING_INVALID_ARGUMENT, part);
  equal("a graph", true, graph == nullptr);
  ok(starling_add(counter.data, 1, 10, stream));
  counter.receive();
  equal("counter", 13, counter.values[0]);
  ok(starling_capture_begin(stream));
  ok(starling_add(counter.data, 1, 100, stream));
  ok(starling_capture_end(&graph, stream));
  ok(starling_graph_launch(graph, stream));
  ok(starling_graph_destroy(graph));
  counter.receive();
  equal("counter", 113, counter.values[0]);
}

TEST(what_a_graph_cannot_hold_is_refused_and_the_stream_works_on) {
  Ints values(1, 0);
  void* p = nullptr;
  int32_t one = 0;
  starling_event* event = nullptr;
  ok(starling_event_create(&event));
  refused_in_a_capture("memory is allocated", [&] { return starling_allocate(&p, 4, stream); });
  refused_in_a_capture("bytes of the host are uploaded",
                       [&] { return starling_upload(values.data, 4, &one, 4, 4, 1, stream); });
  refused_in_a_capture("bytes are downloaded", [&] { return starling_download(&one, 4, values.data, 4, 4, 1, stream); });
  refused_in_a_capture("its work is waited for", [&] { return starling_stream_wait(stream); });
  refused_in_a_capture("an event is recorded", [&] { return starling_event_record(event, stream); });
  ok(starling_event_destroy(event));
}

// rmsnorm and a product; the normalised rows are in scratch memory.
struct NormedProduct {
  explicit NormedProduct(int rows)
      : x(gaussian(STARLING_BF16, rows, 64)),
        w(gaussian(STARLING_BF16, 24, 64)),
        norm(gaussian(STARLING_BF16, 1, 64)),
        y(filled(STARLING_BF16, rows, 24, NAN)) {}
  int run() { return CALL(gemm, .y = y, .x = x, .w = w.weight(), .norm_weight = norm.vector(), .eps = 1e-5f); }
  Tensor x, w, norm, y;
};

// A stream of the test's own in the place of the common one, whose scratch memory has its size already.
struct NewStream {
  NewStream() {
    ok(starling_stream_wait(stream));  // what it was given is there for the other one
    ok(starling_stream_create(&stream, nullptr));
  }
  ~NewStream() {
    starling_stream_destroy(stream);
    stream = common;
  }
  starling_stream* common = stream;
};

TEST(scratch_memory_does_not_grow_in_a_capture) {
  NewStream own;
  NormedProduct product(80);
  refused_in_a_capture("scratch memory must grow (run the same operators once before the capture)",
                       [&] { return product.run(); });
  ok(product.run());
  starling_graph* graph = nullptr;
  ok(starling_capture_begin(stream));
  ok(product.run());
  ok(starling_capture_end(&graph, stream));
  ok(starling_graph_launch(graph, stream));
  ok(starling_graph_destroy(graph));
}

TEST(scratch_memory_grows_in_the_order_of_the_work) {
  NewStream own;
  std::vector<std::unique_ptr<NormedProduct>> products;
  for (int rows : {40, 160, 300}) products.push_back(std::make_unique<NormedProduct>(rows));
  for (auto& p : products) ok(p->run());  // nobody waits in between
  for (auto& p : products) {
    p->y.receive();
    std::vector<float> seen = p->y.values;
    ok(p->run());  // with scratch memory that has its size
    p->y.receive();
    equal("the same bits", true, memcmp(seen.data(), p->y.values.data(), seen.size() * 4) == 0);
    for (float v : seen) equal("a number", false, bool(std::isnan(v)));
  }
}

TEST(a_graph_keeps_the_scratch_memory_it_was_captured_with) {
  NewStream own;
  NormedProduct small(40), large(300);
  ok(small.run());
  small.y.receive();
  std::vector<float> expected = small.y.values;
  starling_graph* graph = nullptr;
  ok(starling_capture_begin(stream));
  ok(small.run());
  ok(starling_capture_end(&graph, stream));
  ok(large.run());  // scratch memory grows
  for (float& v : small.y.values) v = NAN;
  small.y.send();
  ok(starling_graph_launch(graph, stream));
  small.y.receive();
  equal("the same bits", true, memcmp(expected.data(), small.y.values.data(), expected.size() * 4) == 0);
  ok(starling_graph_destroy(graph));
}

TEST(what_is_freed_in_a_capture_is_freed_after_it) {
  void* p = nullptr;
  ok(starling_allocate(&p, 4, stream));
  Ints counter(1, 0);
  starling_graph* graph = nullptr;
  ok(starling_capture_begin(stream));
  ok(starling_add(counter.data, 1, 1, stream));
  ok(starling_free(p, stream));
  ok(starling_capture_end(&graph, stream));
  ok(starling_graph_launch(graph, stream));
  counter.receive();
  equal("counter", 1, counter.values[0]);
  ok(starling_graph_destroy(graph));
}

TEST(memory_is_freed_behind_the_work_on_it) {
  for (int i = 0; i < 20; i++) {
    int n = 5000 + 3000 * i;
    void* p = nullptr;
    ok(starling_allocate(&p, 4 * n, stream));
    for (int k = 0; k < 3; k++) ok(starling_add(static_cast<int32_t*>(p), n, 1, stream));
    Ints last(1, -1);
    starling_gather pair{last, {static_cast<char*>(p) + 4 * (n - 1), 1, 1, 1, STARLING_I32, 0}};
    Ints row(1, 0);
    ok(CALL(gather_rows, .pair_count = 1, .pairs = &pair, .rows = row));
    ok(starling_free(p, stream));
    last.receive();
    equal("zeroed, and three times one more", 3, last.values[0]);
  }
}

TEST(memory_outlives_its_stream) {
  void* p = nullptr;
  {
    NewStream own;
    ok(starling_allocate(&p, 4000, stream));
    ok(starling_add(static_cast<int32_t*>(p), 1000, 1, stream));
  }
  ok(starling_free(p, nullptr));
}

TEST(two_streams_are_captured_apart) {
  Ints a(1, 0), b(1, 0);
  starling_stream* common = stream;
  starling_graph* graph = nullptr;
  {
    NewStream own;
    ok(starling_capture_begin(common));
    ok(starling_add(a.data, 1, 1, common));
    ok(starling_add(b.data, 1, 5, stream));  // runs
    ok(starling_capture_end(&graph, common));
    int32_t value = 0;
    ok(starling_download(&value, 4, b.data, 4, 4, 1, stream));
    equal("the other stream's", 5, value);
    refused(starling_graph_launch(graph, stream), STARLING_INVALID_ARGUMENT, "captured on another stream");
  }
  a.receive();
  equal("captured", 0, a.values[0]);
  ok(starling_graph_launch(graph, stream));
  a.receive();
  equal("launched", 1, a.values[0]);
  ok(starling_graph_destroy(graph));
}

TEST(a_stream_that_is_captured_can_be_destroyed) {
  Ints counter(1, 0);
  NewStream own;
  ok(starling_capture_begin(stream));
  ok(starling_add(counter.data, 1, 1, stream));
  ok(starling_stream_destroy(stream));
  ok(starling_stream_create(&stream, nullptr));
  counter.receive();
  equal("counter", 0, counter.values[0]);
}

TEST(ceilings_do_the_work_they_are_timed_for) {
  Tensor from = whole(STARLING_F32, 1, 20000 + 12, 0), to = filled(STARLING_F32, 1, 20000 + 12, NAN);
  ok(starling_ceiling_copy(to.data, from.data, 4 * from.width, stream));
  to.receive();
  for (int i = 0; i < from.width; i++) equal("copy", from.at(0, i), to.at(0, i));
  double sum = 0, read = 0;
  for (float v : from.values) sum += v;
  Tensor parts = filled(STARLING_F32, 1, 1024, 0);
  ok(starling_ceiling_read(parts.as<float>(), from.data, 4 * from.width, stream));
  parts.receive();
  for (float v : parts.values) read += v;
  equal("sum of what was read", sum, read);
  for (int dtype : {STARLING_F32, STARLING_BF16, STARLING_F16}) {
    Tensor out = filled(STARLING_F32, 1, 3, NAN);
    ok(starling_ceiling_products(out.as<float>(), 3, 4, dtype, stream));
    out.receive();
    for (float v : out.values) equal("products up and down", 0.f, v);
  }
  ok(starling_ceiling_nothing(5, stream));
  refused(starling_ceiling_copy(to.data, from.data, 20, stream), STARLING_INVALID_ARGUMENT, "multiples of 16");
  refused(starling_ceiling_read(parts.as<float>(), from.as<char>() + 4, 16, stream), STARLING_INVALID_ARGUMENT,
          "multiples of 16");
  refused(starling_ceiling_products(parts.as<float>(), 1, 3, STARLING_BF16, stream), STARLING_INVALID_ARGUMENT, "pairs");
}

TEST(cards_are_described) {
  int32_t cards = 0;
  ok(starling_card_count(&cards));
  if (cards < 1) fail("no card");
  for (int i = 0; i < cards; i++) {
    starling_card card;
    ok(starling_card_describe(&card, i));
    if (!card.name[0] || card.memory_bytes <= 0 || card.multiprocessors < 1) fail("card " + std::to_string(i) + " is empty");
  }
  starling_card none;
  refused(starling_card_describe(&none, cards), STARLING_INVALID_ARGUMENT, "counted from 0");
  refused(starling_card_describe(&none, -1), STARLING_INVALID_ARGUMENT, "counted from 0");
}
