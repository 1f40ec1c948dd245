#include "channel/connection_facts.hpp"

#include <nlohmann/json.hpp>

namespace knul::channel {
namespace {

// The peer chooses the server name, so bytes that are not UTF-8 are replaced.
std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    json += (json.size() > 1 ? "," : "") + json_text(text);
  }
  return json + "]";
}

std::string json_time(std::chrono::sys_seconds time) {
  return std::to_string(time.time_since_epoch().count());
}

}  // namespace

// Only strings pass through the JSON library. The destructor of a JSON object allocates, and std::bad_alloc
// there would end the process.
std::shared_ptr<const std::string> certificate_json(const krepis::Connection& connection) {
  const auto peer = connection.peer_certificate();
  if (!peer) {
    return nullptr;
  }
  std::string json = "{\"subject\":" + json_text(peer->subject);
  json += ",\"issuer\":" + json_text(peer->issuer);
  json += ",\"serial\":" + json_text(peer->serial);
  json += ",\"sha256\":" + json_text(peer->sha256);
  json += ",\"not_before\":" + json_time(peer->not_before);
  json += ",\"not_after\":" + json_time(peer->not_after);
  json += ",\"dns_names\":" + json_list(peer->dns_names);
  json += ",\"uris\":" + json_list(peer->uris);
  json += ",\"ip_addresses\":" + json_list(peer->ip_addresses);
  json += ",\"emails\":" + json_list(peer->emails);
  json += std::string(",\"names_omitted\":") + (peer->names_omitted ? "true" : "false");
  json += std::string(",\"verified\":") + (peer->verified ? "true}" : "false}");
  return std::make_shared<const std::string>(std::move(json));
}

std::string identity_json(const krepis::Connection& connection, const std::string* certificate) {
  std::string json = "{\"id\":" + std::to_string(connection.id());
  json += ",\"peer\":" + json_text(connection.peer_address());
  json += ",\"alpn\":" + json_text(connection.alpn());
  json += ",\"server_name\":" + json_text(connection.server_name());
  if (certificate != nullptr) {
    json += ",\"peer_certificate\":" + *certificate;
  }
  return json += "}";
}

}  // namespace knul::channel
