// krepis::inspect: looks at the system and lets inspection_rows.hpp judge.
#include <krepis/inspect.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <utility>
#include <variant>

#include "admin/listening_socket.hpp"
#include "server/certificate_store.hpp"
#include "server/engine_options.hpp"
#include "server/error_codes.hpp"
#include "server/inspection_rows.hpp"
#include "server/key_log.hpp"
#include "server/qlog_files.hpp"
#include "server/secrets.hpp"
#include "server/server_sockets.hpp"
#include "server/settings_json.hpp"
#include "udp/offload_probe.hpp"

namespace krepis {
namespace {

using namespace knul;

Finding failure(std::string name, base::Error error) {
  return {.name = std::move(name), .level = FindingLevel::kFailure, .found = std::move(error.message)};
}

// The text of a socket error ends with its advice, behind a semicolon.
Finding socket_failure(std::string name, base::Error error) {
  Finding finding = failure(std::move(name), std::move(error));
  if (const std::size_t at = finding.found.rfind("; "); at != std::string::npos) {
    finding.advice = finding.found.substr(at + 2);
    finding.found.resize(at);
  }
  return finding;
}

void add_certificates(const ServerOptions& options, std::vector<Finding>& findings) {
  base::NullLogSink log;
  const auto store = server::CertificateStore::load(options, nullptr, log);
  if (!store) {
    return findings.push_back(failure("certificate", store.error()));
  }
  const auto context = (*store)->context();
  const auto& sources = (*store)->sources();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    findings.push_back(server::judge_certificate(sources[i].certificate.shown(), context->pairs()[i]->facts(),
                                                 std::time(nullptr)));
  }
  if (const auto& authorities = context->authorities()) {
    findings.push_back(server::judge_authorities((*store)->authorities().shown(), authorities->count(),
                                                 authorities->facts(), std::time(nullptr)));
  }
}

Finding steering_finding(std::string found) { return {.name = "steering", .found = std::move(found)}; }

// Does not change the socket, which may be in use.
void add_listen_fd(const ServerOptions& options, std::vector<Finding>& findings) {
  const std::string name = "listen_fd " + std::to_string(options.listen_fd);
  const auto socket = udp::UdpSocket::check_adoptable(static_cast<int>(options.listen_fd));
  if (!socket) {
    return findings.push_back(failure("port", socket.error()));
  }
  findings.push_back({.name = "port", .found = name + " is bound to " + socket->address.to_string()});
  const bool may_grow = options.workers > 1 && options.steering != "single_socket" && socket->has_reuseport;
  findings.push_back(
      steering_finding(may_grow ? "not tried, so that " + name + " stays unchanged" : "one socket"));
}

Finding steering_row(const ServerOptions& options, const udp::SocketGroup& sockets) {
  if (sockets.is_steered()) {
    return steering_finding("the kernel steers packets to the " + std::to_string(options.workers) +
                            " workers");
  }
  if (options.workers == 1 || options.steering == "single_socket") {
    return steering_finding("one socket");
  }
  Finding finding = steering_finding("the kernel refuses the steering program; one worker receives for all");
  finding.level = FindingLevel::kWarning;
  finding.advice = "the kernel has no SO_ATTACH_REUSEPORT_CBPF, or a sandbox interferes";
  return finding;
}

// The sockets are closed at the return.
void add_port(const ServerOptions& options, std::vector<Finding>& findings) {
  if (options.listen_fd != 0) {
    return add_listen_fd(options, findings);
  }
  base::NullLogSink log;
  const auto sockets = server::open_sockets(options, log);
  if (!sockets) {
    return findings.push_back(socket_failure("port", sockets.error()));
  }
  const std::string address = sockets->local_address().to_string();
  findings.push_back(
      {.name = "port", .found = address + (options.port == 0 ? ", a free port" : " can be bound")});
  findings.push_back(steering_row(options, *sockets));
}

void add_admin(const ServerOptions& options, std::vector<Finding>& findings) {
  if (options.admin.empty()) {
    return;
  }
  const auto address = admin::parse_admin_address(options.admin);
  const auto socket = address ? admin::open_listening_socket(*address)
                              : base::Result<admin::ListeningSocket>(address.error());
  if (!socket) {
    return findings.push_back(failure("admin port", socket.error()));
  }
  if (const auto* const path = std::get_if<admin::UnixPath>(&*address)) {
    ::unlink(path->path.c_str());
  }
  findings.push_back({.name = "admin port", .found = socket->address + " can be bound"});
}

void add_sockets(const ServerOptions& options, std::vector<Finding>& findings) {
  base::NullLogSink log;
  const auto probe = udp::probe_offloads(server::socket_options(options, {}), log);
  if (!probe) {
    return findings.push_back(socket_failure("packets", probe.error()));
  }
  findings.push_back(server::judge_buffer("receive buffer", probe->receive_buffer, "rmem_max"));
  findings.push_back(server::judge_buffer("send buffer", probe->send_buffer, "wmem_max"));
  findings.push_back(server::judge_offload({.name = "GSO",
                                            .is_wanted = options.gso,
                                            .works = probe->gso,
                                            .what = "one call sends a train of packets",
                                            .consequence = "each packet takes a message of its own"}));
  findings.push_back(server::judge_offload({.name = "GRO",
                                            .is_wanted = options.gro,
                                            .works = probe->gro,
                                            .what = "one message receives a train of packets",
                                            .consequence = "each packet takes a message of its own"}));
  findings.push_back(server::judge_offload({.name = "ECN",
                                            .works = probe->ecn,
                                            .what = "marks of packets arrive",
                                            .consequence = "congestion shows itself by losses only"}));
}

void add_process(const server::ParsedSettings& settings, std::vector<Finding>& findings) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  findings.push_back(server::judge_descriptors(
      limit.rlim_cur, server::needed_descriptors(settings.options, settings.service)));
  findings.push_back(server::judge_processor(quic::processor(),
                                             server::protection_library(settings.options) != nullptr,
                                             settings.options.packet_protection));
  if (settings.options.packet_protection == "ipsec_mb" && quic::ipsec_mb() == nullptr) {
    findings.back().level = FindingLevel::kFailure;
    findings.back().advice = "packet_protection is \"ipsec_mb\", which this build or processor does not have";
  }
  std::ranges::move(server::judge_libraries(quic::library_list(), settings.options.client_auth),
                    std::back_inserter(findings));
  findings.push_back(server::judge_clock(posix::clock_state()));
}

