// Writes log lines to a descriptor of the host program, or gives them to a handler of it, on its own thread.
// The descriptor may be full forever, closed, or a pipe without a reader, and the handler may be slow; a
// thread that logs never waits for either.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "server/log_format.hpp"

namespace knul::server {

// Lifetime: never destroyed, because its thread may be inside a write forever and cannot be joined.
class LogWriter {
 public:
  // Bound of the queue: 256 messages of at most 2 KiB. Longer texts are cut.
  static constexpr std::size_t kMaxQueued = 256;
  static constexpr std::size_t kMaxTextBytes = 2'048;

  // False: the handler did not take the message, which goes to the descriptor.
  // Thread: the writer's, one call at a time.
  using Handler = std::function<bool(const LogRecord& record)>;

  LogWriter(int fd, LogFormat format) : fd_(fd), format_(format) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Queues a message; sets its time, and drops and counts it when the queue is full. Starts a thread, which
  // ends when it has written everything. If the system refuses a thread, messages wait until a later call can
  // start it. Thread: any. Never waits for the descriptor or the handler. Throws std::bad_alloc.
  void put(LogRecord record);

  // From then on messages go to `handler`; empty: to the descriptor. Blocks while the earlier handler runs,
  // which is not called any more when this returns; does not block on the writer's thread, within a handler.
  // Thread: any. Throws std::bad_alloc.
  void set_handler(Handler handler);

  // Counts messages that a handler accepted and then lost. Thread: any.
  void count_lost(std::uint64_t count) noexcept { dropped_.fetch_add(count, std::memory_order_relaxed); }
  // Messages dropped because the queue was full, the descriptor refused them, the handler threw or lost them.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  // Waits until all queued messages are written, at most `timeout`.
  void flush(std::chrono::milliseconds timeout) noexcept;

 private:
  void start_thread();  // requires mutex_
  void run();
  void write_notice(std::uint64_t lost) noexcept;
  void write(const LogRecord& record) noexcept;
  // False: no handler took it. Throws what the handler throws.
  bool give_to_handler(const LogRecord& record);
  bool write_all(std::string_view bytes) noexcept;

  const int fd_;
  const LogFormat format_;
  std::atomic<std::uint64_t> dropped_{0};

  // Order: call_mutex_ before mutex_. Held while a handler runs, and never during a write to the descriptor.
  std::mutex call_mutex_;
  std::atomic<std::thread::id> calling_thread_{};
  std::mutex mutex_;
  std::condition_variable written_;
  std::shared_ptr<const Handler> handler_;   // null: the descriptor
  std::array<LogRecord, kMaxQueued> queue_;  // a ring: count_ messages from first_ on
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t unreported_ = 0;  // dropped since the last line that reported drops
  bool has_thread_ = false;
};

}  // namespace knul::server
