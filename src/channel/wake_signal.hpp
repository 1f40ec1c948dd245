// Wakes the program: a byte on a socket that its event loop reads, and a descriptor for krepis_channel_wait.
#pragma once

#include <krepis/krepis.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "posix/event_descriptor.hpp"
#include "posix/file_descriptor.hpp"

namespace knul::channel {

enum class WakeKind : std::uint8_t { kNone, kSocketPair, kPath };

// Thread: all functions from any thread.
class WakeSignal {
 public:
  // Errors: kQuotaExceeded (descriptors), kInvalidRequest (the path).
  krepis::Result<void> open(WakeKind kind, const std::string& path);
  ~WakeSignal();

  // The program's end of a socket pair, once; else -1.
  [[nodiscard]] int take_program_end() { return program_end_.release(); }
  // For what a fork must close.
  [[nodiscard]] int library_end() const;
  [[nodiscard]] int wait_fd() const { return wait_event_.value(); }

  // Says that the next notify is to be seen by the program, and takes a program that connected meanwhile.
  void arm();
  void disarm() { is_armed_.store(false, std::memory_order_relaxed); }
  void begin_wait() { is_waiting_.exchange(true, std::memory_order_seq_cst); }
  void end_wait();
  // After events were published; costs system calls only for a program that sleeps or may be about to.
  void notify();
  // Also wakes who is not armed.
  void notify_all();

  // kSocketPair: the program has closed its end. Costs a system call.
  [[nodiscard]] bool has_hung_up() const;
  [[nodiscard]] bool is_pair() const { return is_pair_; }
  [[nodiscard]] std::uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  krepis::Result<void> open_pair();
  krepis::Result<void> listen_at(const std::string& path);
  void accept_program();
  void send_byte();

  std::mutex mutex_;                   // of the socket, which a program may connect to again
  posix::FileDescriptor socket_;       // our end
  posix::FileDescriptor listener_;     // kPath
  posix::FileDescriptor program_end_;  // until it is taken
  posix::EventDescriptor wait_event_;  // of krepis_channel_wait
  std::string path_;
  bool is_pair_ = false;  // socket_ is one's end
  std::atomic<bool> is_armed_{false};
  std::atomic<bool> is_waiting_{false};
  std::atomic<std::uint64_t> wakeups_{0};
};

}  // namespace knul::channel
