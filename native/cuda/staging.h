// Pinned host memory through which bytes go up to the device, so that nobody waits: a copy from pageable memory would wait
// for the stream. The caller's memory is free when the call returns.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/platform.h"

namespace platform {

struct Staging {
  static constexpr size_t PIECE = size_t(4) << 20;  // bytes at a time, if a row is not longer
  static constexpr size_t PIECES = 8;               // then the oldest is waited for

  struct Piece {
    char* memory;
    size_t bytes;
    cudaEvent_t used;  // when the copy out of it is done
  };
  std::vector<Piece> pieces;  // the one used longest ago first

  // Rows of `width` bytes, to rows of the device.
  void upload(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t width, int64_t rows,
              cudaStream_t stream) {
    if (rows == 1 || (to_stride == width && from_stride == width)) {  // bytes like any others, a piece at a time
      int64_t bytes = width * rows;
      width = std::min<int64_t>(bytes, PIECE);
      for (int64_t at = 0; at < bytes; at += width) {
        send(to + at, 0, from + at, 0, size_t(std::min(width, bytes - at)), 1, stream);
      }
      return;
    }
    int64_t at_once = std::max<int64_t>(1, int64_t(PIECE) / std::max<int64_t>(1, width));
    for (int64_t row = 0; row < rows; row += at_once) {
      send(to + row * to_stride, size_t(to_stride), from + row * from_stride, from_stride, size_t(width),
           size_t(std::min(at_once, rows - row)), stream);
    }
  }

  // One piece full.
  void send(char* to, size_t to_stride, const char* from, int64_t from_stride, size_t width, size_t rows,
            cudaStream_t stream) {
    Piece piece = take(width * rows);
    for (size_t r = 0; r < rows; r++) std::memcpy(piece.memory + r * width, from + int64_t(r) * from_stride, width);
    if (rows == 1) {
      gpu::check(cudaMemcpyAsync(to, piece.memory, width, cudaMemcpyHostToDevice, stream), "cudaMemcpy");
    } else {
      gpu::check(cudaMemcpy2DAsync(to, to_stride, piece.memory, width, width, rows, cudaMemcpyHostToDevice, stream),
                 "cudaMemcpy2D");
    }
    gpu::check(cudaEventRecord(piece.used, stream), "cudaEventRecord");
  }

  // A piece that no copy reads, moved to the end.
  Piece take(size_t bytes) {
    for (size_t i = 0; i < pieces.size(); i++) {
      if (pieces[i].bytes < bytes) continue;
      cudaError_t state = cudaEventQuery(pieces[i].used);
      if (state == cudaErrorNotReady) {
        cudaGetLastError();
        continue;
      }
      gpu::check(state, "cudaEventQuery");
      return last(i);
    }
    if (pieces.size() == PIECES) {
      gpu::check(cudaEventSynchronize(pieces[0].used), "the copy before");
      if (pieces[0].bytes >= bytes) return last(0);
      release(pieces[0]);
      pieces.erase(pieces.begin());
    }
    Piece piece{nullptr, size_t(64) << 10, nullptr};
    while (piece.bytes < bytes) piece.bytes *= 2;
    gpu::check(cudaEventCreate(&piece.used), "cudaEventCreate");
    void* memory = nullptr;
    cudaError_t got = cudaMallocHost(&memory, piece.bytes);
    if (got != cudaSuccess) cudaEventDestroy(piece.used);
    gpu::check(got, "cudaMallocHost");
    piece.memory = static_cast<char*>(memory);
    pieces.push_back(piece);
    return piece;
  }

  Piece last(size_t i) {
    std::rotate(pieces.begin() + long(i), pieces.begin() + long(i) + 1, pieces.end());
    return pieces.back();
  }

  static void release(const Piece& piece) {
    cudaFreeHost(piece.memory);
    cudaEventDestroy(piece.used);
    cudaGetLastError();  // a card that has failed said so before
  }
  ~Staging() {
    for (const Piece& piece : pieces) release(piece);
  }
};

}  // namespace platform
