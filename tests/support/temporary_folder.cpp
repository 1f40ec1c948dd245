#include "support/temporary_folder.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

int knul_test_make_temporary_folder(char* path, size_t path_size) {
  const char* base = std::getenv("TMPDIR");
  const int length =
      std::snprintf(path, path_size, "%s/knul-test-XXXXXX", base != nullptr && *base != '\0' ? base : "/tmp");
  if (length < 0 || static_cast<size_t>(length) >= path_size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return mkdtemp(path) != nullptr ? 0 : -1;
}

void knul_test_remove_folder(const char* path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}
