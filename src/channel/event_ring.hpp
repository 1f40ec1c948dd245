// The worker's end of one event ring. The worker builds events in private memory, the outbox, and publishes
// them in batches. Events without room in the ring stay in the outbox, in order.
#pragma once

#include <krepis/krepis.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "channel/region_layout.hpp"

namespace knul::channel {

// Thread: the producer's, unless a function says otherwise. Lifetime: the region outlives this object.
class EventRing {
 public:
  // `granules`: one per granule of the arena; publish() sets the first granule of an event's bytes to 1.
  // `first`: the number of the first event. The head and the tail in the region must have the same value.
  EventRing(std::uint8_t* ring, std::size_t records, std::atomic<std::uint8_t>* granules,
            std::uint32_t first = 0)
      : ring_(ring),
        mask_(static_cast<std::uint32_t>(records) - 1),
        granules_(granules),
        tail_(first),
        seen_head_(first),
        published_tail_(first),
        mark_(first) {}

  // Adds the event to the outbox and returns its number. After seal() it drops the event.
  std::uint32_t push(const FfiEvent& event);
  // The event with that number; null if it is published. Lifetime: until the next push, publish or seal.
  [[nodiscard]] FfiEvent* find_unpublished(std::uint32_t sequence);
  [[nodiscard]] std::uint32_t next_sequence() const { return tail_ + backlog(); }
  [[nodiscard]] std::uint32_t backlog() const { return static_cast<std::uint32_t>(outbox_.size() - first_); }

  // Reads the program's head. False: the head is invalid, and the last valid head stays in use.
  [[nodiscard]] bool refresh_head();
  // True if the program has read the event with that number, by the head that refresh_head read last.
  [[nodiscard]] bool has_passed(std::uint32_t sequence) const {
    return static_cast<std::int32_t>(seen_head() - sequence) > 0;
  }
  // Copies the events that fit into the ring. True if it published any.
  bool publish();
  // Drops the unpublished events and all later ones. Only `last` is still published, unless it is null.
  void seal(const FfiEvent* last);
  [[nodiscard]] bool is_sealed() const { return is_sealed_; }
  // Call after publish(). Starts the measurement of is_behind(), unless it is running.
  void start_measurement(std::chrono::nanoseconds now);

  // Thread: any. True if the program has events to read. The head and the tail are not read at the same time.
  // That is enough, because callers check again after they have armed the wake signal.
  [[nodiscard]] bool has_events() const {
    return published_tail_.load(std::memory_order_seq_cst) != load_head();
  }
  // Thread: any. True if an event that was published `age` ago or earlier is unread. Weak case: the age of
  // an event that is published during a measurement counts from the first publish after that measurement.
  [[nodiscard]] bool is_behind(std::chrono::nanoseconds now, std::chrono::nanoseconds age) const;
  // Thread: any. The head in the region, unchecked.
  [[nodiscard]] std::uint32_t head() const { return load_head(); }
  [[nodiscard]] std::uint64_t published() const { return published_.load(std::memory_order_relaxed); }
  // True if the program has moved the head since refresh_head read it.
  [[nodiscard]] bool has_moved() const { return load_head() != seen_head(); }

 private:
  [[nodiscard]] std::uint32_t load_head() const {
    return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(ring_ + kHeadOffset), __ATOMIC_SEQ_CST);
  }
  [[nodiscard]] std::uint32_t seen_head() const { return seen_head_.load(std::memory_order_relaxed); }

  std::uint8_t* ring_;
  std::uint32_t mask_;
  std::atomic<std::uint8_t>* granules_;
  std::vector<FfiEvent> outbox_;
  std::size_t first_ = 0;  // the first unpublished event of the outbox
  std::uint32_t tail_;
  std::atomic<std::uint64_t> published_{0};  // events since the start
  std::atomic<std::uint32_t> seen_head_;
  std::atomic<std::uint32_t> published_tail_;  // has_events does not trust the copy in the region
  // The tail at the time marked_at_ns_. The measurement runs until the head reaches the mark.
  std::atomic<std::uint32_t> mark_;
  std::atomic<std::int64_t> marked_at_ns_{0};
  bool is_sealed_ = false;
};

}  // namespace knul::channel
