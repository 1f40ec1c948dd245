// Received bytes without room in the arena. They are kept with their streams, which take turns once there is
// room. When too many bytes are parked, the connections that hold most are closed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "channel/fifo.hpp"
#include "channel/state_table.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: one. Lifetime: states and count are longer.
class ParkedBytes {
 public:
  // `count`: of the whole channel; `most`: of this worker.
  ParkedBytes(StateTable& states, std::atomic<std::uint64_t>& count, std::uint64_t most)
      : states_(states), count_(count), most_(most) {}

  void add(StreamState& stream, std::span<const std::uint8_t> bytes);
  // Removes the oldest bytes of the stream, which were moved to the arena.
  void remove(StreamState& stream, std::size_t bytes);
  // Drops the parked bytes and the parked FIN of the stream.
  void drop(StreamState& stream);

  // The number of calls of take_turn() that visit each stream once.
  [[nodiscard]] std::size_t places() const { return turns_.size(); }
  // Removes the next stream from the list and returns it. Null: that stream has ended.
  [[nodiscard]] StreamState* take_turn();
  // The stream waits for another turn if it has parked bytes.
  void queue(const StreamState& stream);

 private:
  void note_removed(StreamState& stream, std::size_t bytes);
  void shed();
  void drop_all(ConnectionState& state);
  void prune();

  StateTable& states_;
  std::atomic<std::uint64_t>& count_;
  const std::uint64_t most_;
  Fifo<std::uint32_t> turns_;  // streams with parked bytes, and some that ended
  std::size_t streams_ = 0;    // of those
  std::uint64_t bytes_ = 0;
};

}  // namespace knul::channel
