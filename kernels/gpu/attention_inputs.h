// What launchers ask of starling_attention_inputs.
#pragma once
#include "args.h"

// Returns the number of key heads.
inline int require_heads(const starling_attention_inputs& in) {
  gpu::require(in.heads >= 1, "heads must be at least 1");
  gpu::require(in.kv_heads >= 1 && in.heads % in.kv_heads == 0, "the key heads do not divide the query heads");
  return in.kv_heads;
}
