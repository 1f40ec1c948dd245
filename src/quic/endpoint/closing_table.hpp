// Connections that are over but whose peers may still send: the closing and draining periods of RFC 9000
// §10.2. Keeps the CONNECTION_CLOSE, not the connection: some 210 bytes for 3 × PTO. The places are shared
// between the source addresses. An entry that is evicted is forgotten early; late packets get a Stateless
// Reset.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "base/datagram.hpp"
#include "base/deadline_heap.hpp"
#include "quic/connection/source_table.hpp"
#include "quic/wire/connection_id.hpp"

namespace knul::quic {

// Immutable but for its counts, so that one allocation of the right size holds the object and, behind it,
// what varies: both addresses, the routes, the packet.
class ClosingConnection : public base::DeadlineHook, public SharedPlaces::Place {
 public:
  // A client uses one or two; packets for others that it was given get a Stateless Reset.
  static constexpr std::size_t kMostRoutes = 3;

  struct Delete {
    void operator()(ClosingConnection* entry) const {
      std::destroy_at(entry);
      ::operator delete(entry);
    }
  };
  using Owner = std::unique_ptr<ClosingConnection, Delete>;

  // `packet` empty: the peer closed, nothing is answered. Of `routes` the first kMostRoutes are kept. Throws
  // std::bad_alloc.
  [[nodiscard]] static Owner make(const base::Path& to, std::span<const ConnectionId> routes,
                                  std::span<const std::uint8_t> packet, bool is_address_validated,
                                  SourceRef source) {
    routes = routes.first(std::min(routes.size(), kMostRoutes));
    std::size_t bytes = to.local.size() + to.remote.size() + packet.size();
    for (const ConnectionId& id : routes) {
      bytes += 1 + id.bytes().size();
    }
    void* const memory = ::operator new(sizeof(ClosingConnection) + bytes);
    Owner made(new (memory) ClosingConnection(is_address_validated, std::move(source)));
    std::uint8_t* out = reinterpret_cast<std::uint8_t*>(made.get() + 1);
    const auto append = [&out](const void* from, std::size_t size) {
      std::memcpy(out, from, size);
      out += size;
    };
    append(to.local.data(), to.local.size());
    append(to.remote.data(), to.remote.size());
    std::uint8_t* const first_route = out;
    for (const ConnectionId& id : routes) {
      *out++ = static_cast<std::uint8_t>(id.bytes().size());
      append(id.bytes().data(), id.bytes().size());
    }
    made->path_bytes_ = static_cast<std::uint8_t>(first_route - made->bytes());
    made->routes_bytes_ = static_cast<std::uint8_t>(out - first_route);
    made->packet_bytes_ = static_cast<std::uint16_t>(packet.size());
    if (!packet.empty()) {
      append(packet.data(), packet.size());
    }
    return made;
  }

  [[nodiscard]] base::Path path() const {
    const base::SocketAddress local = address_at(bytes());
    return {local, address_at(bytes() + local.size())};
  }
  [[nodiscard]] std::span<const std::uint8_t> packet() const {
    return {bytes() + path_bytes_ + routes_bytes_, packet_bytes_};
  }
  [[nodiscard]] bool is_address_validated() const { return is_address_validated_; }
  template <class Visit>
  void for_each_route(Visit visit) const {
    const std::uint8_t* at = bytes() + path_bytes_;
    for (const std::uint8_t* const end = at + routes_bytes_; at < end; at += 1 + *at) {
      visit(ConnectionId(std::span(at + 1, *at)));
    }
  }

  // The 1st, 2nd, 4th, 8th … late packet is answered, and to an unproven address with no more than three
  // times its bytes (RFC 9000 §8.1).
  [[nodiscard]] bool counts_for_an_answer(std::size_t received_bytes) {
    ++received_;
    return packet_bytes_ > 0 && (received_ & (received_ - 1)) == 0 &&
           (is_address_validated_ || packet_bytes_ <= 3 * received_bytes);
  }

 private:
  friend class ClosingTable;
  ClosingConnection(bool is_address_validated, SourceRef source)
      : source_(std::move(source)), is_address_validated_(is_address_validated) {}

  [[nodiscard]] const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
  [[nodiscard]] static base::SocketAddress address_at(const std::uint8_t* bytes) {
    return base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(bytes), sizeof(sockaddr_in6));
  }

  SourceRef source_;  // of a client none
  std::uint32_t received_ = 0;
  std::uint32_t index_ = 0;  // in ClosingTable
  std::uint16_t packet_bytes_ = 0;
  std::uint8_t path_bytes_ = 0;
  std::uint8_t routes_bytes_ = 0;
  bool is_address_validated_;
};

// Thread: its endpoint's.
class ClosingTable {
 public:
  // `most` entries, shared between the source addresses.
  explicit ClosingTable(std::size_t most) : places_(most) {}
  ~ClosingTable() {
    for (const auto& entry : entries_)
      places_.leave(*entry);
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] base::Instant next_expiry() const { return deadlines_.soonest(); }

  // The entry that has to go before one of `source` (null: of a client) is added, or null. The caller removes
  // its routes, then drops it.
  [[nodiscard]] ClosingConnection::Owner make_place(const SourceHoldings* source) {
    SharedPlaces::Place* const place = places_.to_evict_for(source == nullptr ? client_ : source->closing);
    if (place == nullptr) {
      return nullptr;
    }
    auto& entry = static_cast<ClosingConnection&>(*place);
    deadlines_.cancel(entry);
    return take(entry);
  }
  // Throws std::bad_alloc, and then keeps nothing.
  ClosingConnection& add(ClosingConnection::Owner added, base::Instant until) {
    if (entries_.size() == entries_.capacity()) {
      entries_.reserve(std::max<std::size_t>(64, 2 * entries_.size()));
    }
    ClosingConnection& entry = *added;
    deadlines_.arm(entry, until);
    entry.index_ = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back(std::move(added));
    places_.take(entry, entry.source_.get() == nullptr ? client_ : entry.source_->closing);
    return entry;
  }

  // An entry whose period is over, or null. The caller removes its routes, then drops it.
  [[nodiscard]] ClosingConnection::Owner take_due(base::Instant now) {
    ClosingConnection* const due = deadlines_.take_due(now);
    return due == nullptr ? nullptr : take(*due);
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& entry : entries_)
      visit(*entry);
  }

 private:
  ClosingConnection::Owner take(ClosingConnection& entry) {
    const std::size_t index = entry.index_;
    places_.leave(entry);
    ClosingConnection::Owner taken = std::move(entries_[index]);
    if (index + 1 < entries_.size()) {
      entries_[index] = std::move(entries_.back());
      entries_[index]->index_ = static_cast<std::uint32_t>(index);
    }
    entries_.pop_back();
    return taken;
  }

  base::DeadlineHeap<ClosingConnection> deadlines_;
  SharedPlaces::Holder client_;
  SharedPlaces places_;
  std::vector<ClosingConnection::Owner> entries_;
};

}  // namespace knul::quic
