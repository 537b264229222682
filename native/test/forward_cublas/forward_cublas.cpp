// A libcublas.so.12 that hands every call of JCublas 12.6 to libcublas.so.13, for tests on machines that have only that one:
// symbols.txt (what libJCublas2 imports: nm -D --undefined-only) becomes one jump a symbol. x86-64. Not shipped.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#define SYMBOL(name)                                                       \
  __attribute__((used)) static void* name##_in_13 __asm__(#name "_in_13"); \
  __asm__(".globl " #name "\n.type " #name ", @function\n" #name ":\n  jmp *" #name "_in_13(%rip)\n");
#include "symbols.inc"
#undef SYMBOL

static void is_missing() {
  fputs("libcublas.so.12 (forwarding): libcublas.so.13 does not have the function that was called\n", stderr);
  abort();
}

__attribute__((constructor)) static void find() {
  void* library = dlopen("libcublas.so.13", RTLD_NOW);  // the one that is loaded already, by its name
#define SYMBOL(name)                                        \
  name##_in_13 = library ? dlsym(library, #name) : nullptr; \
  if (!name##_in_13) name##_in_13 = reinterpret_cast<void*>(is_missing);
#include "symbols.inc"
#undef SYMBOL
}
