// Writes log lines to a descriptor of the host program, on its own thread. The descriptor may be full
// forever, closed, or a pipe without a reader; a thread that logs never waits for it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace knul::server {

// Lifetime: never destroyed, because its thread may be inside a write forever and cannot be joined.
class LogWriter {
 public:
  // Bound of the queue: 256 messages of at most 2 KiB. Longer texts are cut.
  static constexpr std::size_t kMaxQueued = 256;
  static constexpr std::size_t kMaxTextBytes = 2'048;

  explicit LogWriter(int fd) : fd_(fd) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Queues a line; drops and counts it when the queue is full. The line reports `left_out` messages of its
  // kind that were not written before it. Starts a thread, which ends when it has written everything. If the
  // system refuses a thread, messages wait until a later call can start it. Thread: any. Never waits for the
  // descriptor. Throws std::bad_alloc.
  void put(base::LogLevel level, std::string_view text, std::uint64_t left_out);

  // Messages dropped because the queue was full or the descriptor refused them.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  // Waits until all queued messages are written, at most `timeout`.
  void flush(std::chrono::milliseconds timeout) noexcept;

 private:
  struct Message {
    std::string text;
    std::chrono::system_clock::time_point at;
    base::LogLevel level = base::LogLevel::kOff;
  };

  void start_thread();  // requires mutex_
  void run();
  void write_notice(std::uint64_t lost) noexcept;
  void write_line(const Message& message) noexcept;
  bool write_all(std::string_view bytes) noexcept;

  const int fd_;
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex mutex_;
  std::condition_variable written_;
  std::array<Message, kMaxQueued> queue_;  // a ring: count_ messages from first_ on
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t unreported_ = 0;  // dropped since the last line that reported drops
  bool has_thread_ = false;
};

}  // namespace knul::server
