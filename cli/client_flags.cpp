#include "cli/client_flags.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "cli/number.hpp"
#include "cli/settings.hpp"

namespace knul::cli {
namespace {

using Source = krepis::CloseReason::Source;

// RFC 9000 §20.1, RFC 9001 §4.8: TLS alerts are 0x100 and the alert.
constexpr std::uint64_t kConnectionRefused = 0x2;
constexpr std::uint64_t kNoApplicationProtocol = 0x178;

bool is_certificate_alert(std::uint64_t code) {
  constexpr std::array<std::uint64_t, 7> kAlerts = {42, 43, 44, 45, 46, 48, 116};
  for (const std::uint64_t alert : kAlerts) {
    if (code == 0x100 + alert) {
      return true;
    }
  }
  return false;
}

std::string hexadecimal(std::uint64_t code) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(code));
  return text.data();
}

std::string with_reason(std::string text, const krepis::CloseReason& reason) {
  text += " (code " + hexadecimal(reason.code);
  return text + (reason.reason.empty() ? ")" : ", \"" + reason.reason + "\")");
}

std::string transport_error(const krepis::CloseReason& reason, const std::string& who) {
  if (reason.code == kNoApplicationProtocol) {
    return with_reason("the server does not accept this application protocol; check its --service", reason);
  }
  if (reason.code == kConnectionRefused) {
    return with_reason("the server refuses connections; it is draining or full", reason);
  }
  if (reason.source == Source::kLocalTransport && is_certificate_alert(reason.code)) {
    return with_reason(
        "the server's certificate is not trusted; --ca FILE names a root, --insecure accepts any", reason);
  }
  if (reason.source == Source::kPeerTransport && is_certificate_alert(reason.code)) {
    return with_reason("the server does not accept the client's certificate, or requires one; see --cert",
                       reason);
  }
  return with_reason(who + " reported a transport error", reason);
}

}  // namespace

void add_client_flags(CLI::App& command, ClientFlags& flags) {
  CLI::Option* const ca =
      command
          .add_option("--ca", flags.ca_path, "PEM file of trusted root certificates; default: the system's")
          ->type_name("FILE")
          ->check(CLI::ExistingFile);
  CLI::Option* const cert = command
                                .add_option("--cert", flags.cert_path,
                                            "PEM file of a client certificate, with its issuers behind it")
                                ->type_name("FILE")
                                ->check(CLI::ExistingFile);
  CLI::Option* const key =
      command.add_option("--key", flags.key_path, "PEM file of the private key of --cert")
          ->type_name("FILE")
          ->check(CLI::ExistingFile)
          ->needs(cert);
  cert->needs(key);
  command.add_flag("-k,--insecure", flags.is_insecure, "Accept any certificate; for tests only")
      ->excludes(ca);
  command
      .add_option("--server-name", flags.server_name,
                  "Server name to request (SNI) and to verify; default: the host")
      ->type_name("NAME")
      ->check(not_empty());
  command.add_option("--alpn", flags.alpn, "Application protocol")
      ->type_name("NAME")
      ->check(not_empty())
      ->capture_default_str();
  command.add_option("--connect-timeout", flags.connect_timeout_ms, "Handshake timeout")
      ->type_name("MS")
      ->transform(whole_number(100, 600'000))
      ->capture_default_str();
  command
      .add_option("--idle-timeout", flags.idle_timeout_ms, "Idle timeout; the server may have a shorter one")
      ->type_name("MS")
      ->transform(whole_number(1'000, 86'400'000))
      ->capture_default_str();
  command
      .add_option("--busy-poll-us", flags.busy_poll_us, "How long to poll for more packets before sleeping")
      ->type_name("US")
      ->transform(whole_number(0, 1'000))
      ->capture_default_str();
  command.add_flag("--json", flags.json, "One JSON object per result on standard output");
}

krepis::ClientOptions client_options(const ClientFlags& flags, const Destination& destination) {
  krepis::ClientOptions options;
  options.local_address = destination.address.find(':') == std::string::npos ? "0.0.0.0" : "::";
  options.alpn = {flags.alpn};
  options.ca_path = flags.ca_path;
  options.cert_path = flags.cert_path;
  options.key_path = flags.key_path;
  options.verify_peer = !flags.is_insecure;
  options.handshake_timeout_ms = flags.connect_timeout_ms;
  options.idle_timeout_ms = flags.idle_timeout_ms;
  options.busy_poll_us = flags.busy_poll_us;
  return options;
}

Outcome<Destination> find_destination(const HostPort& server, const ClientFlags& flags) {
  auto address = resolve(server.host);
  if (!address) {
    return std::move(address).error();
  }
  if (address->find('%') != std::string::npos) {
    return usage_failure("host \"" + server.host +
                         "\" is a link-local address with a scope, which is not supported");
  }
  const bool is_ipv6 = server.host.find(':') != std::string::npos;
  return Destination{
      .address = *std::move(address),
      .port = server.port,
      .server_name = flags.server_name.empty() ? server.host : flags.server_name,
      .shown = (is_ipv6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port)};
}

Failure start_failure(const krepis::Error& error) {
  constexpr std::array<std::pair<std::string_view, const char*>, 3> kFiles = {
      {{"ca_path", "--ca: "}, {"cert_path", "--cert: "}, {"key_path", "--key: "}}};
  for (const auto& [setting, flag] : kFiles) {
    if (setting_named_in(error.message) == setting) {
      return usage_failure(flag + error.message);
    }
  }
  return error.code == krepis::ErrorCode::kInvalidRequest ? usage_failure(error.message)
                                                          : run_failure(error.message);
}

Failure connect_failure(const krepis::Error& error, const Destination& destination) {
  const std::string message = destination.shown + ": " + error.message;
  return error.code == krepis::ErrorCode::kInvalidRequest ? usage_failure(message) : run_failure(message);
}

std::string describe_close(const krepis::CloseReason& reason, const Destination& destination) {
  std::string text = destination.shown + ": ";
  switch (reason.source) {
    case Source::kHandshakeTimeout:
      return text + "no answer; is a server listening there?";
    case Source::kIdleTimeout:
      return text + "the connection timed out";
    case Source::kStatelessReset:
      return text + "the server has forgotten the connection (stateless reset)";
    case Source::kPeerApplication:
      return with_reason(text + "the server closed the connection", reason);
    case Source::kPeerTransport:
      return text + transport_error(reason, "the server");
    case Source::kLocalTransport:
      return text + transport_error(reason, "this client");
    case Source::kLocalApplication:
    case Source::kDrain:
      break;
  }
  return with_reason(text + "the connection was closed", reason);
}

}  // namespace knul::cli
