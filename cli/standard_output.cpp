#include "cli/standard_output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace knul::cli {

Outcome<void> print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size() || std::fflush(stdout) != 0) {
    return run_failure(std::string("standard output: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace knul::cli
