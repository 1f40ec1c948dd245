// A query of the list of connections: which, in what order, how many, from where on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "quic/connection/connection.hpp"

namespace knul::server {

class Session;

struct ConnectionQuery {
  static constexpr std::size_t kMostRows = 10'000;

  enum class Key : std::uint8_t {
    kId,
    kAge,
    kIdle,
    kRtt,
    kHandshake,
    kBytesReceived,
    kBytesSent,
    kBytesInFlight,
    kCongestionWindow,
    kPacketsLost,
    kStreams,
    kRequests,
    kLatency,
    kMemory,
  };
  // The place of a connection in the order. Connections with equal values are in the order of their IDs.
  struct Place {
    std::uint64_t value = 0;
    std::uint64_t id = 0;
  };

  Key sort = Key::kId;
  bool is_descending = false;
  std::size_t limit = 100;
  std::optional<Place> after = std::nullopt;  // only connections behind this place
  std::string peer = {};                      // the beginning of "address:port"; empty: any
  std::string alpn = {};                      // empty: any
  std::string state = {};                     // as state_name() says; empty: any

  // True: `first` comes before `second`.
  [[nodiscard]] bool is_before(const Place& first, const Place& second) const;
  [[nodiscard]] bool matches(const quic::Connection& connection) const;
  // `session` is null for a connection that the Application does not know.
  [[nodiscard]] std::uint64_t value_of(quic::Connection& connection, const Session* session,
                                       base::Instant now) const;
};

// `json`: an object, or empty for the defaults. Error: kInvalidArgument with the key and the expected value.
[[nodiscard]] base::Result<ConnectionQuery> parse_connection_query(std::string_view json);
// The value of the key "after" for the next page.
[[nodiscard]] std::string to_text(const ConnectionQuery::Place& place);

// The first places of a query, at most its limit. Size: grows with what it has, not with what it was offered.
class FirstPlaces {
 public:
  explicit FirstPlaces(const ConnectionQuery& query) : query_(query) {}
  void offer(const ConnectionQuery::Place& place);
  // Connections that match, with or without a place here.
  [[nodiscard]] std::size_t matches() const { return matches_; }
  // Those of them behind the query's place "after".
  [[nodiscard]] std::size_t behind() const { return behind_; }
  // In order. Leaves this object empty.
  [[nodiscard]] std::vector<ConnectionQuery::Place> take();

 private:
  [[nodiscard]] auto order() const {
    return [this](const auto& first, const auto& second) { return query_.is_before(first, second); };
  }

  const ConnectionQuery& query_;
  std::vector<ConnectionQuery::Place> heap_;  // the last in order is at the front
  std::size_t matches_ = 0;
  std::size_t behind_ = 0;
};

}  // namespace knul::server
