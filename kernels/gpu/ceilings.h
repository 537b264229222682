// What ceilings.cu implements.
#pragma once
#include "starling_bench.h"
