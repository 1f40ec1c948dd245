// Connections that are over but whose peers may still send: the closing and draining periods of RFC 9000
// §10.2. Keeps the CONNECTION_CLOSE, not the connection: a hundred bytes for 3 × PTO.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "quic/connection_id.hpp"

namespace knul::quic {

struct ClosingConnection : base::DeadlineHook {
  std::vector<ConnectionId> routes;
  base::Path path;
  std::vector<std::uint8_t> packet;  // empty: the peer closed, nothing is answered
  bool is_address_validated = false;
  std::uint64_t received = 0;
  std::size_t index = 0;  // in ClosingTable

  // The 1st, 2nd, 4th, 8th … late packet is answered, and to an unproven address with no more than three
  // times its bytes (RFC 9000 §8.1).
  [[nodiscard]] bool counts_for_an_answer(std::size_t received_bytes) {
    ++received;
    return !packet.empty() && (received & (received - 1)) == 0 &&
           (is_address_validated || packet.size() <= 3 * received_bytes);
  }
};

// Thread: its endpoint's.
class ClosingTable {
 public:
  static constexpr std::size_t kMost = 65'536;

  [[nodiscard]] bool is_full() const { return entries_.size() >= kMost; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] base::Instant next_expiry() const { return deadlines_.soonest(); }

  // Throws std::bad_alloc, and then the table is as it was.
  ClosingConnection& add(std::unique_ptr<ClosingConnection> entry, base::Instant until) {
    if (entries_.size() == entries_.capacity()) {
      entries_.reserve(std::max<std::size_t>(16, 2 * entries_.capacity()));
    }
    deadlines_.arm(*entry, until);
    entry->index = entries_.size();
    entries_.push_back(std::move(entry));
    return *entries_.back();
  }

  // An entry whose period is over, or null. The caller removes its routes, then drops it.
  std::unique_ptr<ClosingConnection> take_due(base::Instant now) {
    ClosingConnection* due = deadlines_.take_due(now);
    if (due == nullptr) {
      return nullptr;
    }
    const std::size_t index = due->index;
    std::unique_ptr<ClosingConnection> taken = std::move(entries_[index]);
    if (index + 1 < entries_.size()) {
      entries_[index] = std::move(entries_.back());
      entries_[index]->index = index;
    }
    entries_.pop_back();
    return taken;
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& entry : entries_)
      visit(*entry);
  }

 private:
  base::DeadlineHeap<ClosingConnection> deadlines_;
  std::vector<std::unique_ptr<ClosingConnection>> entries_;
};

}  // namespace knul::quic
