// A fixed number of places that the peers of an endpoint share: for half-open handshakes, for connections, or
// for entries of the closing table. Each place belongs to a source address. A new place evicts another when
// its source has reached its share (fair_share.hpp) or when no place is free. All operations are O(1).
#pragma once

#include <array>
#include <bit>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "base/fair_share.hpp"

namespace knul::quic {

class SharedPlaces {
  using Hook = boost::intrusive::list_member_hook<>;

 public:
  class Holder;
  // A member of the object that holds the place. Call leave() before its destruction.
  class Place {
   public:
    [[nodiscard]] bool is_held_by(const Holder& holder) const { return holder_ == &holder; }

   private:
    friend class SharedPlaces;
    Hook hook_;  // in its holder's places_
    Holder* holder_ = nullptr;
  };

  // The places of one source address. Lifetime: longer than it holds places.
  class Holder {
   public:
    [[nodiscard]] std::uint64_t count() const { return count_; }

   private:
    friend class SharedPlaces;
    using Places = boost::intrusive::list<Place, boost::intrusive::member_hook<Place, Hook, &Place::hook_>,
                                          boost::intrusive::constant_time_size<false>>;
    Places places_;  // oldest first
    std::uint64_t count_ = 0;
    Hook hook_;  // in holders_
  };

  explicit SharedPlaces(std::uint64_t limit) : limit_(limit) {}

  [[nodiscard]] bool is_full() const { return used_ >= limit_; }

  // The place to evict for one more place of `newcomer`; null: a place is free. A source at its share loses
  // its own oldest place, so that some places stay free for other sources. When no place is free, the source
  // with the most places, by size class (powers of two), loses its oldest; if `newcomer` is of that class, it
  // loses its own.
  [[nodiscard]] Place* to_evict_for(const Holder& newcomer) const {
    if (!is_full()) {
      const bool is_at_share = base::fair_share::room_of_source(limit_ - used_, newcomer.count_) == 0;
      return is_at_share ? oldest(newcomer) : nullptr;
    }
    Place* const others = to_evict_of_others(&newcomer);
    return others != nullptr ? others : oldest(newcomer);
  }
  // The oldest place of a source that holds about twice as many as `newcomer`, or more; null: no source does.
  // `newcomer` is null for a source without places. Called only when no place is free.
  [[nodiscard]] Place* to_evict_of_others(const Holder* newcomer) const {
    const Holder* const largest = find_largest();
    const std::uint64_t own = newcomer == nullptr ? 0 : newcomer->count_;
    return largest != nullptr && size_class(largest->count_) > size_class(own) ? oldest(*largest) : nullptr;
  }
  // May exceed the limit when the caller could not evict.
  void take(Place& place, Holder& holder) {
    place.holder_ = &holder;
    holder.places_.push_back(place);
    ++used_;
    set_count(holder, holder.count_ + 1);
  }
  // No effect without a place.
  void leave(Place& place) {
    if (Holder* const holder = place.holder_; holder != nullptr) {
      holder->places_.erase(Holder::Places::s_iterator_to(place));
      place.holder_ = nullptr;
      --used_;
      set_count(*holder, holder->count_ - 1);
    }
  }
  // Makes the place the newest of its source.
  void renew(Place& place) {
    Holder::Places& places = place.holder_->places_;
    places.splice(places.end(), places, Holder::Places::s_iterator_to(place));
  }

 private:
  using Holders = boost::intrusive::list<Holder, boost::intrusive::member_hook<Holder, Hook, &Holder::hook_>,
                                         boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] static unsigned size_class(std::uint64_t count) {
    return static_cast<unsigned>(std::bit_width(count));
  }
  [[nodiscard]] static Place* oldest(const Holder& holder) {
    return holder.places_.empty() ? nullptr : const_cast<Place*>(&holder.places_.front());
  }
  [[nodiscard]] const Holder* find_largest() const {
    return classes_ == 0 ? nullptr
                         : &holders_[static_cast<std::size_t>(std::bit_width(classes_) - 1)].front();
  }
  void set_count(Holder& holder, std::uint64_t count) {
    const unsigned before = size_class(holder.count_);
    const unsigned after = size_class(count);
    holder.count_ = count;
    if (before == after) {
      return;
    }
    if (before > 0) {
      holders_[before].erase(Holders::s_iterator_to(holder));
      classes_ &= holders_[before].empty() ? ~(std::uint64_t{1} << before) : ~std::uint64_t{0};
    }
    if (after > 0) {
      holders_[after].push_back(holder);
      classes_ |= std::uint64_t{1} << after;
    }
  }

  const std::uint64_t limit_;
  std::uint64_t used_ = 0;
  std::array<Holders, 64> holders_;  // by size class; a count is below 2^63
  std::uint64_t classes_ = 0;        // bit n: holders_[n] is not empty
};

}  // namespace knul::quic
