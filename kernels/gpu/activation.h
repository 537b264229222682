// Activations, in f32. CLIP's GELU is the quick one, the projector's has the error function; neither is the tanh form that
// library epilogues offer.
#pragma once
#include "gpu.h"
#include "starling.h"

DEVICE float silu(float x) { return x / (1.f + expf(-x)); }

DEVICE float activate(float x, int activation) {
  if (activation == STARLING_QUICK_GELU) return x / (1.f + expf(-1.702f * x));
  if (activation == STARLING_GELU) return 0.5f * x * (1.f + erff(x * 0.70710678118654752440f));
  return x;
}
