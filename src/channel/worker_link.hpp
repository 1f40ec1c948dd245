// A reference to a worker for threads that may outlive it.
#pragma once

#include <krepis/krepis.hpp>

#include <functional>
#include <mutex>
#include <utility>

namespace knul::channel {

class Application;

// Thread: all functions from any thread; a task runs on the worker's thread.
class WorkerLink {
 public:
  // Called by the application when it starts, and with null before it ends.
  void connect(krepis::Worker* worker, Application* application) {
    const std::lock_guard lock(mutex_);
    worker_ = worker;
    application_ = application;
  }

  // False: the worker has ended, or its queue is full. The task runs only while the application exists.
  bool post(std::function<void(Application&)> task) {
    const std::lock_guard lock(mutex_);
    if (worker_ == nullptr) {
      return false;
    }
    return worker_->post([application = application_, task = std::move(task)] { task(*application); });
  }

  // Wakes the worker, which then reads its mailboxes. False: the worker has ended, or its queue is full.
  bool wake() {
    const std::lock_guard lock(mutex_);
    return worker_ != nullptr && worker_->post([] {});
  }

 private:
  std::mutex mutex_;
  krepis::Worker* worker_ = nullptr;
  Application* application_ = nullptr;
};

}  // namespace knul::channel
