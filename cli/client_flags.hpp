// The flags that the client commands (perf, get) share, and the texts of their connection errors.
#pragma once

#include <krepis/krepis.hpp>

#include <cstdint>
#include <string>

#include "cli/endpoint.hpp"
#include "cli/outcome.hpp"

namespace CLI {
class App;
}

namespace knul::cli {

struct ClientFlags {
  std::string ca_path;
  std::string cert_path;  // the client's certificate; empty: none
  std::string key_path;
  bool is_insecure = false;
  std::string server_name;  // empty: the host as given
  std::string alpn;
  std::uint64_t connect_timeout_ms = 5'000;
  std::uint64_t idle_timeout_ms = 30'000;
  std::uint64_t busy_poll_us = 0;
  bool json = false;
};

// Lifetime: `flags` outlives the parse; flags.alpn is the default shown.
void add_client_flags(CLI::App& command, ClientFlags& flags);

// The arguments of connect().
struct Destination {
  std::string address;  // numeric or "localhost"
  std::uint16_t port = 0;
  std::string server_name;
  std::string shown;  // as the user wrote it
};
Outcome<Destination> find_destination(const HostPort& server, const ClientFlags& flags);

[[nodiscard]] krepis::ClientOptions client_options(const ClientFlags& flags, const Destination& destination);

// The failure of QuicClient::start(): kUsage if a flag caused it.
[[nodiscard]] Failure start_failure(const krepis::Error& error);
// The failure of a call of connect().
[[nodiscard]] Failure connect_failure(const krepis::Error& error, const Destination& destination);

// The reason why a connection ended, with the remedy if one is known.
[[nodiscard]] std::string describe_close(const krepis::CloseReason& reason, const Destination& destination);

}  // namespace knul::cli
