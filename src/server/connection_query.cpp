#include "server/connection_query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <tuple>

#include "server/connection_row.hpp"
#include "server/session.hpp"

namespace knul::server {
namespace {

using Key = ConnectionQuery::Key;
using Place = ConnectionQuery::Place;

struct NamedKey {
  std::string_view name;
  Key key;
};
constexpr auto kKeys = std::to_array<NamedKey>({{"id", Key::kId},
                                                {"age_ms", Key::kAge},
                                                {"idle_ms", Key::kIdle},
                                                {"smoothed_rtt_us", Key::kRtt},
                                                {"handshake_us", Key::kHandshake},
                                                {"bytes_received", Key::kBytesReceived},
                                                {"bytes_sent", Key::kBytesSent},
                                                {"bytes_in_flight", Key::kBytesInFlight},
                                                {"congestion_window_bytes", Key::kCongestionWindow},
                                                {"packets_lost", Key::kPacketsLost},
                                                {"streams_active", Key::kStreams},
                                                {"requests", Key::kRequests},
                                                {"request_p99_ms", Key::kLatency},
                                                {"memory_bytes", Key::kMemory}});
constexpr std::array<std::string_view, 3> kStates = {"handshaking", "active", "hibernating"};

base::Error wrong(std::string_view key, const std::string& found, std::string_view expected) {
  return {base::ErrorKind::kInvalidArgument,
          "query: " + std::string(key) + " is " + found + ", expected " + std::string(expected)};
}

// Values inside others are not shown: a text with deep nesting must not use up the stack.
std::string shown(const nlohmann::json& value) {
  constexpr std::size_t kShown = 80;
  if (value.is_structured()) {
    return std::string("an ") + value.type_name();
  }
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "…";
}

std::string all_keys() {
  std::string list = "one of";
  for (const NamedKey& known : kKeys) {
    list.append(list.ends_with("of") ? " " : ", ").append(known.name);
  }
  return list;
}

std::optional<Place> parse_place(std::string_view text) {
  Place place;
  const char* const end = text.data() + text.size();
  const auto value = std::from_chars(text.data(), end, place.value);
  if (value.ec != std::errc{} || value.ptr == end || *value.ptr != ':') {
    return std::nullopt;
  }
  const auto id = std::from_chars(value.ptr + 1, end, place.id);
  return id.ec == std::errc{} && id.ptr == end ? std::optional(place) : std::nullopt;
}

base::Status set_text(std::string_view key, const nlohmann::json& value, std::string& text) {
  if (!value.is_string()) {
    return wrong(key, shown(value), "a string");
  }
  text = value.get<std::string>();
  return {};
}

base::Status set_sort(const nlohmann::json& value, Key& sort) {
  const auto* const found = std::ranges::find_if(
      kKeys, [&](const NamedKey& known) { return value.is_string() && value == std::string(known.name); });
  if (found == kKeys.end()) {
    return wrong("sort", shown(value), all_keys());
  }
  sort = found->key;
  return {};
}

base::Status set_state(const nlohmann::json& value, std::string& state) {
  const bool is_known = std::ranges::any_of(
      kStates, [&](std::string_view known) { return value.is_string() && value == std::string(known); });
  return is_known ? set_text("state", value, state)
                  : wrong("state", shown(value), "one of handshaking, active, hibernating");
}

base::Status set_limit(const nlohmann::json& value, std::size_t& limit) {
  const bool is_number = value.is_number_unsigned();
  if (!is_number || value.get<std::uint64_t>() < 1 ||
      value.get<std::uint64_t>() > ConnectionQuery::kMostRows) {
    return wrong("limit", shown(value), "1 to 10000");
  }
  limit = value.get<std::size_t>();
  return {};
}

base::Status set_descending(const nlohmann::json& value, bool& is_descending) {
  if (!value.is_boolean()) {
    return wrong("descending", shown(value), "true or false");
  }
  is_descending = value.get<bool>();
  return {};
}

base::Status set_after(const nlohmann::json& value, std::optional<Place>& after) {
  after = value.is_string() ? parse_place(value.get<std::string>()) : std::nullopt;
  return after ? base::Status{} : wrong("after", shown(value), "the text \"next\" of the page before");
}

base::Status set(const std::string& key, const nlohmann::json& value, ConnectionQuery& query) {
  if (key == "sort") {
    return set_sort(value, query.sort);
  }
  if (key == "descending") {
    return set_descending(value, query.is_descending);
  }
  if (key == "limit") {
    return set_limit(value, query.limit);
  }
  if (key == "after") {
    return set_after(value, query.after);
  }
  if (key == "peer") {
    return set_text(key, value, query.peer);
  }
  if (key == "alpn") {
    return set_text(key, value, query.alpn);
  }
  if (key == "state") {
    return set_state(value, query.state);
  }
  return wrong("a key", shown(key), "sort, descending, limit, after, peer, alpn or state");
}

}  // namespace

base::Result<ConnectionQuery> parse_connection_query(std::string_view json) {
  ConnectionQuery query;
  if (json.empty()) {
    return query;
  }
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) {
    return base::Error{base::ErrorKind::kInvalidArgument, "query: expected a JSON object"};
  }
  for (const auto& [key, value] : parsed.items()) {
    if (base::Status status = set(key, value, query); !status) {
      return std::move(status).error();
    }
  }
  return query;
}