void add_logs(const ServerOptions& options, std::vector<Finding>& findings) {
  if (const base::Status key_log = server::KeyLogFile::check(options.key_log_path); !key_log) {
    findings.push_back(failure("key log", key_log.error()));
  } else if (!options.key_log_path.empty()) {
    findings.push_back({.name = "key log",
                        .level = FindingLevel::kWarning,
                        .found = "the secrets of all connections are written to " + options.key_log_path,
                        .advice = "leave out key_log_path; it is for debugging"});
  }
  if (const base::Status qlog = server::QlogFiles::check(options); !qlog) {
    findings.push_back(failure("qlog", qlog.error()));
  } else if (!options.qlog_folder.empty()) {
    findings.push_back({.name = "qlog",
                        .level = FindingLevel::kWarning,
                        .found = "up to " + std::to_string(options.qlog_connections) +
                                 " connections are logged in " + options.qlog_folder,
                        .advice = "leave out qlog_folder; it is for debugging"});
  }
}

std::vector<Finding> inspect_settings(const server::ParsedSettings& settings) {
  std::vector<Finding> findings;
  add_certificates(settings.options, findings);
  add_port(settings.options, findings);
  add_admin(settings.options, findings);
  add_sockets(settings.options, findings);
  add_process(settings, findings);
  add_logs(settings.options, findings);
  return findings;
}

}  // namespace

Result<std::vector<Finding>> inspect(std::string_view settings_json) {
  try {
    auto settings = server::parse_settings_json(settings_json);
    if (!settings) {
      return server::to_public(std::move(settings).error());
    }
    const server::Wiped wiped(settings->options);
    if (settings->options.workers == 0) {
      settings->options.workers = server::automatic_workers();
    }
    return inspect_settings(*settings);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "inspect: out of memory"};
  }
}

}  // namespace krepis
