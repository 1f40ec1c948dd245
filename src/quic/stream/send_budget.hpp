// Memory of send buffers and of unsent DATAGRAMs that the connections of one endpoint share.
//
// Shares: a connection and a source address may hold what fair_share.hpp says, so that a part of the memory
// is free for those that come later. While many connections hold so little each that nothing is free, they
// wait in a queue, and memory goes round: each may take so much when its turn comes, and who wants more waits
// behind the others. What a turn promises is kept for its connection for a round, because a program may write
// after all have been told. Each source has a queue, and the sources take turns. Who is at its share waits
// apart and keeps nobody from the memory: a source until some of its own is released, both until watch()
// looks again. DATAGRAMs take no turns: where there is no room they are dropped.
//
// Eviction: while the memory is short, find_stalled() gives the largest holder of those that make no
// progress. Weak case: a peer that acknowledges a byte now and then keeps its share.
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
  // How exactly progress is timed, and how often is looked for who may have more or has stalled.
  static constexpr base::Duration kTick = std::chrono::milliseconds(100);
  // Without progress for less nobody has stalled.
  static constexpr base::Duration kLeastPatience = std::chrono::seconds(1);
  // If nobody has looked for so long, the worker was busy, and peers may have made progress that it has not
  // read yet. Nobody has stalled then for another kLeastPatience.
  static constexpr base::Duration kLongestTurn = std::chrono::milliseconds(500);

  // A connection. Its destructor takes it off all lists. The caller must release what it holds before.
  class Member {
   public:
    // Once, while it holds nothing. Lifetime: `source` longer.
    void set_source(Source& source) { source_ = &source; }
    [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }

   private:
    friend class SendBudget;
    Hook place_;         // in its source's waiting_, or in patient_
    Hook holder_place_;  // in holders_
    std::uint64_t turn_bytes_ = 0;
    std::uint64_t held_bytes_ = 0;
    base::Instant progress_at_{};
    Source* source_ = nullptr;  // null: everybody_, and no share
  };

  // The connections of one source address. Lifetime: longer than they.
  class Source {
    friend class SendBudget;
    std::uint64_t held_bytes_ = 0;
    List<Member, &Member::place_> waiting_;
    Hook place_;              // while some wait: in ring_, or in capped_
    bool is_capped_ = false;  // in capped_
  };

  // A turn begins when `least_turn_bytes` are free, and is for four times as many at most. `parts` as for
  // base::fair_share::room_of_connection; but a connection may always hold two least turns, and for those
  // that hold hardly anything, a quarter of one at most, the last sixteenth of the memory is kept.
  SendBudget(std::uint64_t limit_bytes, std::uint64_t least_turn_bytes, std::uint64_t parts = 1)
      : limit_bytes_(limit_bytes),
        least_turn_bytes_(least_turn_bytes),
        parts_(parts),
        plenty_bytes_((limit_bytes / 2 - limit_bytes / 16) / (parts + 1)) {}

  // Whether `member` may certainly take `bytes`: at least half is free, nobody waits, and every share of half
  // has room for as much. Cheaper than room_of(), which holds the rules.
  [[nodiscard]] bool has_plenty_for(const Member& member, std::uint64_t bytes) const {
    return used_bytes_ <= limit_bytes_ / 2 && promised_bytes_ == 0 && ring_.empty() && capped_.empty() &&
           bytes <= plenty_bytes_ && member.held_bytes_ <= plenty_bytes_ - bytes;
  }

  // What `member` may take now. Its turn does not end with the call that tells it: a program may write later.
  // Not inline, so that callers that has_plenty_for() answers save no registers for it.
  [[nodiscard, gnu::noinline]] std::uint64_t room_of(const Member& member) const {
    const Source& source = source_of(member);
    const std::uint64_t free = left(limit_bytes_);
    const std::uint64_t of_turn = std::min(free, member.turn_bytes_);
    const std::uint64_t held = member.held_bytes_;
    const std::uint64_t share = std::min(own_room(member, held, free), room_of_source(source, free));
    const std::uint64_t little = little_room(member, held, free);
    if (!ring_.empty() || !source.waiting_.empty()) {
      return std::max(little, std::min(share, of_turn));
    }
    const std::uint64_t of_others = promised_bytes_ - std::min(promised_bytes_, member.turn_bytes_);
    return std::max(little, std::min(share, std::max(of_turn, free - std::min(free, of_others))));
  }
  // What `member`, which holds `held` in unsent DATAGRAMs, may hold in further ones. What its streams hold
  // does not count: a connection that sends as much as it may would lose all its DATAGRAMs.
  [[nodiscard]] std::uint64_t room_for_datagrams(const Member& member, std::uint64_t held) const {
    const std::uint64_t free = left(limit_bytes_);
    return std::max(little_room(member, held, free),
                    std::min(own_room(member, held, free), room_of_source(source_of(member), free)));
  }
  // For buffers that have grown, which leave half to those that begin.
  [[nodiscard]] std::uint64_t room_to_grow() const { return left(limit_bytes_ / 2); }
  // Less is not worth telling `member` of. One that holds nothing is told of little.
  [[nodiscard]] std::uint64_t enough_for(const Member& member) const {
    return member.held_bytes_ == 0 && member.source_ != nullptr ? small_bytes() : least_turn_bytes_;
  }

  void take(Member& member, std::uint64_t bytes, base::Instant now) {
    const std::uint64_t of_turn = std::min(member.turn_bytes_, bytes);
    take_for_datagram(member, bytes, now);
    member.turn_bytes_ -= of_turn;
    promised_bytes_ -= std::min(promised_bytes_, of_turn);
  }
  // Takes nothing of what a turn promises to the streams.
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
      reconsider(source);
    }
  }
  // Some of what it holds was acknowledged, or it begins to hold some. Exact to kTick, so that it is cheap.
  void note_progress(Member& member, base::Instant now) {
    now = std::max(now, clock_);
    if (now - member.progress_at_ >= kTick || !member.holder_place_.is_linked()) {
      member.progress_at_ = now;
      member.holder_place_.unlink();
      holders_.push_back(member);
    }
  }

  // To be told when there is room. In its old place if it waits already.
  void wait(Member& member) {
    if (member.place_.is_linked()) {
      return;
    }
    promised_bytes_ -= std::min(promised_bytes_, std::exchange(member.turn_bytes_, 0));
    if (is_at_share(member)) {
      patient_.push_back(member);
    } else {
      enqueue(member);
    }
  }
  // The next whose turn it is, who no longer waits; null while too little is free.
  [[nodiscard]] Member* begin_turn(base::Instant now);

  // To be called often. True while somebody waits or little is left. Lets those into the queue that waited
  // for their share and are no longer at it.
  [[nodiscard]] bool watch(base::Instant now);
  // It is at least so late. For connections that are used without being told of the time.
  void note_time(base::Instant now) { clock_ = std::max(clock_, now); }
  // While it is short: the largest holder of those that have made no progress for longest, for which
  // `has_stalled(member, since)` holds; null: none at present. `since` is at least kLeastPatience.
  template <class HasStalled>
  [[nodiscard]] Member* find_stalled(base::Instant now, HasStalled has_stalled);

  // When begin_turn, watch or find_stalled may have something new although nothing was released.
  [[nodiscard]] base::Instant next_round_at() const {
    const bool is_due = !ring_.empty() && left(limit_bytes_) >= least_turn_bytes_;
    return std::min(is_due ? round_at_ + kRound : base::kNever,
                    is_watched_ ? looked_at_ + kTick : base::kNever);
  }

 private:
  static constexpr std::size_t kLooks = 1'024;  // members looked at in one call

  [[nodiscard]] std::uint64_t left(std::uint64_t limit) const {
    return limit > used_bytes_ ? limit - used_bytes_ : 0;
  }
  [[nodiscard]] Source& source_of(const Member& member) {
    return member.source_ == nullptr ? everybody_ : *member.source_;
  }
  [[nodiscard]] const Source& source_of(const Member& member) const {
    return member.source_ == nullptr ? everybody_ : *member.source_;
  }
  // `held`: what counts against its share.
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
  // What one that holds hardly anything may take although others wait and its address is at its share, as
  // many honest clients may be behind it. Half of what is kept is not for those.
  [[nodiscard]] std::uint64_t little_room(const Member& member, std::uint64_t held,
                                          std::uint64_t free) const {
    if (member.source_ == nullptr || held >= small_bytes()) {
      return 0;
    }
    const std::uint64_t kept = limit_bytes_ / 32;
    return std::min(free - std::min(free, kept), small_bytes() - held);
  }
  [[nodiscard]] std::uint64_t room_of_source(const Source& source, std::uint64_t free) const {
    return &source == &everybody_ ? free : base::fair_share::room_of_source(free, source.held_bytes_);
  }
  [[nodiscard]] std::uint64_t small_bytes() const {
    return std::max<std::uint64_t>(least_turn_bytes_ / 4, 1);
  }
  // Whether it would find too little for a turn if nobody else waited. While nothing is free that is nobody
  // who holds nothing.
  [[nodiscard]] bool is_at_share(const Member& member) const {
    const std::uint64_t free = std::max(left(limit_bytes_), least_turn_bytes_);
    return own_room(member, member.held_bytes_, free) < enough_for(member);
  }
  [[nodiscard]] bool is_at_share(const Source& source) const {
    const std::uint64_t free = std::max(left(limit_bytes_), least_turn_bytes_);
    return room_of_source(source, free) < least_turn_bytes_;
  }
  // Somebody waits for others, or little is left.
  [[nodiscard]] bool is_short() const {
    return !ring_.empty() || !capped_.empty() || left(limit_bytes_) < limit_bytes_ / 4;
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
    capped_.push_back(source);
  }
  // After memory of a capped source was released.
  [[gnu::noinline]] void reconsider(Source& source) {
    if (!is_at_share(source)) {
      admit(source);
    }
  }
  void admit(Source& source) {
    source.place_.unlink();
    source.is_capped_ = false;
    ring_.push_back(source);
  }

  const std::uint64_t limit_bytes_;
  const std::uint64_t least_turn_bytes_;
  const std::uint64_t parts_;
  const std::uint64_t plenty_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t promised_bytes_ = 0;  // of this round's turns, and not taken yet
  base::Instant round_at_{};
  base::Instant clock_{};
  bool is_watched_ = false;    // it was short when watch() was last called
  base::Instant looked_at_{};  // the last time that watch() looked for who may have more
  base::Instant nobody_stalls_until_{};
  base::Instant next_search_at_{};        // of find_stalled
  Source everybody_;                      // without an address: of a client, which has no shares
  List<Source, &Source::place_> ring_;    // those for which some wait
  List<Source, &Source::place_> capped_;  // the same, but they are at their share
  List<Member, &Member::place_> patient_;
  List<Member, &Member::holder_place_> holders_;  // without progress for longest first; some hold nothing now
};

