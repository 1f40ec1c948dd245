#include "server/log_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/worker_thread.hpp"

namespace knul::server {
void LogWriter::put(LogRecord record) {
  if (record.text.size() > kMaxTextBytes) {
    record.text.resize(kMaxTextBytes);
    record.text += "…";
  }
  record.at = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  if (count_ < kMaxQueued) {
    queue_[(first_ + count_++) % kMaxQueued] = std::move(record);
  } else {
    ++unreported_;
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!has_thread_) {
    start_thread();
  }
}

void LogWriter::set_handler(Handler handler) {
  auto next = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
  {
    const std::lock_guard lock(mutex_);
    handler_.swap(next);
  }
  if (calling_thread_.load() != std::this_thread::get_id()) {
    const std::lock_guard until_returned(call_mutex_);
  }
}

void LogWriter::start_thread() {
  auto thread = runtime::WorkerThread::start({.name = "knul-log"}, [this] { run(); });
  if (thread) {
    thread->detach();
    has_thread_ = true;
  }
}

// Thread: the writer's. It blocks every signal, so a pipe without a reader returns EPIPE and raises no
// SIGPIPE.
void LogWriter::run() {
  std::unique_lock lock(mutex_);
  while (count_ > 0) {
    const LogRecord record = std::move(queue_[first_]);
    first_ = (first_ + 1) % kMaxQueued;
    --count_;
    const std::uint64_t lost = std::exchange(unreported_, 0);
    lock.unlock();
    write(record);
    if (lost > 0) {
      write_notice(lost);
    }
    lock.lock();
  }
  has_thread_ = false;
  written_.notify_all();
}

void LogWriter::write_notice(std::uint64_t lost) noexcept {
  try {
    write({base::LogLevel::kWarning, base::LogKind::kLog,
           std::to_string(lost) +
               " messages omitted: standard error or the log handler accepted them too slowly",
           0, std::chrono::system_clock::now()});
  } catch (...) {  // out of memory; dropped() still counts
  }
}

void LogWriter::write(const LogRecord& record) noexcept {
  bool is_written = false;
  try {
    is_written = give_to_handler(record) || write_all(line_of(record, format_));
  } catch (...) {  // out of memory for the line, or the handler threw
  }
  if (!is_written) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
}

bool LogWriter::give_to_handler(const LogRecord& record) {
  const std::lock_guard call(call_mutex_);
  std::shared_ptr<const Handler> handler;
  {
    const std::lock_guard lock(mutex_);
    handler = handler_;
  }
  if (handler == nullptr) {
    return false;
  }
  struct Calling {
    explicit Calling(std::atomic<std::thread::id>& thread) : thread_(thread) {
      thread_.store(std::this_thread::get_id());
    }
    ~Calling() { thread_.store({}); }
    std::atomic<std::thread::id>& thread_;
  } const calling(calling_thread_);
  return (*handler)(record);
}

bool LogWriter::write_all(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // the host has made the descriptor non-blocking
      pollfd wait{fd_, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void LogWriter::flush(std::chrono::milliseconds timeout) noexcept {
  std::unique_lock lock(mutex_);
  // By the system clock: ThreadSanitizer of GCC 12 does not support the wait on the steady clock.
  written_.wait_until(lock, std::chrono::system_clock::now() + timeout, [this] { return !has_thread_; });
}

}  // namespace knul::server
