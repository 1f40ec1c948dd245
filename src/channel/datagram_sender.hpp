// Sends the program's datagrams. While the queue of a connection is full, its datagrams wait here in order.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <span>

#include "channel/core.hpp"
#include "channel/event_writer.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: one. Lifetime: core and events outlive this object.
class DatagramSender {
 public:
  DatagramSender(Core& core, EventWriter& events) : core_(core), events_(events) {}

  void send(ConnectionState& state, std::span<const std::uint8_t> bytes,
            const krepis::DatagramOptions& options);
  // Called when the connection's queue has room.
  void flush(ConnectionState& state);
  // Requests an event DATAGRAM_WRITABLE when the queue has room.
  void request_writable(ConnectionState& state);
  void report_fate(const ConnectionState& state, std::uint32_t context, krepis::DatagramFate fate);

 private:
  // False: the connection's queue is full, and on_datagram_writable follows when it has room.
  bool try_send(ConnectionState& state, std::span<const std::uint8_t> bytes,
                const krepis::DatagramOptions& options);

  Core& core_;
  EventWriter& events_;
};

}  // namespace knul::channel
