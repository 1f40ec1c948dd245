// One bound UDP socket that sends and receives batches with GSO, GRO, ECN and packet info, and for which
// no socket error is fatal.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

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
};

struct SocketOptions {
  // Port 0 asks for an ephemeral port. "::" takes IPv6 only.
  base::SocketAddress address;
  // 0 leaves the kernel's default.
  std::size_t send_buffer_bytes = 0;
  std::size_t receive_buffer_bytes = 0;
  PortSharing sharing = PortSharing::kExclusive;
  bool use_gso = true;
  bool use_gro = true;
};

// The size asked for and the one the kernel gave (without the bookkeeping that it doubles it for).
struct BufferSize {
  std::size_t asked_bytes = 0;
  std::size_t got_bytes = 0;
  std::size_t limit_bytes = 0;  // what the kernel gives without privilege; 0: unknown
};

struct SocketFeatures {
  bool gso = false;
  bool gro = false;
  bool ecn = false;
};

enum class SendStatus : std::uint8_t {
  kDone,           // nothing of the batch is left
  kAwaitWritable,  // the socket buffer is full: wait for EPOLLOUT, then call again
  kRetryAfter,     // the kernel is short of memory and signals nothing: call again after retry_after
};

struct SendResult {
  SendStatus status = SendStatus::kDone;
  base::Duration retry_after{0};
};

// Where the sending of a batch stands. Start with a fresh one per filled batch; keep it, and leave the
// batch as it is, until send() says kDone.
struct SendCursor {
  std::size_t train = 0;
  std::uint32_t sent_bytes = 0;  // of that train
  int gso_error = 0;             // the errno with which GSO was refused for that train
  int ecn_error = 0;             // the same of its ECN mark
};

struct ReceiveOutcome {
  std::size_t messages = 0;  // system messages; each may hold several datagrams
  bool is_drained = true;    // nothing more is waiting
};

class UdpSocket {
 public:
  // Lifetime: `calls` and `log` outlive the socket.
  // Errors: kNetwork (address in use, not available, privileged port ...), kQuota (descriptors),
  // kOutOfMemory; the message names address, port and cause. Nothing is left open on failure.
  static base::Result<UdpSocket> open(const SocketOptions& options, base::LogSink& log,
                                      SocketCalls& calls = SocketCalls::system());

  UdpSocket(UdpSocket&& other) noexcept = default;
  UdpSocket& operator=(UdpSocket&& other) noexcept = default;

  // Sends the rest of the batch from the cursor on. An error of one train never keeps the others: a
  // train that cannot be sent is dropped and counted.
  // Thread: any, several at once; `counters` belong to the calling thread.
  SendResult send(const base::SendBatch& batch, SendCursor& cursor, stats::WorkerCounters& counters);

  // One system call. Thread: one at a time per batch; `counters` belong to the calling thread.
  ReceiveOutcome receive(ReceiveBatch& batch, stats::WorkerCounters& counters);

  [[nodiscard]] int fd() const { return fd_.value(); }
  [[nodiscard]] const base::SocketAddress& local_address() const { return local_address_; }
  [[nodiscard]] BufferSize send_buffer() const { return send_buffer_; }
  [[nodiscard]] BufferSize receive_buffer() const { return receive_buffer_; }
  // Thread: any. gso and ecn turn false for good when the kernel or the device refuses them.
  [[nodiscard]] SocketFeatures features() const;

  // Errors: kNetwork. SO_REUSEPORT of a bound socket decides who may join it from now on.
  base::Status set_reuseport(bool is_on);
  // Attaches a classic BPF program to this socket's reuseport group. Errors: kUnsupported.
  base::Status attach_steering(std::span<const sock_filter> program);

 private:
  // Behind a pointer, because an atomic cannot move.
  struct SharedState {
    std::atomic<bool> gso{false};
    std::atomic<bool> ecn{true};  // marks on what is sent
  };

  UdpSocket(posix::FileDescriptor fd, base::LogSink& log, SocketCalls& calls);

  base::Status configure(const SocketOptions& options);
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
  std::uint32_t kernel_drops_ = 0;  // of this socket since it was opened, modulo 2^32, as last seen
  BufferSize send_buffer_;
  BufferSize receive_buffer_;
  std::unique_ptr<SharedState> shared_;
};

}  // namespace knul::udp
