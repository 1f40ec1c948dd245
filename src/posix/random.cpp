#include "posix/random.hpp"

#include <string.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace knul::posix {
namespace {

void fill_from_kernel(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t count = getrandom(out.data(), out.size(), 0);
    if (count > 0) {
      out = out.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      std::abort();  // Linux < 3.17, or a sandbox forbids it: secrets would be predictable
    }
  }
}

}  // namespace

SystemRandom::~SystemRandom() { explicit_bzero(buffer_.data(), buffer_.size()); }

void SystemRandom::fill(std::span<std::uint8_t> out) {
  if (out.size() > buffer_.size()) {
    fill_from_kernel(out);
    return;
  }
  if (out.size() > unused_) {
    fill_from_kernel(buffer_);
    unused_ = buffer_.size();
  }
  const std::span<std::uint8_t> taken = std::span(buffer_).last(unused_).first(out.size());
  if (taken.empty()) {
    return;
  }
  memcpy(out.data(), taken.data(), taken.size());
  explicit_bzero(taken.data(), taken.size());
  unused_ -= taken.size();
}

}  // namespace knul::posix
