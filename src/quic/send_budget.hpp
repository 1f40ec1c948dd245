// Memory of send buffers that the connections of one endpoint share. While some wait for it, it goes round:
// each may take so much when its turn comes, and who wants more waits behind the others. What a turn promises
// is kept for its connection for a round, because a program may write after all have been told.
// Weak cases: whoever is never acknowledged keeps what it has got; who writes after the round may find its
// room taken, or spend it before others that wait by then.
#pragma once

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/time.hpp"

namespace knul::quic {

class SendBudget {
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

 public:
  static constexpr base::Duration kRound = std::chrono::milliseconds(1);

  // A connection. It leaves its place when it is destroyed.
  class Member {
    friend class SendBudget;
    Hook place_;
    std::uint64_t turn_bytes_ = 0;
  };

  // A turn begins when `least_turn_bytes` are free, and is for four times as many at most.
  SendBudget(std::uint64_t limit_bytes, std::uint64_t least_turn_bytes)
      : limit_bytes_(limit_bytes), least_turn_bytes_(least_turn_bytes) {}

  // What `member` may take now. Its turn does not end with the call that tells it: a program may write later.
  [[nodiscard]] std::uint64_t room_of(const Member& member) const {
    const std::uint64_t free = left(limit_bytes_);
    const std::uint64_t of_turn = std::min(free, member.turn_bytes_);
    if (!waiting_.empty()) {
      return of_turn;
    }
    const std::uint64_t of_others = promised_bytes_ - std::min(promised_bytes_, member.turn_bytes_);
    return std::max(of_turn, free - std::min(free, of_others));
  }
  // For buffers that have grown, which leave half to those that begin.
  [[nodiscard]] std::uint64_t room_to_grow() const { return left(limit_bytes_ / 2); }
  [[nodiscard]] std::uint64_t least_turn_bytes() const { return least_turn_bytes_; }

  void take(Member& member, std::uint64_t bytes) {
    const std::uint64_t of_turn = std::min(member.turn_bytes_, bytes);
    used_bytes_ += bytes;
    member.turn_bytes_ -= of_turn;
    promised_bytes_ -= std::min(promised_bytes_, of_turn);
  }
  void release(std::uint64_t bytes) {
    assert(bytes <= used_bytes_);
    used_bytes_ -= bytes;
  }

  // To be told when it is its turn. In its old place if it waits already.
  void wait(Member& member) {
    if (!member.place_.is_linked()) {
      promised_bytes_ -= std::min(promised_bytes_, std::exchange(member.turn_bytes_, 0));
      waiting_.push_back(member);
    }
  }
  // The next whose turn it is, who no longer waits; null while too little is free.
  [[nodiscard]] Member* begin_turn(base::Instant now) {
    if (now >= round_at_ + kRound) {
      round_at_ = now;
      promised_bytes_ = 0;
    }
    const std::uint64_t free = left(limit_bytes_);
    const std::uint64_t room = free - std::min(free, promised_bytes_);
    if (waiting_.empty() || room < least_turn_bytes_) {
      return nullptr;
    }
    Member& next = waiting_.front();
    waiting_.pop_front();
    next.turn_bytes_ = std::min(room, 4 * least_turn_bytes_);
    promised_bytes_ += next.turn_bytes_;
    return &next;
  }
  // When somebody waits only for what others were promised and may not want.
  [[nodiscard]] base::Instant next_round_at() const {
    const bool is_due = !waiting_.empty() && left(limit_bytes_) >= least_turn_bytes_;
    return is_due ? round_at_ + kRound : base::kNever;
  }

 private:
  [[nodiscard]] std::uint64_t left(std::uint64_t limit) const {
    return limit > used_bytes_ ? limit - used_bytes_ : 0;
  }

  const std::uint64_t limit_bytes_;
  const std::uint64_t least_turn_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t promised_bytes_ = 0;  // of this round's turns, and not taken yet
  base::Instant round_at_{};
  boost::intrusive::list<Member, boost::intrusive::member_hook<Member, Hook, &Member::place_>,
                         boost::intrusive::constant_time_size<false>>
      waiting_;
};

}  // namespace knul::quic
