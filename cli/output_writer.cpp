#include "cli/output_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace knul::cli {
namespace {

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // another process that shares it has made it non-blocking
      pollfd wait{descriptor, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return;  // closed, or a pipe without a reader
    }
  }
}

}  // namespace

struct OutputWriter::State {
  int descriptor = -1;
  std::mutex mutex;
  std::condition_variable filled;
  std::condition_variable written;
  std::deque<std::string> lines;
  std::size_t waiting_bytes = 0;  // with the line that the thread is writing
  bool is_closed = false;
};

OutputWriter::OutputWriter(int descriptor) : state_(std::make_shared<State>()) {
  state_->descriptor = descriptor;
  std::thread([state = state_] { run(state); }).detach();
}

OutputWriter::~OutputWriter() {
  const std::lock_guard lock(state_->mutex);
  state_->is_closed = true;
  state_->filled.notify_all();
}

void OutputWriter::write(std::string text, Loss loss) {
  const std::lock_guard lock(state_->mutex);
  if (loss == Loss::kWhenFull && state_->waiting_bytes > kMaxWaitingBytes) {
    return;
  }
  state_->waiting_bytes += text.size();
  state_->lines.push_back(std::move(text));
  state_->filled.notify_all();
}

bool OutputWriter::take_back() {
  const std::lock_guard lock(state_->mutex);
  if (state_->lines.empty()) {
    return false;
  }
  state_->waiting_bytes -= state_->lines.back().size();
  state_->lines.pop_back();
  return true;
}

bool OutputWriter::flush(std::chrono::milliseconds timeout) {
  std::unique_lock lock(state_->mutex);
  // By the system clock, because ThreadSanitizer of GCC 12 does not know the wait on the steady clock.
  return state_->written.wait_until(lock, std::chrono::system_clock::now() + timeout,
                                    [this] { return state_->waiting_bytes == 0; });
}

void OutputWriter::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->filled.wait(lock, [&] { return state->is_closed || !state->lines.empty(); });
    if (state->lines.empty()) {
      return;
    }
    const std::string line = std::move(state->lines.front());
    state->lines.pop_front();
    lock.unlock();
    write_all(state->descriptor, line);
    lock.lock();
    state->waiting_bytes -= line.size();
    state->written.notify_all();
  }
}

}  // namespace knul::cli
