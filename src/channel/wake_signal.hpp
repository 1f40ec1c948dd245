// Wakes the program: by a byte on a socket in its event loop, and by an eventfd in krepis_channel_wait.
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
  // Errors: kQuotaExceeded (no descriptor is free), kInvalidRequest (the path cannot be bound).
  krepis::Result<void> open(WakeKind kind, const std::string& path);
  ~WakeSignal();

  // Hands the program's end of the socket pair over. -1: no socket pair, or a second call.
  [[nodiscard]] int take_program_end() { return program_end_.release(); }
  // The descriptor that a forked child must close.
  [[nodiscard]] int library_end() const;
  [[nodiscard]] int wait_fd() const { return wait_event_.value(); }

  // Makes the next notify send a byte. kPath: first accepts a program that has connected.
  void arm();
  void disarm() { is_armed_.store(false, std::memory_order_relaxed); }
  void begin_wait() { is_waiting_.exchange(true, std::memory_order_seq_cst); }
  void end_wait();
  // Call after events were published. Makes system calls only if the program is armed or waits.
  void notify();
  // Wakes the program even if it is not armed and does not wait.
  void notify_all();

  // True if the program has closed its end of the socket pair. Costs a system call. kPath: always false.
  [[nodiscard]] bool has_hung_up() const;
  [[nodiscard]] bool is_pair() const { return is_pair_; }
  [[nodiscard]] std::uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  krepis::Result<void> open_pair();
  krepis::Result<void> listen_at(const std::string& path);
  void accept_program();
  void send_byte();

  std::mutex mutex_;                   // kPath: guards socket_, because a program may connect again
  posix::FileDescriptor socket_;       // the library's end
  posix::FileDescriptor listener_;     // kPath
  posix::FileDescriptor program_end_;  // until take_program_end
  posix::EventDescriptor wait_event_;  // for krepis_channel_wait
  std::string path_;
  bool is_pair_ = false;  // socket_ is an end of a socket pair
  std::atomic<bool> is_armed_{false};
  std::atomic<bool> is_waiting_{false};
  std::atomic<std::uint64_t> wakeups_{0};
};

}  // namespace knul::channel
