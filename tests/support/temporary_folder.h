/* A folder that a test may fill. For C and C++. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes a new empty folder below $TMPDIR or /tmp and writes its path. Returns 0, or -1 with errno set. */
int knul_test_make_temporary_folder(char* path, size_t path_size);

/* Removes the folder and everything in it. Ignores what it cannot remove. */
void knul_test_remove_folder(const char* path);

#ifdef __cplusplus
}

#include <stdexcept>
#include <string>

namespace knul::test {

// Lifetime: the folder goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char path[256];
    if (knul_test_make_temporary_folder(path, sizeof path) != 0) {
      throw std::runtime_error("no temporary folder");
    }
    path_ = path;
  }
  ~TemporaryFolder() { knul_test_remove_folder(path_.c_str()); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace knul::test
#endif
