// What peers send to one worker's connections of a channel, on its way to the program: into the arena with an
// event, parked where the arena has no room, released by the program.
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

// Thread: one. Lifetime: core, events and states are longer.
class ReceiveSide {
 public:
  static constexpr std::uint64_t kMostParkedBytes = 64 << 20;  // of a channel, split over its workers

  ReceiveSide(Core& core, unsigned index, EventWriter& events, StateTable& states);

  void receive(StreamState& stream, std::span<const std::uint8_t> bytes, bool is_fin);
  void handle_reset(StreamState& stream, std::uint64_t code);
  // The program wants no more of the stream. The stream may be gone after this.
  void stop(StreamState& stream, std::uint64_t code);
  // The end of the stream was told.
  void end(StreamState& stream);

  // A datagram without room is dropped.
  void receive_datagram(ConnectionState& state, std::span<const std::uint8_t> bytes);
  // Give the event of a connection's beginning or end its text, if there is room for it.
  void put_identity(ConnectionState& state, FfiEvent& event, std::string_view identity);
  void put_reason(ConnectionState& state, FfiEvent& event, std::string_view reason);

  // The program has released the range that starts there.
  void release(std::uint32_t offset);
  // Moves parked bytes, where something was released.
  void unpark_all();

  [[nodiscard]] std::size_t free_blocks() const { return arena_.free_blocks(); }
  [[nodiscard]] std::size_t parking_places() const { return parked_.places(); }

 private:
  std::size_t place(StreamState& stream, std::span<const std::uint8_t> bytes);
  std::size_t extend_last(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Its last event with bytes, if that is not published yet.
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
