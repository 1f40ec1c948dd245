// The states of one worker's streams and connections in a channel, by handle. A state is freed after the
// program has read its last event and released all of its ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "channel/event_ring.hpp"
#include "channel/fifo.hpp"
#include "channel/handle_table.hpp"
#include "channel/mailbox.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: the worker's, until detach has returned; then the program's threads, one at a time.
// Lifetime: table, ring and mailbox outlive this object.
class StateTable {
 public:
  static constexpr std::size_t kMostSpareStates = 1'024;  // of streams, 200 bytes each

  StateTable(HandleTable& table, const EventRing& ring, Mailbox& mailbox);
  // Call when the worker ends. Frees the spare states and keeps none from then on.
  void detach();

  // Null: the handle does not name an object of this kind.
  [[nodiscard]] StreamState* find_stream(std::uint32_t handle) const;
  [[nodiscard]] ConnectionState* find_connection(std::uint32_t handle) const;

  StreamState& add_stream(Entry& entry);
  // The connections without a CONNECTION_CLOSED event.
  void add_open(ConnectionState& state) { open_.insert(&state); }
  void remove_open(ConnectionState& state) { open_.erase(&state); }
  [[nodiscard]] const std::unordered_set<ConnectionState*>& open_connections() const { return open_; }

  // Both wait until the program has read the last event pushed so far. free_when_read then frees the entry as
  // soon as its ranges are released. release_when_read makes the engine release the stream, so that the peer
  // gets credit for another stream.
  void free_when_read(std::uint32_t handle);
  void release_when_read(const StreamState& stream);
  [[nodiscard]] bool waits_for_reader() const { return !deferred_.empty(); }
  // Runs the actions whose events the program has read.
  void run_due();

  // Call after the release of a range.
  void free_if_released(StreamState& stream);
  void free_if_released(ConnectionState& state);
  // Frees the entries that free_if_released has found, with one lock for all of them.
  void free_entries();

 private:
  struct DeferredAction {  // waits until the program has read the event `sequence`
    enum class Kind : bool { kReleaseStream, kFreeEntry };
    std::uint32_t sequence;
    std::uint32_t handle;
    Kind kind;
  };

  void run(const DeferredAction& action);
  void recycle_state(Entry& entry);

  HandleTable& table_;
  const EventRing& ring_;
  Mailbox& mailbox_;  // for its lock
  // Not an absl table, because those are invalid after std::bad_alloc.
  std::unordered_set<ConnectionState*> open_;
  Fifo<DeferredAction, 256 << 10> deferred_;
  std::vector<Entry*> to_free_;
  std::vector<std::unique_ptr<StreamState>> spare_;
  std::size_t most_spare_ = kMostSpareStates;
};

}  // namespace knul::channel
