// Limits the work that a peer's frames cause.
// A packet costs as much as its frames. 60 KB of PING or STOP_SENDING, one to three bytes each, keep a worker
// busy for milliseconds; 60 KB of an upload take some ten microseconds. ngtcp2 spends 20 to 300 ns on a
// frame. So frames are counted, and a packet is charged for the frames beyond kFreeFrames and one for every
// kBytesPerFrame bytes; honest packets have fewer. The packets of a connection in debt are dropped unread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace knul::quic {

// A token bucket that may go into debt, because the cost of a packet is known only after decryption.
template <std::uint32_t kPerSecond, std::uint32_t kBurst>
class FrameDebt {
 public:
  static constexpr base::Duration kInterval{1'000'000'000 / kPerSecond};
  static constexpr base::Duration kDepth = kInterval * kBurst;
  // The largest debt, as the time to pay it off. A packet with any number of frames costs no more.
  static constexpr base::Duration kLongest = std::chrono::seconds(4);

  [[nodiscard]] bool is_in_debt(base::Instant now) const { return full_at_ - now > kDepth; }
  void charge(base::Instant now, std::uint32_t frames) {
    full_at_ = std::min(std::max(full_at_, now) + kInterval * frames, now + kDepth + kLongest);
  }

 private:
  base::Instant full_at_{};  // when the debt is paid
};

// For all connections of an endpoint. Thread: its endpoint's.
class SharedFrameBudget {
 public:
  // Charged frames per second; they take a tenth to a third of a worker's time.
  static constexpr std::uint32_t kPerSecond = 1'000'000;
  static constexpr std::uint32_t kBurst = 32'768;

  // All frames read, charged or not. Never falls.
  [[nodiscard]] std::uint64_t frames_read() const { return frames_read_; }
  [[nodiscard]] bool is_short(base::Instant now) const { return debt_.is_in_debt(now); }

 private:
  friend class FrameBudget;
  std::uint64_t frames_read_ = 0;
  FrameDebt<kPerSecond, kBurst> debt_;
};

// For one connection. Thread: its endpoint's.
class FrameBudget {
 public:
  static constexpr std::uint32_t kFreeFrames = 8;      // per packet
  static constexpr std::uint32_t kBytesPerFrame = 12;  // of decrypted payload; requests have more
  // Charged frames per second. A packet of 1,452 bytes full of 8-byte requests has 104 frames and is not
  // charged.
  static constexpr std::uint32_t kPerSecond = 500'000;
  static constexpr std::uint32_t kBurst = 16'384;
  // While the endpoint is short, packets of a connection that has charged more than this are dropped unread.
  // Honest connections charge less.
  static constexpr std::uint32_t kPerSecondWhenShort = 8'192;
  static constexpr std::uint32_t kBurstWhenShort = 8'192;

  [[nodiscard]] static std::uint32_t charged(std::uint32_t frames, std::size_t payload_bytes) {
    const auto free = static_cast<std::uint32_t>(kFreeFrames + payload_bytes / kBytesPerFrame);
    return frames > free ? frames - free : 0;
  }

  // False: the next packet must be dropped.
  [[nodiscard]] bool admits_packet(const SharedFrameBudget& shared, base::Instant now) const {
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
