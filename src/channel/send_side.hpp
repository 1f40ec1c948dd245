// The send path of one worker's streams. The connection of a stream accepts as many bytes as it has room for.
// The stream keeps the other bytes in order.
#pragma once

#include <krepis/krepis.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include "channel/core.hpp"
#include "channel/event_writer.hpp"
#include "channel/mailbox.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: one. Lifetime: core, mailbox and events outlive this object.
class SendSide {
 public:
  SendSide(Core& core, Mailbox& mailbox, EventWriter& events)
      : core_(core), mailbox_(mailbox), events_(events) {}

  // Bytes count for the stream and for its connection until the connection accepts them.
  void write(StreamState& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin);
  void write(StreamState& stream, krepis::SharedBytes bytes, krepis::Fin fin);
  // Called when the connection may accept more bytes.
  void flush(StreamState& stream);
  // Requests an event STREAM_WRITABLE when the stream has room.
  void request_writable(StreamState& stream);

  // Requires that the stream is open.
  void reset(StreamState& stream, std::uint64_t code);
  void handle_stop_sending(StreamState& stream, std::uint64_t code);
  // Discards the unsent bytes. The stream accepts no more bytes.
  void end(StreamState& stream);

 private:
  // Copies bytes to the end of the stream's pending bytes.
  void append_pending(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Call when the connection has accepted bytes of the stream.
  void count_accepted(StreamState& stream, std::size_t bytes);
  // Sends the requested event STREAM_WRITABLE if the stream has enough room.
  void report_writable(StreamState& stream);

  Core& core_;
  Mailbox& mailbox_;  // for its lock
  EventWriter& events_;
};

}  // namespace knul::channel
