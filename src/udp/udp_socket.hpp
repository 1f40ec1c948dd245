// A bound UDP socket that sends and receives batches with GSO, GRO, ECN and packet info. No socket error is
// fatal.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/datagram.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "posix/file_descriptor.hpp"
#include "udp/receive_batch.hpp"
#include "udp/socket_calls.hpp"

struct sock_filter;

namespace knul::stats {
struct WorkerCounters;
}

namespace knul::udp {

enum class PortSharing : std::uint8_t {
  kExclusive,        // a second bind to the address is refused
  kReuseportMember,  // joins the SO_REUSEPORT group of the address
  kAdopted,          // bound by the caller
};

struct SocketOptions {
  // Port 0: an ephemeral port. "::" accepts IPv6 only.
  base::SocketAddress address;
  // 0: the kernel's default.
  std::size_t send_buffer_bytes = 0;
  std::size_t receive_buffer_bytes = 0;
  PortSharing sharing = PortSharing::kExclusive;
  bool use_gso = true;
  bool use_gro = true;
};

// The requested size, and the size that the kernel granted, without the half that the kernel adds for its own
// data.
struct BufferSize {
  std::size_t asked_bytes = 0;
  std::size_t got_bytes = 0;
  std::size_t limit_bytes = 0;  // the largest size without privilege; 0: unknown
};

struct SocketFeatures {
  bool gso = false;
  bool gro = false;
  bool ecn = false;
};

// A socket that a program has bound.
struct AdoptableSocket {
  base::SocketAddress address;
  bool has_reuseport = false;  // other sockets may join it
};

enum class SendStatus : std::uint8_t {
  kDone,           // the whole batch was sent or dropped
  kAwaitWritable,  // the socket buffer is full: wait for EPOLLOUT, then call again
  kRetryAfter,     // the kernel is short of memory and will report no event: call again after retry_after
};

struct SendResult {
  SendStatus status = SendStatus::kDone;
  base::Duration retry_after{0};
};

// The progress of sending a batch. Begin with a new cursor for each batch. Until send() returns kDone, keep
// the cursor and do not change the batch.
struct SendCursor {
  std::size_t train = 0;
  std::uint32_t sent_bytes = 0;  // of that train
  int gso_error = 0;             // the errno of the refusal of GSO for that train
  int ecn_error = 0;             // the same for its ECN mark
};

struct ReceiveOutcome {
  std::size_t messages = 0;  // of recvmmsg; each may hold several datagrams
  bool is_drained = true;    // the socket has no further datagrams
};

class UdpSocket {
 public:
  // Lifetime: `calls` and `log` outlive the socket.
  // Errors: kNetwork (address in use, not available, privileged port ...), kQuota (descriptors),
  // kOutOfMemory; the message names address, port and cause. After an error no socket stays open.
  static base::Result<UdpSocket> open(const SocketOptions& options, base::LogSink& log,
                                      SocketCalls& calls = SocketCalls::system());

  // Uses a socket that the caller has bound, by a duplicate of its descriptor: both share the socket, whose
  // options change and which becomes non-blocking. Ignores the address and `sharing` of the options.
  // Errors: kInvalidArgument (the message begins with "listen_fd"): not an open descriptor, not a UDP socket
  // for IPv4 or IPv6, not bound, connected, or one that receives IPv4 as mapped addresses. Else as open().
  static base::Result<UdpSocket> adopt(int fd, const SocketOptions& options, base::LogSink& log,
                                       SocketCalls& calls = SocketCalls::system());
  // Checks whether adopt() would accept the socket, and changes nothing. Errors: as adopt().
  static base::Result<AdoptableSocket> check_adoptable(int fd, SocketCalls& calls = SocketCalls::system());

  UdpSocket(UdpSocket&& other) noexcept = default;
  UdpSocket& operator=(UdpSocket&& other) noexcept = default;

  // Sends the batch from the cursor on. A train that cannot be sent is dropped and counted, so that it does
  // not delay the others.
  // Thread: any, several at the same time; `counters` belongs to the calling thread.
  SendResult send(const base::SendBatch& batch, SendCursor& cursor, stats::WorkerCounters& counters);

  // Makes one system call; after an error of an earlier packet, another one. Thread: one at a time per batch;
  // `counters` belongs to the calling thread.
  ReceiveOutcome receive(ReceiveBatch& batch, stats::WorkerCounters& counters);

  [[nodiscard]] int fd() const { return fd_.value(); }
  [[nodiscard]] const base::SocketAddress& local_address() const { return local_address_; }
  [[nodiscard]] BufferSize send_buffer() const { return send_buffer_; }
  [[nodiscard]] BufferSize receive_buffer() const { return receive_buffer_; }
  // Thread: any. gso and ecn become false, and stay so, when the kernel or the device refuses them.
  [[nodiscard]] SocketFeatures features() const;

  // True: other sockets may join this one (SO_REUSEPORT).
  [[nodiscard]] bool has_reuseport();
  // Sets SO_REUSEPORT, which decides whether other sockets may join this one from then on. Errors: kNetwork.
  base::Status set_reuseport(bool is_on);
  // Attaches a classic BPF program to this socket's reuseport group. Errors: kUnsupported.
  base::Status attach_steering(std::span<const sock_filter> program);

 private:
  // Behind a pointer, because an atomic cannot move.
  struct SharedState {
    std::atomic<bool> gso{false};
    std::atomic<bool> ecn{true};  // marks on sent packets
  };

  UdpSocket(posix::FileDescriptor fd, base::LogSink& log, SocketCalls& calls);

  base::Status configure(const SocketOptions& options);
  static base::Result<UdpSocket> duplicate(int given, base::LogSink& log, SocketCalls& calls);
  base::Status check_adopted(int given);
  std::optional<int> int_option(int level, int name);
  base::Status note_address(std::string_view action, const base::SocketAddress& wanted);
  bool set_flag(int level, int name, int value);
  struct BufferNames {
    int option;
    int forced_option;
    const char* limit;
  };
  BufferSize request_buffer(const BufferNames& names, std::size_t bytes);
  base::Status bind_to(const base::SocketAddress& address);
  void confirm_refusals(const SendCursor& cursor, stats::WorkerCounters& counters);

  posix::FileDescriptor fd_;
  base::LogSink* log_;
  SocketCalls* calls_;
  base::SocketAddress local_address_;
  bool is_wildcard_ = false;
  bool gro_ = false;
  std::uint32_t kernel_drops_ = 0;  // the last value of Tally::kernel_drops
  BufferSize send_buffer_;
  BufferSize receive_buffer_;
  std::unique_ptr<SharedState> shared_;
};

}  // namespace knul::udp
