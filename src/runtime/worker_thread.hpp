// The thread of a worker.
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
  std::optional<unsigned> cpu = std::nullopt;  // pins the thread; nullopt: the scheduler chooses
};

// A thread that blocks every signal, because signals belong to the embedding program. The destructor joins
// it.
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
  // From then on the thread cannot be joined. The system frees it when its body has returned.
  void detach();
  // Forgets the thread without joining it, for a forked child, where the thread does not exist.
  void release() { thread_.reset(); }

 private:
  explicit WorkerThread(pthread_t thread) : thread_(thread) {}

  std::optional<pthread_t> thread_;
};

}  // namespace knul::runtime
