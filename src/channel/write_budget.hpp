// Bytes that programs have written to the channels of a server and its connections have not accepted yet.
//
// A connection may hold half of the free bytes (base/fair_share.hpp). Each connection may hold its floor even
// if no bytes are free, so a new connection can always write. The floors come on top of the limit.
//
// A connection may also hold at most a multiple of its congestion window, like the send buffer of a TCP
// socket. A program with one thread copies an answer before it reads the next event. Without this rule, peers
// that acknowledge nothing would make it copy the whole budget at once, and all other peers would wait.
// Weak case: a peer that acknowledged many bytes, and so has a large window, and then stops.
//
// A release of bytes need not wake another connection. A stream whose write was refused has queued bytes,
// because its floor is above 0. When its connection accepts them, the worker checks the stream's room again.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/fair_share.hpp"

namespace knul::channel {

// Thread: all functions from any thread.
class WriteBudget {
 public:
  static constexpr std::uint64_t kDefaultBytes = 256 << 20;
  static constexpr std::uint64_t kConnectionFloorBytes = 16 << 10;
  static constexpr std::uint64_t kStreamFloorBytes = 2 << 10;
  // The allowance of a connection whose congestion window is small.
  static constexpr std::uint64_t kAllowanceBytes = 128 << 10;
  // Each stream may hold this even if other streams use up the allowance of their connection.
  static constexpr std::uint64_t kStreamAllowanceBytes = 16 << 10;

  // The bytes that a stream and its connection hold, and the connection's allowance.
  struct Usage {
    std::uint64_t of_connection = 0;
    std::uint64_t of_stream = 0;
    std::uint64_t allowance = kAllowanceBytes;
  };

  // The allowance for a congestion window: the bytes that the path carries in eight round trips, because a
  // program may read its rings less often than once per round trip.
  static std::uint64_t allowance_of(std::uint64_t congestion_window_bytes) {
    return std::max(kAllowanceBytes, 8 * congestion_window_bytes);
  }

  explicit WriteBudget(std::uint64_t limit_bytes = kDefaultBytes) : limit_bytes_(limit_bytes) {}

  // The bytes that a connection that holds `held` may take in addition.
  [[nodiscard]] std::uint64_t room_of(std::uint64_t held) const {
    return room(held, used_bytes_.load(std::memory_order_relaxed));
  }
  // Takes up to `wanted` bytes for a connection that holds `held`, and returns the number of bytes. Takes the
  // first `least` of them even if no bytes are free.
  std::uint64_t take(std::uint64_t held, std::uint64_t wanted, std::uint64_t least) {
    std::uint64_t used = used_bytes_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t taken = std::min(wanted, std::max(least, room(held, used)));
      if (used_bytes_.compare_exchange_weak(used, used + taken, std::memory_order_relaxed)) {
        return taken;
      }
    }
  }
  // room_of and take for a stream. A stream without bytes always has room for kStreamFloorBytes.
  [[nodiscard]] std::uint64_t room_of(const Usage& usage) const {
    const std::uint64_t room = std::min(allowed(usage), room_of(usage.of_connection));
    return std::max(room, remaining(kStreamFloorBytes, usage.of_stream));
  }
  std::uint64_t take(const Usage& usage, std::uint64_t wanted) {
    const std::uint64_t least = remaining(kStreamFloorBytes, usage.of_stream);
    return take(usage.of_connection, std::min(wanted, std::max(allowed(usage), least)), least);
  }
  void release(std::uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  static std::uint64_t remaining(std::uint64_t most, std::uint64_t used) {
    return most - std::min(most, used);
  }
  // The room that the allowance leaves.
  static std::uint64_t allowed(const Usage& usage) {
    return std::max(remaining(usage.allowance, usage.of_connection),
                    remaining(kStreamAllowanceBytes, usage.of_stream));
  }
  [[nodiscard]] std::uint64_t room(std::uint64_t held, std::uint64_t used) const {
    return std::max(base::fair_share::room_of_connection(remaining(limit_bytes_, used), held,
                                                         base::fair_share::kHalfOfFree),
                    remaining(kConnectionFloorBytes, held));
  }

  const std::uint64_t limit_bytes_;
  std::atomic<std::uint64_t> used_bytes_{0};
};

// The state that all channels of a server share.
struct ServerShare {
  explicit ServerShare(std::uint64_t write_bytes = WriteBudget::kDefaultBytes) : writes(write_bytes) {}

  WriteBudget writes;
  std::atomic<std::uint64_t> datagrams_dropped{0};  // by a channel whose queue is full
};

}  // namespace knul::channel