std::string to_text(const Place& place) {
  return std::to_string(place.value) + ":" + std::to_string(place.id);
}

bool ConnectionQuery::is_before(const Place& first, const Place& second) const {
  if (first.value != second.value) {
    return (first.value < second.value) != is_descending;
  }
  return first.id < second.id;
}

bool ConnectionQuery::matches(const quic::Connection& connection) const {
  return !connection.has_ended() && (alpn.empty() || connection.alpn() == alpn) &&
         (state.empty() || state == state_name(connection)) &&
         (peer.empty() || connection.path().remote.to_string().starts_with(peer));
}

std::uint64_t ConnectionQuery::value_of(quic::Connection& connection, const Session* session,
                                        base::Instant now) const {
  const auto us = [](base::Duration time) { return static_cast<std::uint64_t>(time.count()) / 1'000; };
  const stats::LatencySketch* const latency = session == nullptr ? nullptr : session->request_latency();
  switch (sort) {
    case Key::kId:
      return connection.number();
    case Key::kAge:
      return us(now - connection.created_at());
    case Key::kIdle:
      return us(now - std::min(now, connection.last_active_at()));
    case Key::kRtt:
      return us(connection.transport_state().smoothed_rtt);
    case Key::kHandshake:
      return us(connection.handshake_time());
    case Key::kBytesReceived:
      return connection.bytes_received();
    case Key::kBytesSent:
      return connection.bytes_sent();
    case Key::kBytesInFlight:
      return connection.transport_state().in_flight_bytes;
    case Key::kCongestionWindow:
      return connection.transport_state().congestion_window_bytes;
    case Key::kPacketsLost:
      return connection.statistics(now).packets_lost;
    case Key::kStreams:
      return connection.streams().count();
    case Key::kRequests:
      return latency == nullptr ? 0 : latency->count();
    case Key::kLatency:
      return latency == nullptr ? 0 : static_cast<std::uint64_t>(latency->quantile_ms(0.99) * 1e3);
    case Key::kMemory:
      return connection.statistics(now).memory_bytes;
  }
  return 0;
}

void FirstPlaces::offer(const Place& place) {
  ++matches_;
  if (query_.after.has_value() && !query_.is_before(*query_.after, place)) {
    return;
  }
  ++behind_;
  if (heap_.size() == query_.limit) {
    if (!query_.is_before(place, heap_.front())) {
      return;
    }
    std::ranges::pop_heap(heap_, order());
    heap_.pop_back();
  }
  heap_.push_back(place);
  std::ranges::push_heap(heap_, order());
}

std::vector<Place> FirstPlaces::take() {
  std::ranges::sort(heap_, order());
  return std::move(heap_);
}

}  // namespace knul::server
