// Makes the events of one worker and puts them into its ring.
#pragma once

#include <krepis/krepis.hpp>

#include <chrono>
#include <cstdint>

#include "channel/event_ring.hpp"
#include "channel/mailbox.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: the worker's, until detach has returned; then the program's threads, one at a time.
// Lifetime: the ring and the mailbox outlive this object. The worker lives until detach.
class EventWriter {
 public:
  // With this backlog the worker refuses new connections, closes connections whose peers open streams, and
  // drops DATAGRAM_FATE events.
  static constexpr std::uint32_t kMostBacklogEvents = 65'536;

  EventWriter(EventRing& ring, Mailbox& mailbox, krepis::Worker& worker)
      : ring_(ring), mailbox_(mailbox), worker_(&worker) {}
  // Call when the worker ends. From then on now() reads the system's clock.
  void detach() { worker_ = nullptr; }

  // `connection`: 0 for an event without a connection.
  [[nodiscard]] FfiEvent make(std::uint32_t type, std::uint32_t connection) const;
  [[nodiscard]] FfiEvent make(std::uint32_t type, const StreamState& stream) const;
  // Returns the number of the event.
  std::uint32_t push(const FfiEvent& event) { return ring_.push(event); }
  // Returns the number of the event. The first event of a peer's stream also announces the stream.
  std::uint32_t push(StreamState& stream, FfiEvent event);
  // As in EventRing.
  [[nodiscard]] FfiEvent* find_unpublished(std::uint32_t sequence) {
    return ring_.find_unpublished(sequence);
  }
  [[nodiscard]] std::uint32_t backlog() const { return ring_.backlog(); }
  [[nodiscard]] bool is_overloaded() const { return ring_.backlog() >= kMostBacklogEvents; }
  [[nodiscard]] std::chrono::nanoseconds now() const;

  // Updates Entry::facts of an open connection, unless they are recent.
  void refresh_facts(ConnectionState& state);

 private:
  EventRing& ring_;
  Mailbox& mailbox_;  // for its lock
  krepis::Worker* worker_;
};

}  // namespace knul::channel