inline SendBudget::Member* SendBudget::begin_turn(base::Instant now) {
  if (now >= round_at_ + kRound) {
    round_at_ = now;
    promised_bytes_ = 0;
  }
  const std::uint64_t free = left(limit_bytes_);
  const std::uint64_t room = free - std::min(free, promised_bytes_);
  while (!ring_.empty()) {
    Source& source = ring_.front();
    if (room < least_turn_bytes_ && !source.waiting_.empty()) {
      return nullptr;
    }
    ring_.pop_front();
    if (source.waiting_.empty()) {
      continue;  // they are gone
    }
    if (is_at_share(source)) {
      cap(source);
      continue;
    }
    Member& next = source.waiting_.front();
    source.waiting_.pop_front();
    if (!source.waiting_.empty()) {
      ring_.push_back(source);
    }
    if (is_at_share(next)) {
      patient_.push_back(next);
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
  is_watched_ = is_short() || !patient_.empty();
  if (!was_watched) {
    looked_at_ = is_watched_ ? now : looked_at_;
    return is_watched_;
  }
  if (now < looked_at_ + kTick) {
    return is_watched_;
  }
  if (now >= looked_at_ + kLongestTurn) {
    nobody_stalls_until_ = now + kLeastPatience;
  }
  looked_at_ = now;
  List<Source, &Source::place_> sources;
  sources.splice(sources.end(), capped_);
  while (!sources.empty()) {
    admit(sources.front());  // begin_turn puts it back if it is still at its share
  }
  List<Member, &Member::place_> examined;
  examined.splice(examined.end(), patient_);
  for (std::size_t i = 0; i < kLooks && !examined.empty(); ++i) {
    Member& member = examined.front();
    examined.pop_front();
    if (is_at_share(member)) {
      patient_.push_back(member);
    } else {
      enqueue(member);
    }
  }
  patient_.splice(patient_.begin(), examined);
  return is_watched_;
}

template <class HasStalled>
SendBudget::Member* SendBudget::find_stalled(base::Instant now, HasStalled has_stalled) {
  if (!is_short() || now < next_search_at_ || now < nobody_stalls_until_) {
    return nullptr;
  }
  Member* largest = nullptr;
  auto next = holders_.begin();
  for (std::size_t i = 0; i < kLooks && next != holders_.end(); ++i) {
    Member& member = *next++;
    const base::Duration since = now - member.progress_at_;
    if (since < kLeastPatience) {
      break;
    }
    if (member.held_bytes_ == 0) {
      member.holder_place_.unlink();
    } else if ((largest == nullptr || member.held_bytes_ > largest->held_bytes_) &&
               has_stalled(member, since)) {
      largest = &member;
    }
  }
  if (largest == nullptr) {
    next_search_at_ = now + kTick;
  }
  return largest;
}

}  // namespace knul::quic
