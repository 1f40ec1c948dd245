#include "cli/stop_signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>

namespace knul::cli {

StopSignals::StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    sigaddset(&set, number);
  }
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  notification_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

StopSignals::~StopSignals() {
  ::close(signals_);
  ::close(notification_);
  if (!has_stop_come_) {
    // The server did not start. A signal must be able to end the write of its error to a blocked standard
    // error.
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
}

StopSignals::Wake StopSignals::wait(std::chrono::milliseconds timeout) {
  std::array<pollfd, 2> sources{{{signals_, POLLIN, 0}, {notification_, POLLIN, 0}}};
  if (::poll(sources.data(), sources.size(), static_cast<int>(timeout.count())) <= 0) {
    return Wake::kTimeout;
  }
  signalfd_siginfo signal{};
  if (::read(signals_, &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal)) {
    if (signal.ssi_signo == SIGUSR1) {
      return Wake::kStatistics;
    }
    if (signal.ssi_signo == SIGHUP) {
      return Wake::kReload;
    }
    has_stop_come_ = true;
    return Wake::kStop;
  }
  std::uint64_t count = 0;
  const bool is_notified = ::read(notification_, &count, sizeof count) == static_cast<ssize_t>(sizeof count);
  return is_notified ? Wake::kNotified : Wake::kTimeout;
}

void StopSignals::notify() {
  const std::uint64_t one = 1;
  // Fails only when a notification is pending already.
  [[maybe_unused]] const ssize_t written = ::write(notification_, &one, sizeof one);
}

}  // namespace knul::cli
