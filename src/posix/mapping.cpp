#include "posix/mapping.hpp"

#include <sys/mman.h>

namespace knul::posix {

std::optional<Mapping> Mapping::create(std::size_t bytes) noexcept {
  // Private: a forked child gets a copy and does not see what the parent receives later.
  void* const data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return std::nullopt;
  }
  return Mapping(static_cast<std::uint8_t*>(data), bytes);
}

Mapping::~Mapping() {
  if (data_ != nullptr) {
    ::munmap(data_, bytes_);
  }
}

}  // namespace knul::posix
