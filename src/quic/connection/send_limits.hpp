// What limits the sending of a connection, and for how long: the answer to "why is it slow?".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"
#include "stats/worker_counters.hpp"

namespace knul::quic {

enum class SendLimit : std::uint8_t {
  kApplication,       // the program has nothing to send
  kCongestionWindow,  // RFC 9002 §7
  kPacing,            // RFC 9002 §7.7
  kConnectionWindow,  // the peer's MAX_DATA
  kStreamWindow,      // the peer's MAX_STREAM_DATA, of each stream with data
  kStreamLimit,       // the peer's MAX_STREAMS, and nothing else waits
  kSendMemory,        // the send buffers are full, and all their bytes are in flight
  kSocket,            // the kernel's send buffer is full
  kWorker,            // its turn in the worker's loop has not come
};
inline constexpr std::size_t kSendLimits = 9;

// The time under each limit. Thread: one. Size: 56 bytes.
class SendLimitTimes {
 public:
  using Shares = std::array<double, kSendLimits>;

  explicit SendLimitTimes(base::Instant now) : since_(now) {}

  [[nodiscard]] SendLimit current() const { return current_; }
  // The time until now was under the present limit, the time from now on is under `next`.
  void change(SendLimit next, base::Instant now, stats::WorkerCounters& counters) {
    if (next != current_) {
      charge(current_, now, counters);
      current_ = next;
    }
  }
  // The kernel's send buffer has been full for `total` since some fixed time, on the socket that all
  // connections of the worker share. Called before change(), when the connection had to wait for the socket.
  void note_socket(base::Duration total, base::Instant now, stats::WorkerCounters& counters) {
    if (const auto ticks = static_cast<std::uint32_t>(to_ticks(total)); ticks != socket_ticks_) {
      charge_socket(ticks, now, counters);
    }
  }
  // Parts of the connection's age; their sum is 1. After three days the past weighs less than later time.
  [[nodiscard]] Shares shares(base::Instant now) const;

 private:
  // 65,536 ns. Times are cut to ticks of one clock, so that nothing is lost between two changes.
  static std::uint64_t to_ticks(base::Duration time) {
    return static_cast<std::uint64_t>(time.count()) >> 16;
  }
  void charge(SendLimit limit, base::Instant until, stats::WorkerCounters& counters);
  [[gnu::cold]] void charge_socket(std::uint32_t total_ticks, base::Instant now,
                                   stats::WorkerCounters& counters);

  // In ticks. All are halved before one would overflow, which keeps the shares.
  std::array<std::uint32_t, kSendLimits> spent_{};
  std::uint32_t socket_ticks_ = 0;  // `total` of the last note_socket()
  base::Instant since_;
  SendLimit current_ = SendLimit::kApplication;
};

static_assert(sizeof(SendLimitTimes) == 56);

}  // namespace knul::quic
