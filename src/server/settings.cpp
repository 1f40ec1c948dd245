#include "server/settings.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "admin/admin_listener.hpp"
#include "base/address_prefix.hpp"
#include "base/worker_limit.hpp"
#include "quic/crypto/protection_library.hpp"
#include "server/credential_files.hpp"

namespace knul::server {

namespace {

using krepis::ServerOptions;

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kGiB = 1 << 30;
constexpr std::uint64_t kMaxU32 = 0xffff'ffff;
constexpr std::uint64_t kMaxConnections = 16'000'000;
constexpr std::uint64_t kMaxFd = 0x7fff'ffff;
constexpr std::uint64_t kMaxPathBytes = 4'096;
constexpr std::size_t kMaxSniPairs = 1'000;

constexpr std::array<std::string_view, 3> kRetry = {"auto", "never", "always"};
constexpr std::array<std::string_view, 3> kClientAuth = {"none", "optional", "required"};
constexpr std::array<std::string_view, 3> kCongestionControl = {"cubic", "bbr", "reno"};
constexpr std::array<std::string_view, 3> kPacketProtection = {"auto", "ipsec_mb", "gnutls"};
constexpr std::array<std::string_view, 3> kSteering = {"auto", "bpf", "single_socket"};
constexpr std::array<std::string_view, 4> kServices = {"none", "echo", "perf", "hq"};

// clang-format off
constexpr auto kSettings = std::to_array<Setting>({
    {"host", &ServerOptions::host, "Address to listen on: numeric IPv4 or IPv6, or \"localhost\" (127.0.0.1). \"0.0.0.0\" is every IPv4 address, \"::\" every IPv6 address without IPv4. Multicast, broadcast and link-local addresses are refused.", {}, 1, 255},
    {"port", &ServerOptions::port, "UDP port; 0 selects a free port.", {}, 0, 65'535},
    {"listen_fd", &ServerOptions::listen_fd, "Descriptor of a bound UDP socket of the program, in place of host and port, which must then not be given; 0 means none. The server uses a duplicate. The workers share the socket, or add sockets of their own if SO_REUSEPORT is set.", {}, 0, kMaxFd},
    {"key_log_path", &ServerOptions::key_log_path, "File to which the secrets of all connections are appended, for programs that decrypt captured packets; empty means none. Created with mode 0600; an existing file must be regular and private. The environment variable SSLKEYLOGFILE has no effect.", {}, 0, kMaxPathBytes},
    {"qlog_folder", &ServerOptions::qlog_folder, "Folder for the events of connections in the format qlog, a file for each; empty means none. The files have mode 0600. They show addresses, sizes and timing, but neither payload nor secrets.", {}, 0, kMaxPathBytes},
    {"qlog_connections", &ServerOptions::qlog_connections, "How many connections are logged in qlog_folder: the next ones of qlog_peers. A reload begins to count anew; watch_certificates does not. Only with qlog_folder.", "connections", 1, 1'000},
    {"qlog_peers", &ServerOptions::qlog_peers, "Only connections from these addresses are logged in qlog_folder: an address, or a prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"; empty means all. Only with qlog_folder.", {}, 0, 64},
    {"qlog_file_bytes", &ServerOptions::qlog_file_bytes, "Largest size of a file in qlog_folder; later events of its connection are missing. At most qlog_total_bytes; only with qlog_folder.", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"qlog_total_bytes", &ServerOptions::qlog_total_bytes, "Largest size of all files that a server writes to qlog_folder. A reload does not begin to count anew. Only with qlog_folder.", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"cert_path", &ServerOptions::cert_path, "PEM file of the certificate chain, leaf first. Required, or cert_pem. A reload reads it again.", {}, 0, kMaxPathBytes},
    {"key_path", &ServerOptions::key_path, "PEM file of the leaf's private key, not encrypted. Required, or key_pem. A reload reads it again.", {}, 0, kMaxPathBytes},
    {"cert_pem", &ServerOptions::cert_pem, "The certificate chain as PEM text, in place of cert_path.", {}, 0, kMaxCredentialFileBytes},
    {"key_pem", &ServerOptions::key_pem, "The private key as PEM text, in place of key_path. The library wipes its copy after use, and shows it nowhere.", {}, 0, kMaxCredentialFileBytes},
    {"sni_cert_paths", &ServerOptions::sni_cert_paths, "PEM files of certificate chains for clients that ask for one of their DNS names (SNI); other clients get cert_path. Up to 1,000. A reload reads them again.", "bytes", 1, kMaxPathBytes, {}, AboveMax::kRefuse, {0, kMaxSniPairs, false}},
    {"sni_key_paths", &ServerOptions::sni_key_paths, "PEM files of the private keys of sni_cert_paths, in the same order. A reload reads them again.", "bytes", 1, kMaxPathBytes, {}, AboveMax::kRefuse, {0, kMaxSniPairs, false}},
    {"client_auth", &ServerOptions::client_auth, "Client certificates (mutual TLS). \"none\": not asked for; \"optional\": a client may send none; \"required\". A certificate that a client sends must be valid, for TLS clients, and issued by an authority of client_ca_path or client_ca_pem. With \"optional\" and \"required\" no session is resumed.", {}, 0, 0, kClientAuth},
    {"client_ca_path", &ServerOptions::client_ca_path, "PEM file of the authorities that issue client certificates. With client_auth \"optional\" or \"required\", this setting or client_ca_pem is required. A reload reads it again.", {}, 0, kMaxPathBytes},
    {"client_ca_pem", &ServerOptions::client_ca_pem, "The authorities as PEM text, in place of client_ca_path.", {}, 0, kMaxCredentialFileBytes},
    {"watch_certificates", &ServerOptions::watch_certificates, "Look at the certificate, key and authority files once a second, and reload them when they have changed. Requires at least one such file."},
    {"alpn", &ServerOptions::alpn, "Application protocols (RFC 7301) in order of preference: one name, or a list of up to 16. A service has its own default.", "bytes", 1, 255, {}, AboveMax::kRefuse, {1, 16, true}},
    {"workers", &ServerOptions::workers, "Worker threads; 0 means the number of CPUs, at most 8.", "threads", 0, base::kMostWorkers},

    {"max_streams", &ServerOptions::max_streams, "Concurrent bidirectional streams that a client may open, per connection.", "streams", 1, kMaxU32},
    {"max_streams_uni", &ServerOptions::max_streams_uni, "Concurrent unidirectional streams that a client may open, per connection.", "streams", 0, kMaxU32},
    {"idle_timeout_ms", &ServerOptions::idle_timeout_ms, "Time without packets after which a connection ends (RFC 9000 §10.1). Values above the maximum mean the maximum.", "ms", 1'000, 86'400'000, {}, AboveMax::kClamp},
    {"handshake_timeout_ms", &ServerOptions::handshake_timeout_ms, "Longest duration of a handshake.", "ms", 100, 600'000},
    {"hibernate_after_ms", &ServerOptions::hibernate_after_ms, "Idle time after which a connection hibernates: its memory is packed until its next use. A connection that was never used hibernates after 100 ms. 0 means never.", "ms", 0, 86'400'000},
    {"drain_timeout_ms", &ServerOptions::drain_timeout_ms, "How long open streams may take to finish when a stop has no deadline of its own.", "ms", 0, 3'600'000},

    {"max_connections", &ServerOptions::max_connections, "Maximum number of connections. At this number the server refuses new ones, or closes an idle connection of an address that has many.", "connections", 1, kMaxConnections},
    {"max_connections_per_address", &ServerOptions::max_connections_per_address, "Maximum number of connections per source (an IPv4 address or an IPv6 /64); 0 means no limit.", "connections", 0, kMaxConnections},
    {"max_half_open", &ServerOptions::max_half_open, "Maximum number of incomplete handshakes. At this number, or at seven eighths of it for one address, a new handshake evicts the oldest of the address that has most; of its own address only one that is at least a second old.", "connections", 1, kMaxConnections},
    {"retry", &ServerOptions::retry, "Address validation by Retry (RFC 9000 §8.1.2). \"auto\": from half of max_half_open on, from 256 incomplete handshakes per worker on, and at max_connections.", {}, 0, 0, kRetry},

    {"initial_max_data_bytes", &ServerOptions::initial_max_data_bytes, "Initial receive window of a connection (RFC 9000 §4.1).", "bytes", kKiB, 4 * kGiB},
    {"initial_max_stream_data_bytes", &ServerOptions::initial_max_stream_data_bytes, "Initial receive window of a stream.", "bytes", kKiB, 4 * kGiB},
    {"max_window_bytes", &ServerOptions::max_window_bytes, "Largest receive window of a connection, and so the most memory that its unread data takes.", "bytes", kKiB, 4 * kGiB},
    {"max_stream_window_bytes", &ServerOptions::max_stream_window_bytes, "Largest receive window of a stream.", "bytes", kKiB, 4 * kGiB},
    {"server_receive_window_bytes", &ServerOptions::server_receive_window_bytes, "Limit of the growth of all connections' receive windows beyond their initial size, split evenly over the workers.", "bytes", 0, 1'024 * kGiB},
    {"stream_send_buffer_bytes", &ServerOptions::stream_send_buffer_bytes, "Maximum unsent and unacknowledged data per stream, before the buffer grows with the path.", "bytes", kKiB, 4 * kGiB},
    {"max_stream_send_buffer_bytes", &ServerOptions::max_stream_send_buffer_bytes, "Largest send buffer of a stream; it grows to twice the bandwidth-delay product of the path.", "bytes", kKiB, 4 * kGiB},
    {"connection_send_buffer_bytes", &ServerOptions::connection_send_buffer_bytes, "Maximum unsent and unacknowledged data of all streams of a connection.", "bytes", kKiB, 4 * kGiB},
    {"server_send_buffer_bytes", &ServerOptions::server_send_buffer_bytes, "Maximum unsent and unacknowledged data and unsent DATAGRAMs of all connections, split evenly over the workers. Each connection and each address has a share. While this memory is short, connections without progress are closed (KREPIS_CODE_NO_PROGRESS).", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"server_write_queue_bytes", &ServerOptions::server_write_queue_bytes, "Maximum bytes of all connections that programs wrote through channels and that no send buffer has accepted yet. One connection may hold half of the free bytes, and at most 128 KiB or eight congestion windows.", "bytes", 64 * kKiB, 1'024 * kGiB},
    {"datagram_queue", &ServerOptions::datagram_queue, "Maximum number of unsent datagrams (RFC 9221) per connection; 0 disables datagrams.", "datagrams", 0, 65'536},

    {"congestion_control", &ServerOptions::congestion_control, "Congestion controller of every connection.", {}, 0, 0, kCongestionControl},
    {"packet_protection", &ServerOptions::packet_protection, "Library that encrypts packets. \"auto\": intel-ipsec-mb if the build and the processor have it, else GnuTLS.", {}, 0, 0, kPacketProtection},
    {"max_udp_payload_bytes", &ServerOptions::max_udp_payload_bytes, "Largest UDP payload sent; limit of path MTU discovery.", "bytes", 1'200, 65'527},
    {"socket_send_buffer_bytes", &ServerOptions::socket_send_buffer_bytes, "Send buffer requested from the kernel, per socket; the statistics show its actual size.", "bytes", 4 * kKiB, kGiB},
    {"socket_receive_buffer_bytes", &ServerOptions::socket_receive_buffer_bytes, "Receive buffer requested from the kernel, per socket; the statistics show its actual size.", "bytes", 4 * kKiB, kGiB},
    {"gso", &ServerOptions::gso, "Send trains of packets in one system call if the kernel can (GSO)."},
    {"gro", &ServerOptions::gro, "Receive trains of packets in one system call if the kernel can (GRO)."},
    {"busy_poll_us", &ServerOptions::busy_poll_us, "How long a worker polls for more work before it sleeps. Trades CPU time for latency; 0 disables it.", "us", 0, 1'000},
    {"steering", &ServerOptions::steering, "How packets reach their worker. \"bpf\": the kernel steers by connection ID, or start fails; \"single_socket\": all workers share a socket; \"auto\": the first that works.", {}, 0, 0, kSteering},

    {"admin", &ServerOptions::admin, "Address of the HTTP listener for operators: an address and a port (0: a free one), or \"unix:\" and a path; empty means none. It serves /metrics, /stats, /connections, /healthz, /readyz and a page, and is read-only. Whoever can connect can read.", {}, 0, 120},

    {"service", &ParsedSettings::service, "Built-in service that answers streams. \"none\": a channel answers them; without a channel the server refuses them.", {}, 0, 0, kServices},
    {"service_root", &ParsedSettings::service_root, "Folder that the service \"hq\" serves; only with \"hq\".", {}, 0, kMaxPathBytes},
});
// clang-format on

base::Error wrong(std::string_view name, const std::string& value, const std::string& expected) {
  return {base::ErrorKind::kInvalidArgument, std::string(name) + " is " + value + ", expected " + expected};
}

// Long values are cut, so that the message stays readable.
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
    return wrong(setting.name, "a text with a NUL", "a text without NUL");
  }
  return {};
}

base::Status check_list(const Setting& setting, const std::vector<std::string>& texts) {
  const ListRules& rules = setting.list;
  if (texts.size() < rules.min_items || texts.size() > rules.max_items) {
    return wrong(setting.name, "a list of " + std::to_string(texts.size()),
                 "a list of " + std::to_string(rules.min_items) + " to " + std::to_string(rules.max_items));
  }
  for (const std::string& text : texts) {
    if (text.size() < setting.min || text.size() > setting.max) {
      return wrong(setting.name, "a list with a text of " + std::to_string(text.size()) + " bytes",
                   range(setting) + " bytes");
    }
    if (rules.is_unique && std::ranges::count(texts, text) > 1) {
      return wrong(setting.name, in_quotes(text) + " twice", "each name once");
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

// A setting that may grow, with the names of its initial and its maximum value.
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
        "an address without a scope: link-local addresses are not supported, but \"::\" includes them");
  }
  if (!address) {
    return wrong("host", in_quotes(options.host), std::string(kExpected));
  }
  if (const std::string_view why = why_unusable(*address); !why.empty()) {
    return wrong("host", in_quotes(options.host) + ", " + std::string(why), std::string(kExpected));
  }
  return {};
}

base::Status check_listen_fd(const ServerOptions& options) {
  const ServerOptions defaults;
  if (options.listen_fd == 0) {
    return {};
  }
  if (options.port != defaults.port) {
    return wrong("port", std::to_string(options.port), "none with listen_fd");
  }
  if (options.host != defaults.host) {
    return wrong("host", in_quotes(options.host), "none with listen_fd");
  }
  return {};
}

// A path and the text that may replace it.
struct Credential {
  std::string_view path_name;
  std::string ServerOptions::*path;
  std::string_view text_name;
  std::string ServerOptions::*text;
};
constexpr auto kCredentials = std::to_array<Credential>({
    {"cert_path", &ServerOptions::cert_path, "cert_pem", &ServerOptions::cert_pem},
    {"key_path", &ServerOptions::key_path, "key_pem", &ServerOptions::key_pem},
});

// A private key in place of its path would be shown in errors and by krepis_quic_info.
base::Status check_path(std::string_view name, const std::string& path, std::string_view expected) {
  if (path.find('\0') != std::string::npos) {
    return wrong(name, "a text with a NUL", "a text without NUL");
  }
  return path.find("-----BEGIN ") == std::string::npos ? base::Status{}
                                                       : wrong(name, "a PEM text", std::string(expected));
}

base::Status check_client_auth(const ServerOptions& options) {
  const bool has_path = !options.client_ca_path.empty();
  const bool has_text = !options.client_ca_pem.empty();
  const std::string mode = in_quotes(options.client_auth);
  if (options.client_auth == "none" && (has_path || has_text)) {
    return wrong("client_auth", mode + " beside " + (has_path ? "client_ca_path" : "client_ca_pem"),
                 "\"optional\" or \"required\" with authorities");
  }
  if (options.client_auth != "none" && !has_path && !has_text) {
    return wrong("client_ca_path", "not given beside client_auth " + mode,
                 "a path, or the PEM text in client_ca_pem");
  }
  if (has_path && has_text) {
    return wrong("client_ca_path", "given beside client_ca_pem", "one of both");
  }
  return check_path("client_ca_path", options.client_ca_path, "a path, or the PEM text in client_ca_pem");
}

base::Status check_credentials(const ServerOptions& options) {
  for (const Credential& one : kCredentials) {
    const bool has_path = !(options.*one.path).empty();
    const bool has_text = !(options.*one.text).empty();
    const std::string either = "a path, or the PEM text in " + std::string(one.text_name);
    if (!has_path && !has_text) {
      return wrong(one.path_name, "not given", either);
    }
    if (has_path && has_text) {
      return wrong(one.path_name, "given beside " + std::string(one.text_name), "one of both");
    }
    if (auto status = check_path(one.path_name, options.*one.path, either); !status) {
      return status;
    }
  }
  const auto& keys = options.sni_key_paths;
  if (keys.size() != options.sni_cert_paths.size()) {
    return wrong("sni_key_paths", "a list of " + std::to_string(keys.size()),
                 "as many as sni_cert_paths (" + std::to_string(options.sni_cert_paths.size()) + ")");
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto status = check_path("sni_cert_paths", options.sni_cert_paths[i], "paths");
    if (status) {
      status = check_path("sni_key_paths", keys[i], "paths");
    }
    if (!status) {
      return status;
    }
  }
  if (options.watch_certificates && options.cert_path.empty() && options.key_path.empty() && keys.empty() &&
      options.client_ca_path.empty()) {
    return wrong("watch_certificates", "true", "false without a certificate, key or authority file");
  }
  return check_client_auth(options);
}

struct Limit {
  std::string_view name;
  std::uint64_t ServerOptions::*place;
};
constexpr auto kQlogLimits = std::to_array<Limit>({
    {"qlog_connections", &ServerOptions::qlog_connections},
    {"qlog_file_bytes", &ServerOptions::qlog_file_bytes},
    {"qlog_total_bytes", &ServerOptions::qlog_total_bytes},
});

base::Status check_without_qlog(const ServerOptions& options) {
  constexpr const char* kExpected = "none without qlog_folder";
  const ServerOptions defaults;
  if (!options.qlog_peers.empty()) {
    return wrong("qlog_peers", in_quotes(options.qlog_peers), kExpected);
  }
  for (const Limit& limit : kQlogLimits) {
    if (options.*limit.place != defaults.*limit.place) {
      return wrong(limit.name, std::to_string(options.*limit.place), kExpected);
    }
  }
  return {};
}

base::Status check_qlog(const ServerOptions& options) {
  if (options.qlog_folder.empty()) {
    return check_without_qlog(options);
  }
  if (options.qlog_file_bytes > options.qlog_total_bytes) {
    return wrong("qlog_file_bytes", std::to_string(options.qlog_file_bytes),
                 "at most qlog_total_bytes (" + std::to_string(options.qlog_total_bytes) + ")");
  }
  if (!options.qlog_peers.empty() && !base::AddressPrefix::parse(options.qlog_peers)) {
    return wrong("qlog_peers", in_quotes(options.qlog_peers),
                 "an address, or a prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"");
  }
  return {};
}

base::Status check_together(const ServerOptions& options) {
  if (auto status = check_listen_fd(options); !status) {
    return status;
  }
  if (auto status = check_credentials(options); !status) {
    return status;
  }
  if (auto status = check_host(options); !status) {
    return status;
  }
  if (auto status = check_qlog(options); !status) {
    return status;
  }
  if (options.packet_protection == "ipsec_mb" && quic::ipsec_mb() == nullptr) {
    return wrong("packet_protection", "\"ipsec_mb\"", "\"auto\" or \"gnutls\" with this build and processor");
  }
  if (!options.admin.empty()) {
    if (auto status = admin::check_admin_address(options.admin); !status) {
      return status;
    }
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
    return wrong("service_root", in_quotes(parsed.service_root), "none without the service \"hq\"");
  }
  return {};
}

// Checks the settings that are members of Owner.
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
    return "a link-local address, which is not supported";
  }
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::ranges::equal(ip.first(kMapped.size()), kMapped)
             ? "an IPv4-mapped IPv6 address; give the IPv4 address"
             : "";
}

std::span<const Setting> settings() { return kSettings; }

bool is_secret(const Setting& setting) {
  const auto* place = std::get_if<std::string ServerOptions::*>(&setting.place);
  return place != nullptr && *place == &ServerOptions::key_pem;
}

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
