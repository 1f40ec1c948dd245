// The buffers of one receive call, and the walk over the datagrams that it brought.
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

// Use: socket.receive(batch, ...), then next() until it gives nullptr.
// 64 KiB of address space per message, because a GRO train can be as long; a page costs memory only
// once a packet has been written to it. Thread: one.
class ReceiveBatch {
 public:
  static constexpr std::size_t kDefaultMessages = 16;
  static constexpr std::size_t kMessageBytes = 65'536;

  explicit ReceiveBatch(std::size_t messages = kDefaultMessages);
  ReceiveBatch(const ReceiveBatch&) = delete;
  ReceiveBatch& operator=(const ReceiveBatch&) = delete;

  // The next datagram (one GRO segment) of the last receive, or nullptr behind the last one. A payload
  // may be empty: an empty datagram is delivered, the caller drops it.
  // Lifetime: the datagram until the next call of next(), its payload until the next receive.
  [[nodiscard]] const base::ReceivedDatagram* next();
  [[nodiscard]] bool has_next() const { return !rest_.empty() || next_train_ < trains_.size(); }

 private:
  friend class UdpSocket;

  // What one receive brought, for the counters.
  struct Tally {
    std::size_t datagrams = 0;
    std::size_t bytes = 0;
    std::size_t trains = 0;
    std::size_t truncated = 0;
    // How many the kernel has dropped since the socket was opened, modulo 2^32, if it says so.
    std::optional<std::uint32_t> kernel_drops;
  };

  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, 128> bytes;
  };

  // A received message that is whole: its payload, uncut, and the distance of the cuts.
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
  std::size_t next_train_ = 0;          // the first one that next() has not opened
  std::span<const std::uint8_t> rest_;  // of the opened one, what next() has not delivered
  std::size_t segment_bytes_ = 0;       // of the opened one
  base::ReceivedDatagram current_;
};

}  // namespace knul::udp
