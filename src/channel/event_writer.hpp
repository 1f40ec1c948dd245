// Makes the events of one worker and puts them into its ring.
#pragma once

#include <krepis/krepis.hpp>

#include <chrono>
#include <cstdint>

#include "channel/event_ring.hpp"
#include "channel/mailbox.hpp"
#include "channel/stream_state.hpp"

namespace knul::channel {

// Thread: the worker's, until detach has returned; then the program's, one at a time.
// Lifetime: the ring, the mailbox, and the worker until detach are longer.
class EventWriter {
 public:
  // Beyond these the worker takes no new connections and streams, and drops what it may drop.
  static constexpr std::uint32_t kMostBacklogEvents = 65'536;

  EventWriter(EventRing& ring, Mailbox& mailbox, krepis::Worker& worker)
      : ring_(ring), mailbox_(mailbox), worker_(&worker) {}
  // The worker ends: from here on the time is the system's.
  void detach() { worker_ = nullptr; }

  // 0: an event of no connection.
  [[nodiscard]] FfiEvent make(std::uint32_t type, std::uint32_t connection) const;
  [[nodiscard]] FfiEvent make(std::uint32_t type, const StreamState& stream) const;
  // Returns the number of the event.
  std::uint32_t push(const FfiEvent& event) { return ring_.push(event); }
  // Announces the stream by its first event.
  std::uint32_t push(StreamState& stream, FfiEvent event);
  // As of EventRing.
  [[nodiscard]] FfiEvent* find_unpublished(std::uint32_t sequence) {
    return ring_.find_unpublished(sequence);
  }
  [[nodiscard]] std::uint32_t backlog() const { return ring_.backlog(); }
  [[nodiscard]] bool is_overloaded() const { return ring_.backlog() >= kMostBacklogEvents; }
  [[nodiscard]] std::chrono::nanoseconds now() const;

  // What the program can ask about a connection, unless it is recent.
  void refresh_facts(ConnectionState& state);

 private:
  EventRing& ring_;
  Mailbox& mailbox_;  // for its lock
  krepis::Worker* worker_;
};

}  // namespace knul::channel
