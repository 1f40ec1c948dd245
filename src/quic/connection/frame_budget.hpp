// How much work a peer's frames may make. A packet's cost is that of its frames: 60 KB full of PING or
// STOP_SENDING, a byte or three each, keep a worker busy for milliseconds, 60 KB of an upload for some ten
// microseconds. So frames are counted, and those that honest packets do not have are charged: more than
// kFreeFrames and one for every kBytesPerFrame bytes. A connection in debt has its packets dropped unread.
// What ngtcp2 makes of a frame is 20 to 300 ns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace knul::quic {

// A token bucket that may go into debt, as the cost of a packet is known only when it has been decrypted.
template <std::uint32_t kPerSecond, std::uint32_t kBurst>
class FrameDebt {
 public:
  static constexpr base::Duration kInterval{1'000'000'000 / kPerSecond};
  static constexpr base::Duration kDepth = kInterval * kBurst;
  // However large one packet is, it is paid off in this time.
  static constexpr base::Duration kLongest = std::chrono::seconds(4);

  [[nodiscard]] bool is_in_debt(base::Instant now) const { return full_at_ - now > kDepth; }
  void charge(base::Instant now, std::uint32_t frames) {
    full_at_ = std::min(std::max(full_at_, now) + kInterval * frames, now + kDepth + kLongest);
  }

 private:
  base::Instant full_at_{};  // when nothing will be owed
};

// Of all connections of an endpoint. Thread: its endpoint's.
class SharedFrameBudget {
 public:
  // Charged frames, a tenth to a third of a worker's time.
  static constexpr std::uint32_t kPerSecond = 1'000'000;
  static constexpr std::uint32_t kBurst = 32'768;

  // Every frame that was read, charged or not. Never falls.
  [[nodiscard]] std::uint64_t frames_read() const { return frames_read_; }
  [[nodiscard]] bool is_short(base::Instant now) const { return debt_.is_in_debt(now); }

 private:
  friend class FrameBudget;
  std::uint64_t frames_read_ = 0;
  FrameDebt<kPerSecond, kBurst> debt_;
};

// Of one connection. Thread: its endpoint's.
class FrameBudget {
 public:
  static constexpr std::uint32_t kFreeFrames = 8;      // of a packet
  static constexpr std::uint32_t kBytesPerFrame = 12;  // of its decrypted payload; requests have more
  // Charged frames. Requests of 8 bytes each fill a packet of 1,452 bytes with 104 frames, and none is
  // charged.
  static constexpr std::uint32_t kPerSecond = 500'000;
  static constexpr std::uint32_t kBurst = 16'384;
  // While the endpoint is short: who has charged more than this is not read. Honest connections are not.
  static constexpr std::uint32_t kPerSecondWhenShort = 8'192;
  static constexpr std::uint32_t kBurstWhenShort = 8'192;

  [[nodiscard]] static std::uint32_t charged(std::uint32_t frames, std::size_t payload_bytes) {
    const auto free = static_cast<std::uint32_t>(kFreeFrames + payload_bytes / kBytesPerFrame);
    return frames > free ? frames - free : 0;
  }

  // False: the next packet is to be dropped.
  [[nodiscard]] bool takes_packet(const SharedFrameBudget& shared, base::Instant now) const {
    return !debt_.is_in_debt(now) && !(is_dense(now) && shared.is_short(now));
  }
  void note(SharedFrameBudget& shared, std::uint32_t frames, std::size_t payload_bytes, base::Instant now) {
    shared.frames_read_ += frames;
    if (const std::uint32_t charge = charged(frames, payload_bytes); charge > 0) {
      shared.debt_.charge(now, charge);
      debt_.charge(now, charge);
      density_.charge(now, charge);
    }
  }

 private:
  [[nodiscard]] bool is_dense(base::Instant now) const { return density_.is_in_debt(now); }

  FrameDebt<kPerSecond, kBurst> debt_;
  FrameDebt<kPerSecondWhenShort, kBurstWhenShort> density_;
};

}  // namespace knul::quic
