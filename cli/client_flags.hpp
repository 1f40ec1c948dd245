// What every client command (perf, get) can be told about the server that it connects to.
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

// Where connect() goes.
struct Destination {
  std::string address;  // numeric or "localhost"
  std::uint16_t port = 0;
  std::string server_name;
  std::string shown;  // as the user wrote it
};
Outcome<Destination> find_destination(const HostPort& server, const ClientFlags& flags);

[[nodiscard]] krepis::ClientOptions client_options(const ClientFlags& flags, const Destination& destination);

// Of a client that did not start: kUsage when what the flags name is the reason.
[[nodiscard]] Failure start_failure(const krepis::Error& error);
// Of a connect() that was refused at once.
[[nodiscard]] Failure connect_failure(const krepis::Error& error, const Destination& destination);

// Why a connection ended, with what to do about it where that is known.
[[nodiscard]] std::string describe_close(const krepis::CloseReason& reason, const Destination& destination);

}  // namespace knul::cli
