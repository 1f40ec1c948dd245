// The buffers of one receive call, and the iteration over the received datagrams.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/datagram.hpp"

namespace knul::udp {

// Use: socket.receive(batch, ...), then next() until it returns null. A message has 64 KiB of address space,
// because a GRO train can be as long. A page uses memory only after a packet was written to it. Thread: one.
class ReceiveBatch {
 public:
  static constexpr std::size_t kDefaultMessages = 16;
  static constexpr std::size_t kMessageBytes = 65'536;

  explicit ReceiveBatch(std::size_t messages = kDefaultMessages);
  ReceiveBatch(const ReceiveBatch&) = delete;
  ReceiveBatch& operator=(const ReceiveBatch&) = delete;

  // Returns the next datagram (one GRO segment) of the last receive; null after the last one. The payload may
  // be empty; the caller drops such a datagram.
  // Lifetime: the datagram until the next call of next(), its payload until the next receive.
  [[nodiscard]] const base::ReceivedDatagram* next();
  [[nodiscard]] bool has_next() const { return !rest_.empty() || next_train_ < trains_.size(); }

 private:
  friend class UdpSocket;

  // The counts of one receive.
  struct Tally {
    std::size_t datagrams = 0;
    std::size_t bytes = 0;
    std::size_t trains = 0;
    std::size_t truncated = 0;
    // The datagrams that the kernel has dropped since the socket was opened, modulo 2^32, if it reports them.
    std::optional<std::uint32_t> kernel_drops;
  };

  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, 128> bytes;
  };

  // A received message: its whole payload, and the length of its segments.
  struct Train {
    base::ReceivedDatagram whole;
    std::size_t segment_bytes = 0;
  };

  [[nodiscard]] std::span<mmsghdr> prepare();
  Tally accept(std::size_t messages, const base::SocketAddress& bound);
  void read_controls(const msghdr& header, Train& train, Tally& tally) const;

  std::unique_ptr<std::uint8_t[]> buffer_;
  std::vector<mmsghdr> headers_;
  std::vector<iovec> vectors_;
  std::vector<sockaddr_in6> names_;
  std::vector<Control> controls_;

  std::vector<Train> trains_;
  std::size_t next_train_ = 0;          // the one after the current train
  std::span<const std::uint8_t> rest_;  // of the current train, not yet returned by next()
  std::size_t segment_bytes_ = 0;       // of the current train
  base::ReceivedDatagram current_;
};

}  // namespace knul::udp
