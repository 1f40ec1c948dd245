#include "runtime/worker_thread.hpp"

#include <sched.h>
#include <signal.h>

#include <memory>
#include <system_error>
#include <utility>

namespace knul::runtime {
namespace {

struct StartBlock {
  std::string name;
  std::function<void()> body;
};

void* run(void* argument) {
  const std::unique_ptr<StartBlock> start(static_cast<StartBlock*>(argument));
  pthread_setname_np(pthread_self(), start->name.c_str());
  start->body();
  return nullptr;
}

class ThreadAttributes {
 public:
  ThreadAttributes() { pthread_attr_init(&attributes_); }
  ~ThreadAttributes() { pthread_attr_destroy(&attributes_); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  ThreadAttributes& operator=(const ThreadAttributes&) = delete;

  int pin_to(unsigned cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);  // a CPU beyond the set is not added, and the kernel refuses an empty set
    return pthread_attr_setaffinity_np(&attributes_, sizeof(cpus), &cpus);
  }
  const pthread_attr_t* get() const { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};

// A new thread inherits the mask of its creator, so that no signal reaches it before it could block signals.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

base::Error thread_error(int error, const ThreadOptions& options) {
  const bool is_argument = error == EINVAL && options.cpu.has_value();
  std::string message = "cannot start thread " + options.name;
  if (is_argument) {
    message += " on CPU " + std::to_string(*options.cpu);
  }
  return {is_argument ? base::ErrorKind::kInvalidArgument : base::ErrorKind::kQuota,
          message + ": " + std::generic_category().message(error)};
}

}  // namespace

base::Result<WorkerThread> WorkerThread::start(const ThreadOptions& options, std::function<void()> body) {
  ThreadAttributes attributes;
  if (options.cpu.has_value()) {
    if (const int error = attributes.pin_to(*options.cpu); error != 0) {
      return thread_error(error, options);
    }
  }
  // The kernel refuses a name of more than 15 bytes.
  auto block = std::make_unique<StartBlock>(StartBlock{options.name.substr(0, 15), std::move(body)});
  pthread_t thread{};
  int error = 0;
  {
    const AllSignalsBlocked blocked;
    error = pthread_create(&thread, attributes.get(), run, block.get());
  }
  if (error != 0) {
    return thread_error(error, options);
  }
  (void)block.release();  // the thread frees it
  return WorkerThread(thread);
}

void WorkerThread::detach() {
  if (thread_.has_value()) {
    pthread_detach(*thread_);
    thread_.reset();
  }
}

void WorkerThread::join() {
  if (thread_.has_value()) {
    pthread_join(*thread_, nullptr);
    thread_.reset();
  }
}

}  // namespace knul::runtime
