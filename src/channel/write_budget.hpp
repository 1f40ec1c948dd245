// Bytes that programs gave to the channels of a server and that its connections have not taken yet.
//
// The idea (dynamic thresholds): a connection may hold half of what is free. However many hold as much as
// they may, something is left for the next one, and who holds much gets less as others come. Below a floor
// nobody is refused, so that a newcomer can always write: the floors come on top of the limit.
//
// Why nobody is told when others give bytes back: a stream that was refused has bytes queued, because its
// floor is above 0. It is looked at again when the connection takes those.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace knul::channel {

// Thread: all functions from any thread.
class WriteBudget {
 public:
  static constexpr std::uint64_t kDefaultBytes = 256 << 20;
  static constexpr std::uint64_t kConnectionFloorBytes = 16 << 10;
  static constexpr std::uint64_t kStreamFloorBytes = 2 << 10;

  explicit WriteBudget(std::uint64_t limit_bytes = kDefaultBytes) : limit_bytes_(limit_bytes) {}

  // What a connection that holds `held` may take in addition.
  [[nodiscard]] std::uint64_t room_of(std::uint64_t held) const {
    return room(held, used_bytes_.load(std::memory_order_relaxed));
  }
  // Takes up to `wanted` for a connection that holds `held`; `least` of it whatever is free. How much.
  std::uint64_t take(std::uint64_t held, std::uint64_t wanted, std::uint64_t least) {
    std::uint64_t used = used_bytes_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t taken = std::min(wanted, std::max(least, room(held, used)));
      if (used_bytes_.compare_exchange_weak(used, used + taken, std::memory_order_relaxed)) {
        return taken;
      }
    }
  }
  void release(std::uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::uint64_t room(std::uint64_t held, std::uint64_t used) const {
    const std::uint64_t free = limit_bytes_ - std::min(limit_bytes_, used);
    const std::uint64_t allowed = std::max(kConnectionFloorBytes, free / 2);
    return allowed - std::min(allowed, held);
  }

  const std::uint64_t limit_bytes_;
  std::atomic<std::uint64_t> used_bytes_{0};
};

// What the channels of a server have in common.
struct ServerShare {
  explicit ServerShare(std::uint64_t write_bytes = WriteBudget::kDefaultBytes) : writes(write_bytes) {}

  WriteBudget writes;
  std::atomic<std::uint64_t> datagrams_dropped{0};  // of the program, before a connection saw them
};

}  // namespace knul::channel
