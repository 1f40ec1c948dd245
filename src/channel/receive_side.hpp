// The receive path of one worker's connections in a channel. Received bytes go into the arena with an event.
// Bytes without room in the arena are parked. The program releases the bytes of an event after use.
#pragma once

#include <krepis/krepis.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "channel/core.hpp"
#include "channel/event_writer.hpp"
#include "channel/parked_bytes.hpp"
#include "channel/receive_arena.hpp"
#include "channel/state_table.hpp"

namespace knul::channel {

// Thread: one. Lifetime: core, events and states outlive this object.
class ReceiveSide {
 public:
  static constexpr std::uint64_t kMostParkedBytes = 64 << 20;  // per channel, split among its workers

  ReceiveSide(Core& core, unsigned index, EventWriter& events, StateTable& states);

  void receive(StreamState& stream, std::span<const std::uint8_t> bytes, krepis::Fin fin);
  void handle_reset(StreamState& stream, std::uint64_t code);
  // Sends STOP_SENDING and discards the parked and later bytes. If the stream is not open yet, it stores the
  // code and is stopped when it opens. The engine may destroy its stream in this call.
  void stop(StreamState& stream, std::uint64_t code);
  // Call when the stream has ended. Drops its parked bytes.
  void end(StreamState& stream);

  // Drops the datagram if the arena or the backlog has no room for it.
  void receive_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes);
  // Give CONNECTION_OPENED or CONNECTION_CLOSED its text, if the arena has room for it.
  void put_identity(ConnectionState& state, FfiEvent& event, std::string_view identity);
  void put_reason(ConnectionState& state, FfiEvent& event, std::string_view reason);
  // Gives LOG its text. False: the arena has no room for it.
  bool put_log(FfiEvent& event, std::span<const std::uint8_t> text) {
    return arena_.put_unowned(event, text);
  }

  // Call when the program has released the range that starts at `offset`.
  void release(std::uint32_t offset);
  // Moves parked bytes into the arena if ranges were released since the last call.
  void unpark_all();

  [[nodiscard]] std::size_t free_blocks() const { return arena_.free_blocks(); }
  [[nodiscard]] std::size_t parking_queue_length() const { return parked_.queue_length(); }

 private:
  std::size_t place(StreamState& stream, std::span<const std::uint8_t> bytes);
  std::size_t extend_last(StreamState& stream, std::span<const std::uint8_t> bytes);
  // The last event with bytes of the stream. Null: it is published, or none exists.
  FfiEvent* find_last_data(const StreamState& stream);
  void finish(StreamState& stream);
  bool unpark(StreamState& stream);
  void release(StreamState& stream, const ArenaPart::Released& range);
  [[nodiscard]] bool has_room_for_datagram(const ConnectionState& state, std::size_t bytes);

  Core& core_;
  EventWriter& events_;
  StateTable& states_;
  ReceiveArena arena_;
  ParkedBytes parked_;
  bool has_released_ = false;  // since the last unpark_all
};

}  // namespace knul::channel
