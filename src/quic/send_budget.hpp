// Memory of send buffers that the connections of one endpoint share. While some wait for it, it goes round:
// each gets what is free when its turn comes, and who wants more waits behind the others. Weak cases: whoever
// is never acknowledged keeps what it has got; a program that is told of room and writes later may find it
// taken by others that wrote at once.
#pragma once

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <cstdint>

namespace knul::quic {

class SendBudget {
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

 public:
  // A connection. One that ends leaves its place by itself.
  class Member {
    friend class SendBudget;
    Hook place_;
    std::uint64_t turn_bytes_ = 0;
  };

  // A turn begins when `least_turn_bytes` are free.
  SendBudget(std::uint64_t limit_bytes, std::uint64_t least_turn_bytes)
      : limit_bytes_(limit_bytes), least_turn_bytes_(least_turn_bytes) {}

  // What `member` may take now. Its turn does not end with the call that tells it: a program may write later.
  [[nodiscard]] std::uint64_t room_of(const Member& member) const {
    return waiting_.empty() ? left(limit_bytes_) : std::min(left(limit_bytes_), member.turn_bytes_);
  }
  // For buffers that have grown, which leave half to those that begin.
  [[nodiscard]] std::uint64_t room_to_grow() const { return left(limit_bytes_ / 2); }
  [[nodiscard]] std::uint64_t least_turn_bytes() const { return least_turn_bytes_; }

  void take(Member& member, std::uint64_t bytes) {
    used_bytes_ += bytes;
    member.turn_bytes_ -= std::min(member.turn_bytes_, bytes);
  }
  void release(std::uint64_t bytes) { used_bytes_ -= bytes; }

  // To be told when it is its turn. In its old place if it waits already.
  void wait(Member& member) {
    if (!member.place_.is_linked()) {
      member.turn_bytes_ = 0;
      waiting_.push_back(member);
    }
  }
  // The next whose turn it is, who no longer waits; null while too little is free.
  [[nodiscard]] Member* begin_turn() {
    const std::uint64_t room = left(limit_bytes_);
    if (waiting_.empty() || room < least_turn_bytes_) {
      return nullptr;
    }
    Member& next = waiting_.front();
    waiting_.pop_front();
    next.turn_bytes_ = room;
    return &next;
  }

 private:
  [[nodiscard]] std::uint64_t left(std::uint64_t limit) const {
    return limit > used_bytes_ ? limit - used_bytes_ : 0;
  }

  const std::uint64_t limit_bytes_;
  const std::uint64_t least_turn_bytes_;
  std::uint64_t used_bytes_ = 0;
  boost::intrusive::list<Member, boost::intrusive::member_hook<Member, Hook, &Member::place_>,
                         boost::intrusive::constant_time_size<false>>
      waiting_;
};

}  // namespace knul::quic
