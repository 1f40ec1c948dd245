// Routes from destination connection IDs. The hash is keyed, because the client chooses the first ID. The
// last ID needs no hashing, because packets arrive in trains of one connection.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <cstring>
#include <span>

#include "base/make_room.hpp"
#include "quic/wire/connection_id.hpp"

namespace knul::quic {

class Connection;
class ClosingConnection;

// At most one is set; neither for an unknown ID.
struct Route {
  Connection* connection = nullptr;
  ClosingConnection* closing = nullptr;

  [[nodiscard]] bool is_known() const { return connection != nullptr || closing != nullptr; }
};

// Thread: one.
class RouteTable {
 public:
  explicit RouteTable(base::SipKey key) : routes_(0, ConnectionIdHash{key}) {}

  [[nodiscard]] Route find(const ConnectionId& id) {
    const auto found = routes_.find(id);
    if (found == routes_.end()) {
      return {};
    }
    if (id.bytes().size() == ConnectionIdCodec::kLength) {
      recent_ = found->second;
      recent_id_ = as_integer(id.bytes().data());
    }
    return found->second;
  }

  // The route of a packet with a short header (RFC 9000 §17.3) if its ID is that of the last lookup, else
  // unknown.
  [[nodiscard]] Route find_recent(std::span<const std::uint8_t> packet) const {
    const bool is_short = packet.size() > ConnectionIdCodec::kLength && (packet[0] & 0x80) == 0;
    return is_short && as_integer(packet.data() + 1) == recent_id_ ? recent_ : Route{};
  }

  void assign(const ConnectionId& id, Route route) {
    recent_ = {};
    if (!routes_.contains(id)) {  // assigning to a known ID allocates nothing
      base::make_room(routes_);
    }
    routes_[id] = route;
  }
  void erase(const ConnectionId& id) {
    recent_ = {};
    routes_.erase(id);
  }

 private:
  // A connection ID of kLength bytes as an integer. One comparison of it routes most packets; GCC 12 would
  // call memcmp() for an array.
  [[nodiscard]] static std::uint64_t as_integer(const std::uint8_t* id) {
    std::uint64_t value = 0;
    static_assert(sizeof(value) == ConnectionIdCodec::kLength);
    std::memcpy(&value, id, sizeof(value));
    return value;
  }

  absl::flat_hash_map<ConnectionId, Route, ConnectionIdHash> routes_;
  // Invariant: the entry of routes_ for recent_id_, or unknown.
  Route recent_;
  std::uint64_t recent_id_ = 0;
};

}  // namespace knul::quic
