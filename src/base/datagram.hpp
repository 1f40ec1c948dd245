// The types that udp and quic exchange, so that neither includes the other: a received datagram, and batches
// of packets to send. All are views except SendBatch, which owns its buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/socket_address.hpp"

namespace knul::base {

// ECN codepoints with their values in the IP header (RFC 3168 §5).
enum class Ecn : std::uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

struct Path {
  SocketAddress local;
  SocketAddress remote;
  friend bool operator==(const Path&, const Path&) = default;
};

// One UDP payload (one GRO segment). Lifetime: until its receive buffer is reused.
struct ReceivedDatagram {
  Path path;
  Ecn ecn = Ecn::kNotEct;
  std::span<const std::uint8_t> payload;
};

// Adjacent packets for one path with one ECN mark. All have segment_bytes; the last may be shorter. Where GSO
// works, one message of sendmmsg sends them.
struct Train {
  Path path;
  Ecn ecn = Ecn::kNotEct;
  std::uint32_t offset = 0;
  std::uint32_t length_bytes = 0;
  std::uint32_t segment_bytes = 0;
};

// A buffer of packets in the order of writing, and the trains that they form.
// Use: write a packet into room(), then commit() it. When all trains are sent, clear() the batch.
// Thread: one.
class SendBatch {
 public:
  // The largest UDP payload over IPv4. The kernel handles a train as one IP packet until it cuts the train.
  static constexpr std::uint32_t kLargestTrainBytes = 65'507;
  struct Limits {
    std::size_t buffer_bytes = 256 * 1024;
    std::uint32_t train_packets = 64;  // the kernel's UDP_MAX_SEGMENTS is 64 before Linux 6.9
    std::uint32_t train_bytes = kLargestTrainBytes;
  };

  explicit SendBatch(Limits limits);

  // The free bytes. Write a packet at their start. Lifetime: until the next commit or clear.
  [[nodiscard]] std::span<std::uint8_t> room();
  // Adds the first `packet_bytes` of room() as one packet. It joins the last train if path, mark, size and
  // the limits permit. Requires 0 < packet_bytes <= room().size().
  void commit(const Path& path, Ecn ecn, std::size_t packet_bytes);

  [[nodiscard]] bool is_empty() const { return trains_.empty(); }
  [[nodiscard]] std::span<const Train> trains() const { return trains_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes(const Train& train) const {
    return {buffer_.data() + train.offset, train.length_bytes};
  }
  void clear();

 private:
  [[nodiscard]] bool joins_last_train(const Path& path, Ecn ecn, std::size_t packet_bytes) const;

  Limits limits_;
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
  std::vector<Train> trains_;
  // Of the last train.
  std::uint32_t last_packets_ = 0;
  bool is_last_ended_ = false;  // by a short packet, because the kernel cuts at equal distances
};

}  // namespace knul::base
