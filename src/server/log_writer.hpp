// Writes log lines to a descriptor of the host program, from a thread of its own. The descriptor may be full
// for ever, closed, or a pipe without a reader: whoever logs does not notice.
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

// Lifetime: nobody joins the thread, which may be inside a write for ever, so a writer is never destroyed.
class LogWriter {
 public:
  // Bound of the queue: 256 messages of at most 2 KiB. A longer text is cut.
  static constexpr std::size_t kMaxQueued = 256;
  static constexpr std::size_t kMaxTextBytes = 2'048;

  explicit LogWriter(int fd) : fd_(fd) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Queues a line; drops and counts it when the queue is full. `left_out` messages of its kind were not
  // written before this one; the line says so. Starts a thread, which ends when it has written everything;
  // where the system has no thread to give, messages wait in the queue for a later call to start it.
  // Thread: any. Never waits for the descriptor. Throws std::bad_alloc.
  void put(base::LogLevel level, std::string_view text, std::uint64_t left_out);

  // Messages lost because the queue was full or the descriptor refused them.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  // Waits until everything queued is written, at most `timeout`.
  void flush(std::chrono::milliseconds timeout) noexcept;

 private:
  struct Message {
    std::string text;
    std::chrono::system_clock::time_point at;
    base::LogLevel level = base::LogLevel::kOff;
  };

  void start_thread();  // with mutex_ held
  void run();
  void write_notice(std::uint64_t lost) noexcept;
  void write_line(const Message& message) noexcept;
  bool write_all(std::string_view bytes) noexcept;

  const int fd_;
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex mutex_;
  std::condition_variable written_;
  std::array<Message, kMaxQueued> queue_;  // a ring of count_ messages from first_ on
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t unreported_ = 0;  // dropped since the log last said so
  bool has_thread_ = false;
};

}  // namespace knul::server
