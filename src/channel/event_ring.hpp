// The worker's end of one event ring. Events are put together in private memory and published in batches;
// what does not fit waits in the outbox, in order.
#pragma once

#include <krepis/krepis.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "channel/region_layout.hpp"

namespace knul::channel {

// Thread: one, the producer, where nothing else is said. Lifetime: the region's.
class EventRing {
 public:
  // `granules`: the state of each range's first granule; set to 1 when an event with bytes goes out.
  // `first`: the number of the first event, which head and tail of the region must say, too.
  EventRing(std::uint8_t* ring, std::size_t records, std::atomic<std::uint8_t>* granules,
            std::uint32_t first = 0)
      : ring_(ring),
        mask_(static_cast<std::uint32_t>(records) - 1),
        granules_(granules),
        tail_(first),
        seen_head_(first),
        published_tail_(first),
        mark_(first) {}

  // Gives the event its number, which is returned. After seal the event is dropped.
  std::uint32_t push(const FfiEvent& event);
  // The event with that number, if it is not published yet. Lifetime: the next push or publish.
  [[nodiscard]] FfiEvent* find_unpublished(std::uint32_t sequence);
  [[nodiscard]] std::uint32_t next_sequence() const { return tail_ + backlog(); }
  [[nodiscard]] std::uint32_t backlog() const { return static_cast<std::uint32_t>(outbox_.size() - first_); }

  // Reads the program's head. False: the head is invalid, and the former one is kept.
  [[nodiscard]] bool refresh_head();
  [[nodiscard]] bool has_passed(std::uint32_t sequence) const {
    return static_cast<std::int32_t>(seen_head() - sequence) > 0;
  }
  // Copies what fits to the ring. True when there was anything.
  bool publish();
  // Drops unpublished events. Only `last` follows; null: no event follows.
  void seal(const FfiEvent* last);
  [[nodiscard]] bool is_sealed() const { return is_sealed_; }
  // After publish: starts the measurement of is_behind again, unless one is under way.
  void note_published(std::chrono::nanoseconds now);

  // Thread: any. Whether the program has events to read; head and tail of the same moment are not needed,
  // because the caller looks again after it was armed.
  [[nodiscard]] bool has_events() const {
    return published_tail_.load(std::memory_order_seq_cst) != load_head();
  }
  // Thread: any. Whether an event that is `age` old, or older, has not been read. Told late by up to `age`.
  [[nodiscard]] bool is_behind(std::chrono::nanoseconds now, std::chrono::nanoseconds age) const;
  // Thread: any. As the region says, unchecked.
  [[nodiscard]] std::uint32_t head() const { return load_head(); }
  [[nodiscard]] std::uint64_t published() const { return published_.load(std::memory_order_relaxed); }
  // Whether the producer has not seen the program's head.
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
  std::size_t first_ = 0;  // of the outbox that is not published
  std::uint32_t tail_;
  std::atomic<std::uint64_t> published_{0};  // in all
  std::atomic<std::uint32_t> seen_head_;
  std::atomic<std::uint32_t> published_tail_;  // what the region says is the program's copy
  // The tail at one moment. As long as the head has not come there, the program is behind by the time since.
  std::atomic<std::uint32_t> mark_;
  std::atomic<std::int64_t> marked_at_ns_{0};
  bool is_sealed_ = false;
};

}  // namespace knul::channel
