#pragma once

#include <pthread.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/result.hpp"

namespace knul::runtime {

struct ThreadOptions {
  std::string name;                            // shown by the system, cut to 15 bytes
  std::optional<unsigned> cpu = std::nullopt;  // pins the thread; none leaves it to the scheduler
};

// A thread in which every signal is blocked: signals are the embedding program's. Joined on destruction.
class WorkerThread {
 public:
  // Errors: kQuota (threads), kInvalidArgument (a CPU that this process may not use).
  // `body` does not throw.
  static base::Result<WorkerThread> start(const ThreadOptions& options, std::function<void()> body);

  WorkerThread() = default;
  WorkerThread(WorkerThread&& other) noexcept : thread_(std::exchange(other.thread_, std::nullopt)) {}
  WorkerThread& operator=(WorkerThread&& other) noexcept {
    std::swap(thread_, other.thread_);
    return *this;
  }
  ~WorkerThread() { join(); }

  // Blocks until the body has returned. Thread: any but the worker itself.
  void join();
  [[nodiscard]] bool is_joinable() const { return thread_.has_value(); }
  // The thread runs on, nobody joins it, and the system frees it when its body has returned.
  void detach();
  // Gives up the thread without joining: for a copy of the process made by fork, where it does not exist.
  void release() { thread_.reset(); }

 private:
  explicit WorkerThread(pthread_t thread) : thread_(thread) {}

  std::optional<pthread_t> thread_;
};

}  // namespace knul::runtime
