// The memory of send buffers and unsent DATAGRAMs that the connections of one endpoint share.
//
// Shares: fair_share.hpp limits what a connection and a source address may hold, so that a part of the memory
// stays free for later ones. When many connections with little each have used up the memory, they wait in a
// queue and take turns: a connection may take a limited amount in its turn, and then waits behind the others
// for more. The amount of a turn stays reserved for a round, because a program may write only after all
// connections of the round were notified. Each source has a queue, and the sources take turns. A connection
// or source at its share is capped: it leaves the queue and does not delay others. A capped source returns
// when some of its memory is released; both return when watch() finds room in their share. DATAGRAMs do not
// take turns: without room they are dropped.
//
// Eviction: while the memory is short, find_stalled() returns the largest holder of those without progress.
// Weak case: a peer that acknowledges a byte now and then keeps its share.
#pragma once

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/fair_share.hpp"
#include "base/time.hpp"

namespace knul::quic {

class SendBudget {
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  template <class T, Hook T::*kPlace>
  using List = boost::intrusive::list<T, boost::intrusive::member_hook<T, Hook, kPlace>,
                                      boost::intrusive::constant_time_size<false>>;

 public:
  class Source;
  static constexpr base::Duration kRound = std::chrono::milliseconds(1);
  // The precision of progress times, and the interval of the searches for capped members with new room and
  // for stalled members.
  static constexpr base::Duration kTick = std::chrono::milliseconds(100);
  // A member without progress for a shorter time has not stalled.
  static constexpr base::Duration kShortestStall = std::chrono::seconds(1);
  // After a longer time without a search the worker was busy, and peers may have made progress that it has
  // not read yet. No member then counts as stalled for another kShortestStall.
  static constexpr base::Duration kLongestSearchGap = std::chrono::milliseconds(500);

  // A connection. Its destructor unlinks it from all lists. The caller must first release all that it holds.
  class Member {
   public:
    // Called once, while it holds nothing. Lifetime: `source` outlives it.
    void set_source(Source& source) { source_ = &source; }
    [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }

   private:
    friend class SendBudget;
    Hook place_;           // in its source's waiting_ or in capped_members_
    Hook progress_place_;  // in by_progress_
    std::uint64_t turn_bytes_ = 0;
    std::uint64_t held_bytes_ = 0;
    base::Instant progress_at_{};
    Source* source_ = nullptr;  // null: a client's connection, in unlimited_
  };

  // The connections of one source address. Lifetime: outlives its members.
  class Source {
    friend class SendBudget;
    std::uint64_t held_bytes_ = 0;
    List<Member, &Member::place_> waiting_;
    Hook place_;              // while members wait: in waiting_sources_ or capped_sources_
    bool is_capped_ = false;  // in capped_sources_
  };

  // A turn begins when `least_turn_bytes` are free, and grants at most four times as many. `parts` is that of
  // base::fair_share::room_of_connection, but a connection may always hold two least turns. The last
  // sixteenth of the memory is reserved for connections that hold at most a quarter of a least turn.
  SendBudget(std::uint64_t limit_bytes, std::uint64_t least_turn_bytes, std::uint64_t parts = 1)
      : limit_bytes_(limit_bytes),
        least_turn_bytes_(least_turn_bytes),
        parts_(parts),
        plenty_bytes_((limit_bytes / 2 - limit_bytes / 16) / (parts + 1)) {}

  // True if `member` may certainly take `bytes`: at least half is free, no member waits, and the bytes fit
  // into the smallest share of that half. Cheaper than room_of(), which has the full rules.
  [[nodiscard]] bool has_plenty_for(const Member& member, std::uint64_t bytes) const {
    return used_bytes_ <= limit_bytes_ / 2 && promised_bytes_ == 0 && waiting_sources_.empty() &&
           capped_sources_.empty() && bytes <= plenty_bytes_ && member.held_bytes_ <= plenty_bytes_ - bytes;
  }

