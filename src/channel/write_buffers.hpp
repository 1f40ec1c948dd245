// Buffers for the bytes that the program writes. The program's threads and the workers allocate them. The
// engine releases a buffer when the peer has acknowledged its bytes, and a later write uses it again.
#pragma once

#include <krepis/krepis.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace knul::channel {

// Keeps at most kKeptBytes of unused buffers of each size, and at most kKeptBytesInAll of all sizes. Buffers
// above kLargestBytes come from the heap each time. Thread: any. Lifetime: buffers may outlive this object.
class WriteBuffers {
 public:
  static constexpr std::size_t kSmallestBytes = 1 << 10;
  static constexpr std::size_t kLargestBytes = 64 << 10;
  static constexpr std::size_t kKeptBytes = 4 << 20;
  static constexpr std::size_t kKeptBytesInAll = 16 << 20;

  WriteBuffers();
  ~WriteBuffers();
  WriteBuffers(const WriteBuffers&) = delete;
  WriteBuffers& operator=(const WriteBuffers&) = delete;

  // An uninitialised buffer of `bytes` bytes. make and copy throw std::bad_alloc.
  [[nodiscard]] std::shared_ptr<std::uint8_t[]> make(std::size_t bytes);
  [[nodiscard]] krepis::SharedBytes copy(std::span<const std::uint8_t> bytes);
  // The bytes of the unused buffers.
  [[nodiscard]] std::size_t kept_bytes() const;

 private:
  class Store;
  template <class T>
  struct Allocator;

  const std::shared_ptr<Store> store_;
};

}  // namespace knul::channel
