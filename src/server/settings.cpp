#include "server/settings.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "quic/crypto/protection_library.hpp"

namespace knul::server {

namespace {

using krepis::ServerOptions;

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr std::uint64_t kMaxU32 = 0xffff'ffff;
constexpr std::uint64_t kMaxConnections = 16'000'000;
constexpr std::uint64_t kMaxPathBytes = 4'096;
constexpr std::size_t kMaxAlpnNames = 16;

constexpr std::array<std::string_view, 3> kRetry = {"auto", "never", "always"};
constexpr std::array<std::string_view, 3> kCongestionControl = {"cubic", "bbr", "reno"};
constexpr std::array<std::string_view, 3> kPacketProtection = {"auto", "ipsec_mb", "gnutls"};
constexpr std::array<std::string_view, 3> kSteering = {"auto", "bpf", "single_socket"};
constexpr std::array<std::string_view, 4> kServices = {"none", "echo", "perf", "hq"};

// clang-format off
constexpr auto kSettings = std::to_array<Setting>({
    {"host", &ServerOptions::host, "Address to listen on: numeric IPv4 or IPv6, or \"localhost\" (127.0.0.1). \"0.0.0.0\" is every IPv4 address, \"::\" every IPv6 address and no IPv4; multicast, broadcast and link-local addresses are refused.", {}, 1, 255},
    {"port", &ServerOptions::port, "UDP port; 0 takes a free one.", {}, 0, 65'535},
    {"cert_path", &ServerOptions::cert_path, "PEM file of the certificate chain, leaf first.", {}, 1, kMaxPathBytes},
    {"key_path", &ServerOptions::key_path, "PEM file of the leaf's private key, not encrypted.", {}, 1, kMaxPathBytes},
    {"alpn", &ServerOptions::alpn, "Application protocols (RFC 7301) in order of preference, one name or a list of up to 16. A service has its own default.", "bytes", 1, 255},
    {"workers", &ServerOptions::workers, "Worker threads; 0 means the number of CPUs, at most 8.", "threads", 0, 64},

    {"max_streams", &ServerOptions::max_streams, "Bidirectional streams that a client may have open at once, per connection.", "streams", 1, kMaxU32},
    {"max_streams_uni", &ServerOptions::max_streams_uni, "Unidirectional streams that a client may have open at once, per connection.", "streams", 0, kMaxU32},
    {"idle_timeout_ms", &ServerOptions::idle_timeout_ms, "A connection without packets for this long ends (RFC 9000 §10.1); values above the maximum count as the maximum.", "ms", 1'000, 86'400'000, {}, AboveMax::kClamp},
    {"handshake_timeout_ms", &ServerOptions::handshake_timeout_ms, "A handshake that takes longer ends.", "ms", 100, 600'000},
    {"hibernate_after_ms", &ServerOptions::hibernate_after_ms, "The memory of a connection that is idle for this long is packed until it is used again, after 100 ms if it was never used; 0 means never.", "ms", 0, 86'400'000},
    {"drain_timeout_ms", &ServerOptions::drain_timeout_ms, "How long a stop without a deadline lets open streams finish.", "ms", 0, 3'600'000},

    {"max_connections", &ServerOptions::max_connections, "Connections of the server; more are refused, unless an address that has many gives an idle one up.", "connections", 1, kMaxConnections},
    {"max_connections_per_address", &ServerOptions::max_connections_per_address, "Connections of one source, an IPv4 address or an IPv6 /64; 0 means no cap.", "connections", 0, kMaxConnections},
    {"max_half_open", &ServerOptions::max_half_open, "Handshakes under way; beyond, and for one address from seven eighths on, the oldest of the address that has most gives way; for one of the same address only when it is a second old.", "connections", 1, kMaxConnections},
    {"retry", &ServerOptions::retry, "Address validation by Retry (RFC 9000 §8.1.2); \"auto\": from half of max_half_open on, from 256 handshakes under way on a worker, and at max_connections.", {}, 0, 0, kRetry},

    {"initial_max_data_bytes", &ServerOptions::initial_max_data_bytes, "Receive window of a connection at first (RFC 9000 §4.1).", "bytes", kKiB, 4 * kGiB},
    {"initial_max_stream_data_bytes", &ServerOptions::initial_max_stream_data_bytes, "Receive window of a stream at first.", "bytes", kKiB, 4 * kGiB},
    {"max_window_bytes", &ServerOptions::max_window_bytes, "How far a connection's receive window may grow; unread data of a connection takes at most this much memory.", "bytes", kKiB, 4 * kGiB},
    {"max_stream_window_bytes", &ServerOptions::max_stream_window_bytes, "How far a stream's receive window may grow.", "bytes", kKiB, 4 * kGiB},
    {"server_receive_window_bytes", &ServerOptions::server_receive_window_bytes, "How far the receive windows of all connections together may grow beyond their initial ones, split evenly over the workers.", "bytes", 0, 1'024 * kGiB},
    {"stream_send_buffer_bytes", &ServerOptions::stream_send_buffer_bytes, "Unsent and unacknowledged data of a stream, until its buffer grows with the path.", "bytes", kKiB, 4 * kGiB},
    {"max_stream_send_buffer_bytes", &ServerOptions::max_stream_send_buffer_bytes, "How far a stream's send buffer may grow, to twice what the path holds (its bandwidth times its round trip).", "bytes", kKiB, 4 * kGiB},
    {"connection_send_buffer_bytes", &ServerOptions::connection_send_buffer_bytes, "Unsent and unacknowledged data of all streams of a connection.", "bytes", kKiB, 4 * kGiB},
    {"server_send_buffer_bytes", &ServerOptions::server_send_buffer_bytes, "The same of all connections and the memory of unsent DATAGRAMs, split evenly over the workers. Each connection and each address has a share; while it is short those without progress are closed (KREPIS_CODE_NO_PROGRESS).", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"server_write_queue_bytes", &ServerOptions::server_write_queue_bytes, "What programs wrote through channels and the send buffers of its connections have not taken yet, of all connections together; one connection may hold half of what is free, and at most 128 KiB or eight congestion windows.", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"datagram_queue", &ServerOptions::datagram_queue, "Unsent datagrams (RFC 9221) of a connection; 0 means no datagrams.", "datagrams", 0, 65'536},

    {"congestion_control", &ServerOptions::congestion_control, "Congestion controller of every connection.", {}, 0, 0, kCongestionControl},
    {"packet_protection", &ServerOptions::packet_protection, "Library that encrypts packets; \"auto\": intel-ipsec-mb where the build and the processor have it, else GnuTLS.", {}, 0, 0, kPacketProtection},
    {"max_udp_payload_bytes", &ServerOptions::max_udp_payload_bytes, "Largest datagram sent; path MTU discovery ends here.", "bytes", 1'200, 65'527},
    {"socket_send_buffer_bytes", &ServerOptions::socket_send_buffer_bytes, "Send buffer asked of the kernel, per socket; the statistics show what it gave.", "bytes", 4 * kKiB, kGiB},
    {"socket_receive_buffer_bytes", &ServerOptions::socket_receive_buffer_bytes, "Receive buffer asked of the kernel, per socket; the statistics show what it gave.", "bytes", 4 * kKiB, kGiB},
    {"gso", &ServerOptions::gso, "Send trains of packets in one system call where the kernel can."},
    {"gro", &ServerOptions::gro, "Receive trains of packets in one system call where the kernel can."},
    {"busy_poll_us", &ServerOptions::busy_poll_us, "How long a worker that had work looks for more before it sleeps: spends CPU time for latency; 0 means not at all.", "us", 0, 1'000},
    {"steering", &ServerOptions::steering, "How packets reach their worker: \"bpf\" in the kernel by connection ID or not at all, \"single_socket\", \"auto\" the first that works.", {}, 0, 0, kSteering},

    {"service", &ParsedSettings::service, "Built-in service that answers streams; with \"none\" a channel does, and without one streams are refused.", {}, 0, 0, kServices},
    {"service_root", &ParsedSettings::service_root, "Folder whose files the service \"hq\" serves; only with it.", {}, 0, kMaxPathBytes},
});
// clang-format on

base::Error wrong(std::string_view name, const std::string& value, const std::string& expected) {
  return {base::ErrorKind::kInvalidArgument, std::string(name) + " is " + value + ", expected " + expected};
}

// Long values are cut: the message has to stay readable.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return '"' + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…\"" : "\"");
}

std::string range(const Setting& setting) {
  return std::to_string(setting.min) + " to " + std::to_string(setting.max);
}

std::string one_of(std::span<const std::string_view> values) {
  std::string list;
  for (const std::string_view value : values) {
    list += (list.empty() ? "" : ", ") + in_quotes(value);
  }
  return "one of " + list;
}

base::Status check_integer(const Setting& setting, std::uint64_t value) {
  const bool is_above = value > setting.max && setting.above_max == AboveMax::kRefuse;
  if (value < setting.min || is_above) {
    return wrong(setting.name, std::to_string(value), range(setting));
  }
  return {};
}

base::Status check_text(const Setting& setting, const std::string& value) {
  if (!setting.values.empty()) {
    if (std::ranges::find(setting.values, value) == setting.values.end()) {
      return wrong(setting.name, in_quotes(value), one_of(setting.values));
    }
    return {};
  }
  if (value.size() < setting.min || value.size() > setting.max) {
    const std::string length = value.empty() ? "empty" : std::to_string(value.size()) + " bytes long";
    return wrong(setting.name, length, range(setting) + " bytes");
  }
  if (value.find('\0') != std::string::npos) {
    return wrong(setting.name, "a text with a NUL inside", "a text without");
  }
  return {};
}

base::Status check_list(const Setting& setting, const std::vector<std::string>& names) {
  if (names.empty() || names.size() > kMaxAlpnNames) {
    return wrong(setting.name, "a list of " + std::to_string(names.size()) + " names", "1 to 16 names");
  }
  for (const std::string& name : names) {
    if (name.size() < setting.min || name.size() > setting.max) {
      return wrong(setting.name, "a name of " + std::to_string(name.size()) + " bytes",
                   range(setting) + " bytes");
    }
    if (std::ranges::count(names, name) > 1) {
      return wrong(setting.name, in_quotes(name) + " twice", "each name once");
    }
  }
  return {};
}

template <class T>
base::Status check_value(const Setting& setting, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return check_text(setting, value);
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return check_list(setting, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return {};
  } else {
    return check_integer(setting, value);
  }
}

// What may grow, from what it is at first to the most.
struct Growth {
  std::string_view first_name;
  std::uint64_t ServerOptions::*first;
  std::string_view most_name;
  std::uint64_t ServerOptions::*most;
};
constexpr auto kGrowths = std::to_array<Growth>({
    {"initial_max_data_bytes", &ServerOptions::initial_max_data_bytes, "max_window_bytes",
     &ServerOptions::max_window_bytes},
    {"initial_max_stream_data_bytes", &ServerOptions::initial_max_stream_data_bytes,
     "max_stream_window_bytes", &ServerOptions::max_stream_window_bytes},
    {"stream_send_buffer_bytes", &ServerOptions::stream_send_buffer_bytes, "max_stream_send_buffer_bytes",
     &ServerOptions::max_stream_send_buffer_bytes},
});

base::Status check_host(const ServerOptions& options) {
  constexpr std::string_view kExpected = "a numeric IPv4 or IPv6 address or \"localhost\"";
  const auto address = base::SocketAddress::parse(options.host, options.port);
  if (!address && options.host.find('%') != std::string::npos) {
    return wrong(
        "host", in_quotes(options.host),
        "an address without a scope: link-local addresses are not served, \"::\" listens on them too");
  }
  if (!address) {
    return wrong("host", in_quotes(options.host), std::string(kExpected));
  }
  if (const std::string_view why = why_unusable(*address); !why.empty()) {
    return wrong("host", in_quotes(options.host) + ", " + std::string(why), std::string(kExpected));
  }
  return {};
}

base::Status check_together(const ServerOptions& options) {
  if (auto status = check_host(options); !status) {
    return status;
  }
  if (options.packet_protection == "ipsec_mb" && quic::ipsec_mb() == nullptr) {
    return wrong("packet_protection", "\"ipsec_mb\"", "\"auto\" or \"gnutls\" with this build and processor");
  }
  for (const Growth& growth : kGrowths) {
    if (options.*growth.most < options.*growth.first) {
      return wrong(
          growth.most_name, std::to_string(options.*growth.most),
          "at least " + std::string(growth.first_name) + " (" + std::to_string(options.*growth.first) + ")");
    }
  }
  return {};
}

base::Status check_service(const ParsedSettings& parsed) {
  if (parsed.service == "hq" && parsed.service_root.empty()) {
    return wrong("service_root", "not given", "the folder that the service \"hq\" serves");
  }
  if (parsed.service != "hq" && !parsed.service_root.empty()) {
    return wrong("service_root", in_quotes(parsed.service_root), "only the service \"hq\" to have one");
  }
  return {};
}

// Checks the settings that are kept in Owner.
template <class Owner>
base::Status check_each(const Owner& owner) {
  for (const Setting& setting : kSettings) {
    auto status = std::visit(
        [&](auto place) -> base::Status {
          if constexpr (std::is_invocable_v<decltype(place), const Owner&>) {
            return check_value(setting, owner.*place);
          } else {
            return {};
          }
        },
        setting.place);
    if (!status) {
      return status;
    }
  }
  return {};
}

}  // namespace

std::string_view why_unusable(const base::SocketAddress& address) {
  const auto ip = address.ip_bytes();
  if (address.is_v4()) {
    if (ip[0] >= 224 && ip[0] <= 239) {
      return "a multicast address";
    }
    const bool is_broadcast = std::ranges::all_of(ip, [](std::uint8_t byte) { return byte == 0xff; });
    return is_broadcast ? "the broadcast address" : "";
  }
  if (ip[0] == 0xff) {
    return "a multicast address";
  }
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) {
    return "a link-local address, which means nothing without a scope";
  }
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::ranges::equal(ip.first(kMapped.size()), kMapped)
             ? "an IPv4 address mapped into IPv6; give it in its IPv4 form"
             : "";
}

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  const auto* found = std::ranges::find(kSettings, name, &Setting::name);
  return found != kSettings.end() ? found : nullptr;
}

std::string_view type_name(const Setting& setting) {
  return std::visit(
      []<class T, class Owner>(T Owner::*) -> std::string_view {
        if constexpr (std::is_same_v<T, std::string>) {
          return "string";
        } else if constexpr (std::is_same_v<T, bool>) {
          return "boolean";
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return "list of strings";
        } else {
          return "integer";
        }
      },
      setting.place);
}

base::Status validate(const ServerOptions& options) {
  if (auto status = check_each(options); !status) {
    return status;
  }
  return check_together(options);
}

base::Status validate(const ParsedSettings& parsed) {
  if (auto status = validate(parsed.options); !status) {
    return status;
  }
  if (auto status = check_each(parsed); !status) {
    return status;
  }
  return check_service(parsed);
}

void clamp(ServerOptions& options) {
  for (const Setting& setting : kSettings) {
    const auto* place = std::get_if<std::uint64_t ServerOptions::*>(&setting.place);
    if (place != nullptr && setting.above_max == AboveMax::kClamp) {
      options.*(*place) = std::min(options.*(*place), setting.max);
    }
  }
}

base::Status validate_and_clamp(krepis::ConnectionOptions& options) {
  ServerOptions server;
  static_cast<krepis::ConnectionOptions&>(server) = options;
  server.cert_path = server.key_path = "a client has none";
  if (auto status = validate(server); !status) {
    return status;
  }
  clamp(server);
  options = static_cast<const krepis::ConnectionOptions&>(server);
  return {};
}

}  // namespace knul::server
