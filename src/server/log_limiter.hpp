// Limits the rate of each kind of log message.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/log.hpp"
#include "base/time.hpp"

namespace knul::server {

// A token bucket per kind: one message a second, bursts of ten. Thread: any. Without a lock, because workers
// call it for every message of a flood.
class LogLimiter {
 public:
  static constexpr std::chrono::nanoseconds kInterval = std::chrono::seconds(1);
  static constexpr int kBurst = 10;

  // Takes a token of the kind. False: there is none, and the message counts as left out.
  bool take(base::LogKind kind, base::Instant now) noexcept {
    Bucket& bucket = buckets_[static_cast<std::size_t>(kind)];
    const std::int64_t at = now.time_since_epoch().count();
    // Virtual scheduling, as in base::TokenBucket: `next` is the time when the bucket will be full again.
    std::int64_t next = bucket.next.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t start = std::max(next, at);
      if (start - at + kInterval.count() > kInterval.count() * kBurst) {
        bucket.left_out.fetch_add(1, std::memory_order_relaxed);
        left_out_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
      if (bucket.next.compare_exchange_weak(next, start + kInterval.count(), std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  // Messages of this kind left out since the last call.
  std::uint64_t take_left_out(base::LogKind kind) noexcept {
    return buckets_[static_cast<std::size_t>(kind)].left_out.exchange(0, std::memory_order_relaxed);
  }
  // Messages of all kinds left out since the start.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_.load(std::memory_order_relaxed); }

 private:
  struct Bucket {
    std::atomic<std::int64_t> next{0};
    std::atomic<std::uint64_t> left_out{0};
  };
  std::array<Bucket, base::kLogKinds> buckets_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace knul::server
