#include "channel/connection_facts.hpp"

#include <nlohmann/json.hpp>

namespace knul::channel {
namespace {

// The peer chooses the server name, so bytes that are not UTF-8 are replaced.
std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

// Only strings pass through the JSON library. The destructor of a JSON object allocates, and std::bad_alloc
// there would end the process.
std::string identity_json(const krepis::Connection& connection) {
  std::string json = "{\"id\":" + std::to_string(connection.id());
  json += ",\"peer\":" + json_text(connection.peer_address());
  json += ",\"alpn\":" + json_text(connection.alpn());
  json += ",\"server_name\":" + json_text(connection.server_name());
  return json += "}";
}

}  // namespace knul::channel
