#include "abi/channel_info.hpp"

#include <chrono>
#include <nlohmann/json.hpp>

namespace knul::abi {
namespace {

using Json = nlohmann::ordered_json;

void append(const Json& json, std::string& out) {
  out += json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::int64_t to_us(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

void write_json(const channel::Figures& figures, std::string& out) {
  append({{"connections", figures.connections},
          {"streams", figures.streams},
          {"events", figures.events},
          {"backlog_events", figures.backlog_events},
          {"arena_blocks_used", figures.arena_blocks_used},
          {"arena_blocks", figures.arena_blocks},
          {"parked_bytes", figures.parked_bytes},
          {"queued_bytes", figures.queued_bytes},
          {"wakeups", figures.wakeups},
          {"datagrams_dropped", figures.datagrams_dropped}},
         out);
}

void write_json(const channel::StreamFacts& facts, std::string& out) {
  append({{"stream_id", facts.id ? Json(*facts.id) : Json(nullptr)},
          {"connection", facts.connection},
          {"direction", facts.is_unidirectional ? "unidirectional" : "bidirectional"},
          {"opened_by", facts.is_opened_by_peer ? "peer" : "local"},
          {"queued_bytes", facts.queued_bytes}},
         out);
}

void write_json(const channel::ConnectionFacts& facts, std::string& out) {
  append({{"id", facts.id},
          {"peer", facts.peer},
          {"alpn", facts.alpn},
          {"server_name", facts.server_name},
          {"smoothed_rtt_us", to_us(facts.info.smoothed_rtt)},
          {"min_rtt_us", to_us(facts.info.min_rtt)},
          {"congestion_window_bytes", facts.info.congestion_window_bytes},
          {"bytes_in_flight", facts.info.bytes_in_flight},
          {"bytes_received", facts.info.bytes_received},
          {"bytes_sent", facts.info.bytes_sent},
          {"streams_active", facts.info.streams_active},
          {"max_datagram_bytes", facts.max_datagram_bytes}},
         out);
  if (facts.peer_certificate != nullptr) {
    out.back() = ',';
    out += "\"peer_certificate\":" + *facts.peer_certificate + "}";
  }
}

}  // namespace knul::abi
