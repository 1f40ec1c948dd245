// The unsent DATAGRAM frames of one connection (RFC 9221), oldest first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "base/time.hpp"
#include "quic/memory/block_pool.hpp"

namespace knul::quic {

enum class DatagramPolicy : std::uint8_t { kBlock, kDropOldest, kDropNewest };
enum class DatagramOutcome : std::uint8_t { kQueued, kBlocked, kDropped, kRefused };
enum class DatagramFate : std::uint8_t { kAcknowledged, kLost, kDropped };

struct DatagramRequest {
  DatagramPolicy policy = DatagramPolicy::kDropNewest;
  base::Duration expires_after{};                  // 0: never
  std::optional<std::uint32_t> fate_context = {};  // set: its fate is reported
};

// The identifier that the QUIC library stores for a DATAGRAM. It need not be unique, so it holds all data for
// the report when the frame is acknowledged or lost.
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

// An element of DatagramQueue, at the front of its block.
struct UnsentDatagram {
  DatagramTag tag;
  base::Instant expires_at;
  std::span<std::uint8_t> bytes;  // the rest of the block
  UnsentDatagram* next = nullptr;
};

class DatagramQueue {
 public:
  // Lifetime: `pool` outlives this object.
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
  // The memory of all queued DATAGRAMs.
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }
  // The memory of a DATAGRAM with `bytes`.
  [[nodiscard]] static std::size_t memory_of(std::size_t bytes) {
    return BlockPool::block_bytes(sizeof(UnsentDatagram) + bytes);
  }
  // Both require a queue that is not empty.
  [[nodiscard]] const UnsentDatagram& front() const { return *first_; }
  // Returns the memory that the DATAGRAM used.
  std::size_t pop() {
    UnsentDatagram* const popped = std::exchange(first_, first_->next);
    const std::size_t memory = memory_of(popped->bytes.size());
    pool_.release(popped, sizeof *popped + popped->bytes.size());
    --size_;
    held_bytes_ -= memory;
    return memory;
  }
  // Copies `bytes`. Throws std::bad_alloc and then has changed nothing.
  void push(std::span<const std::uint8_t> bytes, DatagramTag tag, base::Instant expires_at) {
    void* const block = pool_.take(sizeof(UnsentDatagram) + bytes.size());
    const std::span<std::uint8_t> copy(static_cast<std::uint8_t*>(block) + sizeof(UnsentDatagram),
                                       bytes.size());
    if (!bytes.empty()) {
      std::memcpy(copy.data(), bytes.data(), bytes.size());
    }
    auto* const pushed = new (block) UnsentDatagram{tag, expires_at, copy};
    (is_empty() ? first_ : last_->next) = pushed;
    last_ = pushed;
    ++size_;
    held_bytes_ += memory_of(bytes.size());
  }

  void note_blocked() {
    has_blocked_ = true;
    blocked_size_ = size_;
  }
  // True once after note_blocked(), when half of the DATAGRAMs queued at that call have left.
  [[nodiscard]] bool take_writable() {
    return has_blocked_ && size_ <= blocked_size_ / 2 && std::exchange(has_blocked_, false);
  }

 private:
  BlockPool& pool_;
  UnsentDatagram* first_ = nullptr;
  UnsentDatagram* last_ = nullptr;  // valid while first_ is not null
  std::size_t size_ = 0;
  std::size_t held_bytes_ = 0;
  std::size_t blocked_size_ = 0;  // at note_blocked()
  bool has_blocked_ = false;
};

}  // namespace knul::quic
