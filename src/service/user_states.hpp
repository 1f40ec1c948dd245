// A service's states of streams or of connections. The user word of each leads to its state.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <krepis/krepis.hpp>

namespace knul::service {

// Owner: krepis::Stream or krepis::Connection, whose user word belongs to this object. In steady state
// nothing is allocated.
// Lifetime: a state lives until its erase(), or as long as this object.
template <class Owner, class State>
class UserStates {
 public:
  // The memory of this number of erased states is kept for the next ones.
  static constexpr std::size_t kMostSpare = 1'024;

  // Null: the owner has no state.
  [[nodiscard]] static State* find(const Owner& owner) {
    auto* const slot = static_cast<Slot*>(owner.user());
    return slot == nullptr ? nullptr : &slot->state;
  }

  // Creates the state at the first call.
  State& of(Owner& owner) {
    State* const known = find(owner);
    return known != nullptr ? *known : add(owner);
  }

  void erase(Owner& owner) {
    auto* const slot = static_cast<Slot*>(owner.user());
    if (slot == nullptr) {
      return;
    }
    owner.set_user(nullptr);
    slot->state = State{};
    --used_;
    std::swap(slots_[slot->index], slots_[used_]);
    slots_[slot->index]->index = slot->index;
    if (slots_.size() - used_ > kMostSpare) {
      slots_.pop_back();
    }
  }

  [[nodiscard]] std::size_t size() const { return used_; }

 private:
  struct Slot {
    State state{};
    std::size_t index = 0;
  };

  [[gnu::noinline]] State& add(Owner& owner) {
    if (used_ == slots_.size()) {
      slots_.push_back(std::make_unique<Slot>());
    }
    Slot& slot = *slots_[used_];
    slot.index = used_++;
    owner.set_user(&slot);
    return slot.state;
  }

  // Invariant: the first `used_` have an owner and know their index, the others are spare.
  std::vector<std::unique_ptr<Slot>> slots_;
  std::size_t used_ = 0;
};

// Erases the states of the streams that end with `connection`. For on_connection_closed.
template <class State>
void erase_all(UserStates<krepis::Stream, State>& states, krepis::Connection& connection) {
  if (states.size() > 0) {
    connection.for_each_stream([&](krepis::Stream& stream) { states.erase(stream); });
  }
}

}  // namespace knul::service
