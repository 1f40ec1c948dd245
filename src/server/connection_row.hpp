// The figures of one connection for the list of connections, and its JSON.
#pragma once

#include <cstdint>
#include <string>

#include "quic/connection/connection.hpp"
#include "server/connection_query.hpp"

namespace knul::server {

struct ConnectionRow {
  std::uint64_t id = 0;
  unsigned worker = 0;
  std::string peer;
  std::string alpn;
  std::string server_name;
  const char* state = "";  // "handshaking", "active", "hibernating"
  bool is_resumed = false;
  std::string cipher;  // empty until the handshake completes, as is the next
  std::string group;
  std::string certificate_subject;  // of the client; empty without a certificate, as is the next
  std::string certificate_sha256;   // hexadecimal
  std::uint64_t requests = 0;       // completed
  double request_p50_ms = 0;
  double request_p90_ms = 0;
  double request_p99_ms = 0;
  double request_max_ms = 0;
  quic::ConnectionStatistics statistics;
  ConnectionQuery::Place place;  // when it was found
};

// `session` is null for a connection that the Application does not know.
[[nodiscard]] ConnectionRow make_row(quic::Connection& connection, const Session* session, base::Instant now);
[[nodiscard]] const char* state_name(const quic::Connection& connection);
[[nodiscard]] const char* limit_name(quic::SendLimit limit);

// Appends a JSON object, without nlohmann-json, because the destructor of a JSON object allocates, which
// would end a process without memory.
void append_json(const ConnectionRow& row, std::string& out);

}  // namespace knul::server