  // How much `member` may take now. Its turn does not end with this call, because a program may write later.
  // Not inline, so that callers that has_plenty_for() answers save no registers for it.
  [[nodiscard, gnu::noinline]] std::uint64_t room_of(const Member& member) const {
    const Source& source = source_of(member);
    const std::uint64_t free = left(limit_bytes_);
    const std::uint64_t of_turn = std::min(free, member.turn_bytes_);
    const std::uint64_t held = member.held_bytes_;
    const std::uint64_t share = std::min(own_room(member, held, free), room_of_source(source, free));
    const std::uint64_t of_reserve = reserve_room(member, held, free);
    if (!waiting_sources_.empty() || !source.waiting_.empty()) {
      return std::max(of_reserve, std::min(share, of_turn));
    }
    const std::uint64_t of_others = promised_bytes_ - std::min(promised_bytes_, member.turn_bytes_);
    return std::max(of_reserve, std::min(share, std::max(of_turn, free - std::min(free, of_others))));
  }
  // How much more `member` may hold in DATAGRAMs, with `held` in unsent ones. The bytes of its streams do not
  // count; otherwise a connection that sends as much as it may would lose all its DATAGRAMs.
  [[nodiscard]] std::uint64_t room_for_datagrams(const Member& member, std::uint64_t held) const {
    const std::uint64_t free = left(limit_bytes_);
    return std::max(reserve_room(member, held, free),
                    std::min(own_room(member, held, free), room_of_source(source_of(member), free)));
  }
  // The room for buffers that grow; half of the memory is reserved for initial buffers.
  [[nodiscard]] std::uint64_t room_to_grow() const { return left(limit_bytes_ / 2); }
  // The least room that is worth a notification of `member`. A member that holds nothing needs less.
  [[nodiscard]] std::uint64_t notify_threshold(const Member& member) const {
    return member.held_bytes_ == 0 && member.source_ != nullptr ? small_bytes() : least_turn_bytes_;
  }

  void take(Member& member, std::uint64_t bytes, base::Instant now) {
    const std::uint64_t of_turn = std::min(member.turn_bytes_, bytes);
    take_for_datagram(member, bytes, now);
    member.turn_bytes_ -= of_turn;
    promised_bytes_ -= std::min(promised_bytes_, of_turn);
  }
  // Leaves the bytes that a turn promised to the streams.
  void take_for_datagram(Member& member, std::uint64_t bytes, base::Instant now) {
    if (member.held_bytes_ == 0) {
      note_progress(member, now);
    }
    used_bytes_ += bytes;
    member.held_bytes_ += bytes;
    source_of(member).held_bytes_ += bytes;
  }
  void release(Member& member, std::uint64_t bytes) {
    assert(bytes <= member.held_bytes_);
    Source& source = source_of(member);
    used_bytes_ -= bytes;
    member.held_bytes_ -= bytes;
    source.held_bytes_ -= bytes;
    if (source.is_capped_) {
      admit_if_below_share(source);
    }
  }
  // Called when some of its memory was acknowledged, or when it begins to hold memory. Exact to kTick, to be
  // cheap.
  void note_progress(Member& member, base::Instant now) {
    now = std::max(now, clock_);
    if (now - member.progress_at_ >= kTick || !member.progress_place_.is_linked()) {
      member.progress_at_ = now;
      member.progress_place_.unlink();
      by_progress_.push_back(member);
    }
  }

  // Waits for room. A member that already waits keeps its place.
  void wait_for_room(Member& member) {
    if (member.place_.is_linked()) {
      return;
    }
    promised_bytes_ -= std::min(promised_bytes_, std::exchange(member.turn_bytes_, 0));
    if (is_at_share(member)) {
      capped_members_.push_back(member);
    } else {
      enqueue(member);
    }
  }
  // Returns the next member in turn, which no longer waits; null while too little is free.
  [[nodiscard]] Member* begin_turn(base::Instant now);

  // Called often. True while a member waits or little is free. Also moves capped members and sources that are
  // no longer at their share back into the queue.
  [[nodiscard]] bool watch(base::Instant now);
  // Sets a lower bound of the time, for calls of connections without a time.
  void note_time(base::Instant now) { clock_ = std::max(clock_, now); }
  // While memory is short: the largest holder with `has_stalled(member, since)` among the members longest
  // without progress; null: none now. `since` is at least kShortestStall.
  template <class HasStalled>
  [[nodiscard]] Member* find_stalled(base::Instant now, HasStalled has_stalled);

