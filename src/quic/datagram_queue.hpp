// DATAGRAM frames (RFC 9221) that wait to be sent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace knul::quic {

enum class DatagramPolicy : std::uint8_t { kBlock, kDropOldest, kDropNewest };
enum class DatagramOutcome : std::uint8_t { kQueued, kBlocked, kDropped, kRefused };
enum class DatagramFate : std::uint8_t { kAcknowledged, kLost, kDropped };

struct DatagramRequest {
  DatagramPolicy policy = DatagramPolicy::kDropNewest;
  base::Duration expires_after{};                  // 0: never
  std::optional<std::uint32_t> fate_context = {};  // set: its fate is told
};

// The identifier that the QUIC library carries for us: it need not be unique, so it says all that is to be
// told when the frame is acknowledged or lost.
class DatagramTag {
 public:
  explicit DatagramTag(std::optional<std::uint32_t> fate_context)
      : value_(fate_context ? kReportsFate | *fate_context : 0) {}
  explicit DatagramTag(std::uint64_t value) : value_(value) {}

  [[nodiscard]] std::uint64_t value() const { return value_; }
  [[nodiscard]] bool reports_fate() const { return (value_ & kReportsFate) != 0; }
  [[nodiscard]] std::uint32_t context() const { return static_cast<std::uint32_t>(value_); }

 private:
  static constexpr std::uint64_t kReportsFate = std::uint64_t{1} << 63;
  std::uint64_t value_;
};

struct UnsentDatagram {
  std::vector<std::uint8_t> bytes;
  DatagramTag tag;
  base::Instant expires_at = base::kNever;
};

class DatagramQueue {
 public:
  [[nodiscard]] bool is_empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return entries_ ? entries_->size() : 0; }
  // The queue is not empty.
  [[nodiscard]] const UnsentDatagram& front() const { return entries_->front(); }
  void push(UnsentDatagram datagram) {
    if (entries_ == nullptr) {
      entries_ = std::make_unique<std::deque<UnsentDatagram>>();
    }
    entries_->push_back(std::move(datagram));
  }
  // The queue is not empty.
  void pop() { entries_->pop_front(); }
  // While it is empty.
  void free_memory() { entries_.reset(); }

  void note_blocked() { has_blocked_ = true; }
  // True once after note_blocked, when half of `limit` is free.
  [[nodiscard]] bool take_writable(std::size_t limit) {
    return has_blocked_ && size() <= limit / 2 && std::exchange(has_blocked_, false);
  }

 private:
  std::unique_ptr<std::deque<UnsentDatagram>> entries_;  // made when needed: an empty one takes 600 bytes
  bool has_blocked_ = false;
};

}  // namespace knul::quic
