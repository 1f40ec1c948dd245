// Connections that have ended but whose peers may still send: the closing and draining periods of RFC 9000
// §10.2. Keeps the CONNECTION_CLOSE instead of the connection: some 210 bytes for 3 × PTO. The source
// addresses share the places. An evicted entry is forgotten early; its late packets get a Stateless Reset.
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

// One allocation of the exact size holds the object and, behind it, the data of variable size: both
// addresses, the routes, the packet. They never change; only the counters do.
class ClosingConnection : public base::DeadlineHook, public SharedPlaces::Place {
 public:
  // A client uses one or two. Packets to other connection IDs of the connection get a Stateless Reset.
  static constexpr std::size_t kMostRoutes = 3;

  struct Delete {
    void operator()(ClosingConnection* entry) const {
      std::destroy_at(entry);
      ::operator delete(entry);
    }
  };
  using Owner = std::unique_ptr<ClosingConnection, Delete>;

  enum class PeerAddress : bool { kUnvalidated, kValidated };  // RFC 9000 §8.1

  // An empty `packet`: the peer closed, and late packets get no answer. Keeps the first kMostRoutes of
  // `routes`. Throws std::bad_alloc.
  [[nodiscard]] static Owner make(const base::Path& to, std::span<const ConnectionId> routes,
                                  std::span<const std::uint8_t> packet, PeerAddress peer_address,
                                  SourceRef source) {
    routes = routes.first(std::min(routes.size(), kMostRoutes));
    std::size_t bytes = to.local.size() + to.remote.size() + packet.size();
    for (const ConnectionId& id : routes) {
      bytes += 1 + id.bytes().size();
    }
    void* const memory = ::operator new(sizeof(ClosingConnection) + bytes);
    Owner made(new (memory) ClosingConnection(peer_address, std::move(source)));
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

  // Counts a late packet. True: it must be answered, as the 1st, 2nd, 4th, 8th … late packet is; at an
  // unvalidated address only if the answer has at most three times the packet's bytes (RFC 9000 §8.1).
  [[nodiscard]] bool note_late_packet(std::size_t received_bytes) {
    ++received_;
    return packet_bytes_ > 0 && (received_ & (received_ - 1)) == 0 &&
           (is_address_validated_ || packet_bytes_ <= 3 * received_bytes);
  }

 private:
  friend class ClosingTable;
  ClosingConnection(PeerAddress peer_address, SourceRef source)
      : source_(std::move(source)), is_address_validated_(peer_address == PeerAddress::kValidated) {}

  [[nodiscard]] const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
  [[nodiscard]] static base::SocketAddress address_at(const std::uint8_t* bytes) {
    return base::SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(bytes), sizeof(sockaddr_in6));
  }

  SourceRef source_;  // empty for a client
  std::uint32_t received_ = 0;
  std::uint32_t index_ = 0;  // in ClosingTable::entries_
  std::uint16_t packet_bytes_ = 0;
  std::uint8_t path_bytes_ = 0;
  std::uint8_t routes_bytes_ = 0;
  bool is_address_validated_;
};

// Thread: its endpoint's.
class ClosingTable {
 public:
  // `most` entries, which the source addresses share.
  explicit ClosingTable(std::size_t most) : places_(most) {}
  ~ClosingTable() {
    for (const auto& entry : entries_)
      places_.leave(*entry);
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] base::Instant next_expiry() const { return deadlines_.soonest(); }

  // Removes and returns the entry that a new entry of `source` (null: a client) evicts. Null: there is room.
  // The caller removes the routes of the result, then drops it.
  [[nodiscard]] ClosingConnection::Owner make_place(const SourceHoldings* source) {
    SharedPlaces::Place* const place = places_.to_evict_for(source == nullptr ? client_ : source->closing);
    if (place == nullptr) {
      return nullptr;
    }
    auto& entry = static_cast<ClosingConnection&>(*place);
    deadlines_.cancel(entry);
    return take(entry);
  }
  // Throws std::bad_alloc and then keeps nothing.
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

  // An entry whose period has ended, or null. The caller removes its routes, then drops it.
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