  // When begin_turn, watch or find_stalled may have a new result although nothing was released.
  [[nodiscard]] base::Instant next_round_at() const {
    const bool is_due = !waiting_sources_.empty() && left(limit_bytes_) >= least_turn_bytes_;
    return std::min(is_due ? round_at_ + kRound : base::kNever,
                    is_watched_ ? last_search_at_ + kTick : base::kNever);
  }

 private:
  static constexpr std::size_t kMembersPerSearch = 1'024;

  [[nodiscard]] std::uint64_t left(std::uint64_t limit) const {
    return limit > used_bytes_ ? limit - used_bytes_ : 0;
  }
  [[nodiscard]] Source& source_of(const Member& member) {
    return member.source_ == nullptr ? unlimited_ : *member.source_;
  }
  [[nodiscard]] const Source& source_of(const Member& member) const {
    return member.source_ == nullptr ? unlimited_ : *member.source_;
  }
  // `held`: the bytes that count against its share.
  [[nodiscard]] std::uint64_t own_room(const Member& member, std::uint64_t held, std::uint64_t free) const {
    if (member.source_ == nullptr) {
      return free;
    }
    const auto up_to = [held](std::uint64_t most) { return most - std::min(most, held); };
    const std::uint64_t kept = limit_bytes_ / 16;
    const std::uint64_t open = free - std::min(free, kept);
    const std::uint64_t share = std::max(base::fair_share::room_of_connection(open, held, parts_),
                                         std::min(open, up_to(2 * least_turn_bytes_)));
    return std::max(share, std::min(free, up_to(small_bytes())));
  }
  // The bytes of the reserve that a member may take although others wait and its source is at its share: a
  // member that holds little, because many honest clients may share an address. Half of the reserve is
  // excluded.
  [[nodiscard]] std::uint64_t reserve_room(const Member& member, std::uint64_t held,
                                           std::uint64_t free) const {
    if (member.source_ == nullptr || held >= small_bytes()) {
      return 0;
    }
    const std::uint64_t kept = limit_bytes_ / 32;
    return std::min(free - std::min(free, kept), small_bytes() - held);
  }
  [[nodiscard]] std::uint64_t room_of_source(const Source& source, std::uint64_t free) const {
    return &source == &unlimited_ ? free : base::fair_share::room_of_source(free, source.held_bytes_);
  }
  [[nodiscard]] std::uint64_t small_bytes() const {
    return std::max<std::uint64_t>(least_turn_bytes_ / 4, 1);
  }
  // True if the share of `member` has too little room for a turn even when no other member waits. A member
  // that holds nothing is not at its share, even while nothing is free.
  [[nodiscard]] bool is_at_share(const Member& member) const {
    const std::uint64_t free = std::max(left(limit_bytes_), least_turn_bytes_);
    return own_room(member, member.held_bytes_, free) < notify_threshold(member);
  }
  [[nodiscard]] bool is_at_share(const Source& source) const {
    const std::uint64_t free = std::max(left(limit_bytes_), least_turn_bytes_);
    return room_of_source(source, free) < least_turn_bytes_;
  }
  // A member waits for others, or less than a quarter is free.
  [[nodiscard]] bool is_short() const {
    return !waiting_sources_.empty() || !capped_sources_.empty() || left(limit_bytes_) < limit_bytes_ / 4;
  }
  void enqueue(Member& member) {
    Source& source = source_of(member);
    source.waiting_.push_back(member);
    if (source.place_.is_linked()) {
      return;
    }
    if (is_at_share(source)) {
      cap(source);
    } else {
      admit(source);
    }
  }
  void cap(Source& source) {
    source.is_capped_ = true;
    capped_sources_.push_back(source);
  }
  // Called after a capped source has released memory.
  [[gnu::noinline]] void admit_if_below_share(Source& source) {
    if (!is_at_share(source)) {
      admit(source);
    }
  }
  void admit(Source& source) {
    source.place_.unlink();
    source.is_capped_ = false;
    waiting_sources_.push_back(source);
  }

