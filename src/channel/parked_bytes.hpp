// Received bytes without room in the arena. Each stream keeps its parked bytes. When the arena has room, the
// streams move them there in turn. When too many bytes are parked, the connections with the most parked bytes
// are closed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "channel/fifo.hpp"
#include "channel/state_table.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: one. Lifetime: states and count outlive this object.
class ParkedBytes {
 public:
  // `count`: the parked bytes of the whole channel; `most`: the limit of this worker.
  ParkedBytes(StateTable& states, std::atomic<std::uint64_t>& count, std::uint64_t most)
      : states_(states), count_(count), most_(most) {}

  void add(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Removes the oldest bytes of the stream after they were copied into the arena.
  void remove(StreamState& stream, std::size_t bytes);
  // Drops the parked bytes and the parked FIN of the stream.
  void drop(StreamState& stream);

  // The number of calls of take_turn() after which each stream with parked bytes has had a turn.
  [[nodiscard]] std::size_t queue_length() const { return turns_.size(); }
  // Removes the next stream from the list and returns it. Null: that stream no longer has parked bytes.
  [[nodiscard]] StreamState* take_turn();
  // Adds the stream to the end of the list if it has parked bytes.
  void queue(const StreamState& stream);

 private:
  void count_removed(StreamState& stream, std::size_t bytes);
  void shed();
  void drop_all(ConnectionState& state);
  void prune();

  StateTable& states_;
  std::atomic<std::uint64_t>& count_;
  const std::uint64_t most_;
  Fifo<std::uint32_t> turns_;  // streams with parked bytes, and some that no longer have any
  std::size_t streams_ = 0;    // with parked bytes
  std::uint64_t bytes_ = 0;
};

}  // namespace knul::channel
