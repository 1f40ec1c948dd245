// Zeroed memory of the kernel. A page uses no memory before its first access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace knul::posix {

class Mapping {
 public:
  // nullopt: the kernel refused. Requires bytes > 0.
  static std::optional<Mapping> create(std::size_t bytes) noexcept;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }
  // Transfers the memory to the caller, who unmaps it.
  [[nodiscard]] std::uint8_t* release() {
    bytes_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  Mapping(std::uint8_t* data, std::size_t bytes) : data_(data), bytes_(bytes) {}

  std::uint8_t* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace knul::posix
