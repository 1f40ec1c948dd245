// DATAGRAM frames (RFC 9221) that wait to be sent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "base/time.hpp"
#include "quic/block_pool.hpp"

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

// One of a DatagramQueue, at the front of its block.
struct UnsentDatagram {
  DatagramTag tag;
  base::Instant expires_at;
  std::span<std::uint8_t> bytes;  // the rest of the block
  UnsentDatagram* next = nullptr;
};

class DatagramQueue {
 public:
  // Lifetime: `pool` longer.
  explicit DatagramQueue(BlockPool& pool) : pool_(pool) {}
  ~DatagramQueue() {
    while (!is_empty()) {
      pop();
    }
  }
  DatagramQueue(const DatagramQueue&) = delete;
  DatagramQueue& operator=(const DatagramQueue&) = delete;

  [[nodiscard]] bool is_empty() const { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // For these two the queue is not empty.
  [[nodiscard]] const UnsentDatagram& front() const { return *first_; }
  void pop() {
    UnsentDatagram* const popped = std::exchange(first_, first_->next);
    pool_.give(popped, sizeof *popped + popped->bytes.size());
    --size_;
  }
  // Copies `bytes`. Throws std::bad_alloc, and is then as before.
  void push(std::span<const std::uint8_t> bytes, DatagramTag tag, base::Instant expires_at) {
    void* const block = pool_.take(sizeof(UnsentDatagram) + bytes.size());
    const std::span<std::uint8_t> copy(static_cast<std::uint8_t*>(block) + sizeof(UnsentDatagram),
                                       bytes.size());
    std::ranges::copy(bytes, copy.begin());
    auto* const pushed = new (block) UnsentDatagram{tag, expires_at, copy};
    (is_empty() ? first_ : last_->next) = pushed;
    last_ = pushed;
    ++size_;
  }

  void note_blocked() { has_blocked_ = true; }
  // True once after note_blocked, when half of `limit` is free.
  [[nodiscard]] bool take_writable(std::size_t limit) {
    return has_blocked_ && size() <= limit / 2 && std::exchange(has_blocked_, false);
  }

 private:
  BlockPool& pool_;
  UnsentDatagram* first_ = nullptr;
  UnsentDatagram* last_ = nullptr;  // where there is a first
  std::size_t size_ = 0;
  bool has_blocked_ = false;
};

}  // namespace knul::quic
