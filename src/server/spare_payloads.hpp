// Memory for datagrams on their way to another worker. What was given back last is taken first, because it is
// still in a processor's cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace knul::server {

// Thread: any.
class SparePayloads {
 public:
  static constexpr std::size_t kMost = 256;           // beyond, memory goes back to the heap,
  static constexpr std::size_t kMostBytes = 2 << 10;  // and so does that of a datagram beyond the usual size

  SparePayloads() { spares_.reserve(kMost); }

  // Empty, with memory if there was any.
  [[nodiscard]] std::vector<std::uint8_t> take() {
    const std::lock_guard lock(mutex_);
    if (spares_.empty()) {
      return {};
    }
    std::vector<std::uint8_t> payload = std::move(spares_.back());
    spares_.pop_back();
    return payload;
  }
  void give(std::vector<std::uint8_t> payload) noexcept {
    payload.clear();
    const std::lock_guard lock(mutex_);
    if (spares_.size() < kMost && payload.capacity() <= kMostBytes) {
      spares_.push_back(std::move(payload));
    }
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<std::uint8_t>> spares_;
};

}  // namespace knul::server
