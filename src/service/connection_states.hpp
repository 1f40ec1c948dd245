// A service's state for each connection, found in O(1). The last connection needs no hashing, because one
// wake-up brings many events of one connection.
#pragma once

#include <cstdint>
#include <memory>

#include <krepis/krepis.hpp>

#include "service/id_table.hpp"

namespace knul::service {

// State: its constructor takes a table key.
template <class State>
class ConnectionStates {
 public:
  ConnectionStates() : key_(random_table_key()), states_(key_) {}

  // Creates the state at the first call. Lifetime: until erase.
  State& of(const krepis::Connection& connection) {
    const std::uint64_t id = connection.id();
    return recent_ != nullptr && recent_id_ == id ? *recent_ : look_up(id);
  }

  void erase(const krepis::Connection& connection) {
    recent_ = nullptr;
    states_.erase(connection.id());
  }

  [[nodiscard]] std::size_t size() const { return states_.size(); }

 private:
  [[gnu::noinline]] State& look_up(std::uint64_t id) {
    std::unique_ptr<State>& state = states_.find_or_insert(id);
    if (state == nullptr) {
      state = std::make_unique<State>(key_);
    }
    recent_ = state.get();
    recent_id_ = id;
    return *recent_;
  }

  std::uint64_t key_;
  IdTable<std::unique_ptr<State>> states_;
  State* recent_ = nullptr;
  std::uint64_t recent_id_ = 0;
};

}  // namespace knul::service
