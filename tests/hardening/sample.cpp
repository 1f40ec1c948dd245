// One function for each check that the flags of a release add. Compiled with those flags in every build, and
// read by scripts/check_symbols.py; never run.
#include <cstddef>
#include <cstring>
#include <vector>

extern "C" {
void knul_sample_use(const void* bytes);

// _FORTIFY_SOURCE=3 knows the size of memory that was allocated with a size only known at run time.
void knul_copy(const void* from, std::size_t size, std::size_t room) {
  void* const to = __builtin_malloc(room);
  std::memcpy(to, from, size);
  knul_sample_use(to);
}

// -fstack-protector-strong, -fstack-clash-protection, -fcf-protection.
void knul_large_frame() {
  char bytes[100'000];
  knul_sample_use(bytes);
}

// _GLIBCXX_ASSERTIONS.
int knul_element(const std::vector<int>& values, std::size_t index) { return values[index]; }
}
