#include "channel/wake_signal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace knul::channel {
namespace {

using krepis::Error;
using krepis::ErrorCode;

Error no_descriptors(const char* what) {
  return {ErrorCode::kQuotaExceeded, std::string(what) + ": " + std::strerror(errno)};
}

}  // namespace

krepis::Result<void> WakeSignal::open(WakeKind kind, const std::string& path) {
  wait_event_ = posix::EventDescriptor::create();
  if (!wait_event_.is_open()) {
    return no_descriptors("eventfd");
  }
  switch (kind) {
    case WakeKind::kNone:
      return {};
    case WakeKind::kSocketPair:
      return open_pair();
    case WakeKind::kPath:
      return listen_at(path);
  }
  return {};
}

krepis::Result<void> WakeSignal::open_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return no_descriptors("socketpair");
  }
  socket_ = posix::FileDescriptor(ends[0]);
  program_end_ = posix::FileDescriptor(ends[1]);
  if (!socket_.is_open() || !program_end_.is_open()) {
    return no_descriptors("socketpair");
  }
  is_pair_ = true;
  return {};
}

krepis::Result<void> WakeSignal::listen_at(const std::string& path) {
  posix::FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.is_open()) {
    return no_descriptors("socket");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  // Linux: the file gets the mode of the socket. Only its owner may connect.
  if (::fchmod(listener.value(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(listener.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error{ErrorCode::kInvalidRequest,
                 "cannot bind wake_path \"" + path + "\": " + std::strerror(errno)};
  }
  path_ = path;
  listener_ = std::move(listener);
  if (::listen(listener_.value(), 1) != 0) {
    return no_descriptors("listen");
  }
  return {};
}

WakeSignal::~WakeSignal() {
  if (!path_.empty()) {
    ::unlink(path_.c_str());
  }
}

int WakeSignal::library_end() const { return listener_.is_open() ? listener_.value() : socket_.value(); }

void WakeSignal::arm() {
  if (listener_.is_open()) {
    const std::lock_guard lock(mutex_);
    accept_program();
  }
  is_armed_.exchange(true, std::memory_order_seq_cst);
}

void WakeSignal::accept_program() {
  if (!socket_.is_open()) {
    socket_ =
        posix::FileDescriptor(::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }
}

void WakeSignal::notify() {
  if (is_armed_.load(std::memory_order_seq_cst) && is_armed_.exchange(false, std::memory_order_seq_cst)) {
    send_byte();
  }
  if (is_waiting_.load(std::memory_order_seq_cst) && is_waiting_.exchange(false, std::memory_order_seq_cst)) {
    wait_event_.signal();
  }
}

bool WakeSignal::has_hung_up() const {
  if (!is_pair_) {
    return false;
  }
  pollfd end{socket_.value(), 0, 0};  // poll always reports POLLHUP
  return ::poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
}

void WakeSignal::notify_all() {
  is_armed_.store(false, std::memory_order_relaxed);
  send_byte();
  wait_event_.signal();
}

void WakeSignal::send_byte() {
  wakeups_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (listener_.is_open()) {
    accept_program();
  }
  if (!socket_.is_open()) {
    return;
  }
  const char byte = 1;
  // If the socket is full, its unread bytes wake the program.
  if (::send(socket_.value(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN &&
      errno != EINTR) {
    // The program has closed its end. At a path, another program may connect.
    if (listener_.is_open()) {
      socket_.reset();
    }
  }
}

void WakeSignal::end_wait() {
  is_waiting_.store(false, std::memory_order_relaxed);
  wait_event_.acknowledge();
}

}  // namespace knul::channel
