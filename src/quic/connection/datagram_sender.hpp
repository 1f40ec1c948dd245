// The DATAGRAM frames that a connection sends (RFC 9221), and their share of the send memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "quic/connection/connection_environment.hpp"
#include "quic/connection/connection_statistics.hpp"
#include "quic/connection/library_connection.hpp"
#include "quic/stream/datagram_queue.hpp"

namespace knul::quic {

// Thread: one.
class DatagramSender {
 public:
  // The observer's calls name `connection`. Lifetime: all arguments outlive this object.
  DatagramSender(const ConnectionEnvironment& environment, Connection& connection,
                 LibraryConnection& library);
  ~DatagramSender();
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  // After kQueued the caller schedules the connection.
  DatagramOutcome send(std::span<const std::uint8_t> bytes, const DatagramRequest& request);
  // 0: the peer accepts no DATAGRAMs, or the connection has ended.
  [[nodiscard]] std::size_t max_bytes() const;
  [[nodiscard]] bool has_unsent() const { return !queue_.is_empty(); }

  // Writes the DATAGRAMs that fit into the packet. nullopt: the packet has room for stream data.
  std::optional<ngtcp2_ssize> write(const PacketRoom& room);
  // The peer has acknowledged a DATAGRAM.
  void note_acknowledged();
  // A packet with a DATAGRAM was declared lost.
  void note_lost();
  // Reports, after kBlocked, that half of the queue is free.
  void notify_writable();

 private:
  [[nodiscard]] bool has_room_for(std::size_t memory) const;
  // Both return the memory that the datagram used.
  std::size_t drop_front(std::uint32_t ConnectionCounts::*reason);
  enum class Shortage : std::uint8_t { kMemory, kQueue };
  void note_drop(Shortage shortage) const;
  std::size_t pop();
  void release(std::size_t memory);

  const ConnectionEnvironment& environment_;
  Connection& connection_;  // also the member of the send budget
  LibraryConnection& library_;
  DatagramQueue queue_;
  bool is_dropping_ = false;  // send() is dropping old datagrams, which calls the observer
};

}  // namespace knul::quic
