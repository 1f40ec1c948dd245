#include "channel/event_ring.hpp"

#include <algorithm>
#include <cstring>

namespace knul::channel {

static_assert(sizeof(FfiEvent) == kRecordBytes);

std::uint32_t EventRing::push(const FfiEvent& event) {
  const std::uint32_t sequence = next_sequence();
  if (is_sealed_) {
    return sequence;
  }
  outbox_.push_back(event);
  outbox_.back().sequence = sequence;
  return sequence;
}

FfiEvent* EventRing::find_unpublished(std::uint32_t sequence) {
  const std::uint32_t place = sequence - tail_;
  return place < backlog() ? &outbox_[first_ + place] : nullptr;
}

bool EventRing::refresh_head() {
  const std::uint32_t head = load_head();
  const std::uint32_t seen = seen_head();
  if (head - seen > tail_ - seen) {
    return false;
  }
  seen_head_.store(head, std::memory_order_relaxed);
  return true;
}

bool EventRing::publish() {
  const std::uint32_t room = mask_ + 1 - (tail_ - seen_head());
  const std::uint32_t count = std::min(backlog(), room);
  if (count == 0) {
    return false;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const FfiEvent& event = outbox_[first_ + i];
    if (event.length > 0) {
      granules_[event.offset / kGranuleBytes].store(1, std::memory_order_relaxed);
    }
    std::memcpy(ring_ + kRingHeaderBytes + std::size_t{(tail_ + i) & mask_} * kRecordBytes, &event,
                sizeof event);
  }
  tail_ += count;
  published_.fetch_add(count, std::memory_order_relaxed);
  first_ += count;
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(ring_ + kTailOffset), tail_, __ATOMIC_RELEASE);
  published_tail_.store(tail_, std::memory_order_seq_cst);
  if (first_ == outbox_.size()) {
    outbox_.clear();
    first_ = 0;
  } else if (first_ >= outbox_.size() / 2) {  // moves at most as many events as it removes
    outbox_.erase(outbox_.begin(), outbox_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return true;
}

void EventRing::seal(const FfiEvent* last) {
  outbox_.clear();
  first_ = 0;
  if (last != nullptr) {
    push(*last);
  }
  is_sealed_ = true;
}

void EventRing::start_measurement(std::chrono::nanoseconds now) {
  if (static_cast<std::int32_t>(load_head() - mark_.load(std::memory_order_relaxed)) >= 0) {
    marked_at_ns_.store(now.count(), std::memory_order_relaxed);
    mark_.store(tail_, std::memory_order_release);
  }
}

bool EventRing::is_behind(std::chrono::nanoseconds now, std::chrono::nanoseconds age) const {
  const std::uint32_t mark = mark_.load(std::memory_order_acquire);
  return static_cast<std::int32_t>(load_head() - mark) < 0 &&
         now - std::chrono::nanoseconds(marked_at_ns_.load(std::memory_order_relaxed)) >= age;
}

}  // namespace knul::channel
