// What is behind a cudaStream_t of the made-up GPU, for libraries that are played too: they put their work on it.
#pragma once
#include <functional>
#include <vector>

struct FakeStream {
  // `touched`: device addresses that the work reads or writes. Returns a cudaError_t.
  int (*put)(FakeStream*, const char* what, std::vector<const void*> touched, std::function<void()> work);
};

// Without a stream, on the host layer, at once.
inline int put(void* stream, const char* what, std::vector<const void*> touched, std::function<void()> work) {
  auto* fake = static_cast<FakeStream*>(stream);
  if (fake) return fake->put(fake, what, std::move(touched), std::move(work));
  return work(), 0;
}
