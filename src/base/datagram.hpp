// What udp and quic exchange without knowing each other: a received datagram, and batches of packets
// to send. Views only, except the SendBatch, which owns its buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/socket_address.hpp"

namespace knul::base {

// ECN codepoints as they stand in the IP header. RFC 3168 §5.
enum class Ecn : std::uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

struct Path {
  SocketAddress local;
  SocketAddress remote;
  friend bool operator==(const Path&, const Path&) = default;
};

// One UDP payload (one GRO segment). Lifetime: until the receive buffer behind it is reused.
struct ReceivedDatagram {
  Path path;
  Ecn ecn = Ecn::kNotEct;
  std::span<const std::uint8_t> payload;
};

// Packets for one path with one ECN mark, back to back: all of segment_bytes, the last one possibly
// shorter. One system call sends it where GSO works.
struct Train {
  Path path;
  Ecn ecn = Ecn::kNotEct;
  std::uint32_t offset = 0;
  std::uint32_t length_bytes = 0;
  std::uint32_t segment_bytes = 0;

  [[nodiscard]] std::uint32_t packet_count() const {
    return (length_bytes + segment_bytes - 1) / segment_bytes;
  }
};

// A buffer that packets are written into one behind the other, and the trains they form.
// Use: write a packet into room(), then commit it; when is_empty() again after sending, start over.
// Thread: one.
class SendBatch {
 public:
  // Until it is cut, a train is one packet of IP: the payload of the largest one of IPv4 and UDP.
  static constexpr std::uint32_t kLargestTrainBytes = 65'507;
  struct Limits {
    std::size_t buffer_bytes = 256 * 1024;
    std::uint32_t train_packets = 64;  // the kernel's UDP_MAX_SEGMENTS is 64 before Linux 6.9
    std::uint32_t train_bytes = kLargestTrainBytes;
  };

  explicit SendBatch(Limits limits);

  // Free bytes at the tail; a packet is written at its start. Lifetime: until the next commit or clear.
  [[nodiscard]] std::span<std::uint8_t> room();
  // Takes the first `packet_bytes` of room() as one packet; joins it to the last train where path, mark,
  // size and the limits allow. packet_bytes > 0 and <= room().size().
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
  bool is_last_ended_ = false;  // by a short packet: the kernel cuts at equal distances
};

}  // namespace knul::base
