// Memory for datagrams on their way to another worker. The memory returned last is used first, because it is
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
  static constexpr std::size_t kMost = 256;           // more go back to the heap,
  static constexpr std::size_t kMostBytes = 2 << 10;  // and so does memory for unusually large datagrams

  SparePayloads() { spares_.reserve(kMost); }

  // Empty, with capacity from a returned payload if there is one.
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