  const std::uint64_t limit_bytes_;
  const std::uint64_t least_turn_bytes_;
  const std::uint64_t parts_;
  const std::uint64_t plenty_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t promised_bytes_ = 0;  // to this round's turns, not taken yet
  base::Instant round_at_{};
  base::Instant clock_{};
  bool is_watched_ = false;                             // the memory was short at the last watch()
  base::Instant last_search_at_{};                      // of watch()
  base::Instant no_stall_before_{};                     // until then no member counts as stalled
  base::Instant next_stall_search_at_{};                // of find_stalled()
  Source unlimited_;                                    // of a client's connections, which have no shares
  List<Source, &Source::place_> waiting_sources_;       // with waiting members, in the order of their turns
  List<Source, &Source::place_> capped_sources_;        // with waiting members, at their share
  List<Member, &Member::place_> capped_members_;        // waiting members at their share
  List<Member, &Member::progress_place_> by_progress_;  // longest without progress first; may hold nothing
};

inline SendBudget::Member* SendBudget::begin_turn(base::Instant now) {
  if (now >= round_at_ + kRound) {
    round_at_ = now;
    promised_bytes_ = 0;
  }
  const std::uint64_t free = left(limit_bytes_);
  const std::uint64_t room = free - std::min(free, promised_bytes_);
  while (!waiting_sources_.empty()) {
    Source& source = waiting_sources_.front();
    if (room < least_turn_bytes_ && !source.waiting_.empty()) {
      return nullptr;
    }
    waiting_sources_.pop_front();
    if (source.waiting_.empty()) {
      continue;  // the waiting members have gone
    }
    if (is_at_share(source)) {
      cap(source);
      continue;
    }
    Member& next = source.waiting_.front();
    source.waiting_.pop_front();
    if (!source.waiting_.empty()) {
      waiting_sources_.push_back(source);
    }
    if (is_at_share(next)) {
      capped_members_.push_back(next);
      continue;
    }
    next.turn_bytes_ = std::min(room, 4 * least_turn_bytes_);
    promised_bytes_ += next.turn_bytes_;
    return &next;
  }
  return nullptr;
}

inline bool SendBudget::watch(base::Instant now) {
  note_time(now);
  const bool was_watched = is_watched_;
  is_watched_ = is_short() || !capped_members_.empty();
  if (!was_watched) {
    last_search_at_ = is_watched_ ? now : last_search_at_;
    return is_watched_;
  }
  if (now < last_search_at_ + kTick) {
    return is_watched_;
  }
  if (now >= last_search_at_ + kLongestSearchGap) {
    no_stall_before_ = now + kShortestStall;
  }
  last_search_at_ = now;
  List<Source, &Source::place_> sources;
  sources.splice(sources.end(), capped_sources_);
  while (!sources.empty()) {
    admit(sources.front());  // begin_turn caps it again if it is still at its share
  }
  List<Member, &Member::place_> examined;
  examined.splice(examined.end(), capped_members_);
  for (std::size_t i = 0; i < kMembersPerSearch && !examined.empty(); ++i) {
    Member& member = examined.front();
    examined.pop_front();
    if (is_at_share(member)) {
      capped_members_.push_back(member);
    } else {
      enqueue(member);
    }
  }
  capped_members_.splice(capped_members_.begin(), examined);
  return is_watched_;
}

template <class HasStalled>
SendBudget::Member* SendBudget::find_stalled(base::Instant now, HasStalled has_stalled) {
  if (!is_short() || now < next_stall_search_at_ || now < no_stall_before_) {
    return nullptr;
  }
  Member* largest = nullptr;
  auto next = by_progress_.begin();
  for (std::size_t i = 0; i < kMembersPerSearch && next != by_progress_.end(); ++i) {
    Member& member = *next++;
    const base::Duration since = now - member.progress_at_;
    if (since < kShortestStall) {
      break;
    }
    if (member.held_bytes_ == 0) {
      member.progress_place_.unlink();
    } else if ((largest == nullptr || member.held_bytes_ > largest->held_bytes_) &&
               has_stalled(member, since)) {
      largest = &member;
    }
  }
  if (largest == nullptr) {
    next_stall_search_at_ = now + kTick;
  }
  return largest;
}

}  // namespace knul::quic
