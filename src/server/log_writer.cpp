#include "server/log_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "runtime/worker_thread.hpp"

namespace knul::server {
namespace {

std::string_view name_of(base::LogLevel level) {
  switch (level) {
    case base::LogLevel::kTrace:
      return "trace";
    case base::LogLevel::kDebug:
      return "debug";
    case base::LogLevel::kInfo:
      return "info";
    case base::LogLevel::kWarning:
      return "warning";
    case base::LogLevel::kError:
      return "error";
    case base::LogLevel::kOff:
      break;
  }
  return "off";
}

// "2026-11-29T23:06:42.123Z knul warning ". UTC, because localtime_r takes a lock, which a child forked
// meanwhile would find locked forever.
std::string prefix(std::chrono::system_clock::time_point at, base::LogLevel level) {
  namespace chrono = std::chrono;
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss time(chrono::floor<chrono::milliseconds>(at - day));
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ knul ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length)) + std::string(name_of(level)) + ' ';
}

}  // namespace

void LogWriter::put(base::LogLevel level, std::string_view text, std::uint64_t left_out) {
  std::string kept(text.substr(0, kMaxTextBytes));
  if (text.size() > kMaxTextBytes) {
    kept += "…";
  }
  if (left_out > 0) {
    kept += " (" + std::to_string(left_out) + " earlier messages of this kind omitted)";
  }
  Message message{std::move(kept), std::chrono::system_clock::now(), level};
  const std::lock_guard lock(mutex_);
  if (count_ < kMaxQueued) {
    queue_[(first_ + count_++) % kMaxQueued] = std::move(message);
  } else {
    ++unreported_;
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  if (!has_thread_) {
    start_thread();
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
    const Message message = std::move(queue_[first_]);
    first_ = (first_ + 1) % kMaxQueued;
    --count_;
    const std::uint64_t lost = std::exchange(unreported_, 0);
    lock.unlock();
    write_line(message);
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
    write_line({std::to_string(lost) + " messages omitted: standard error accepted them too slowly",
                std::chrono::system_clock::now(), base::LogLevel::kWarning});
  } catch (...) {  // out of memory; dropped() still counts
  }
}

void LogWriter::write_line(const Message& message) noexcept {
  bool is_written = false;
  try {
    is_written = write_all(prefix(message.at, message.level) + message.text + '\n');
  } catch (...) {  // out of memory for the line
  }
  if (!is_written) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
  }
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
