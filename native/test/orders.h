// What a played library is ordered to do: "create=1 matmul=13".
#pragma once
#include <cstdlib>
#include <cstring>
#include <string>

static std::string orders;  // each library has its own

static int ordered(const char* what, int otherwise = 0) {
  size_t at = orders.find(std::string(what) + "=");
  return at == std::string::npos ? otherwise : atoi(orders.c_str() + at + strlen(what) + 1);
}
