// The properties of a connection that a channel reports to its program.
#pragma once

#include <krepis/krepis.hpp>
#include <memory>
#include <string>

namespace knul::channel {

// The answer of krepis_connection_info_into, also after the end of the connection until the entry is free.
// Thread: under the lock of the worker's mailbox.
struct ConnectionFacts {
  std::uint64_t id = 0;
  std::string peer;
  std::string alpn;
  std::string server_name;
  krepis::ConnectionInfo info;
  std::size_t max_datagram_bytes = 0;
  std::shared_ptr<const std::string> peer_certificate;  // JSON; null without one
};

// Null without a certificate.
[[nodiscard]] std::shared_ptr<const std::string> certificate_json(const krepis::Connection& connection);
// The bytes of KREPIS_EVENT_CONNECTION_OPENED: JSON with the members id, peer, alpn and server_name, and with
// a certificate peer_certificate.
[[nodiscard]] std::string identity_json(const krepis::Connection& connection, const std::string* certificate);

}  // namespace knul::channel
