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
#include "server/server_sockets.hpp"
#include "server/settings_json.hpp"
#include "udp/offload_probe.hpp"

namespace krepis {
namespace {

using namespace knul;

Finding failure(std::string name, base::Error error) {
  return {.name = std::move(name), .level = FindingLevel::kFailure, .found = std::move(error.message)};
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
}

Finding steering_row(const ServerOptions& options, const udp::SocketGroup& sockets) {
  Finding finding{.name = "steering"};
  if (sockets.is_steered()) {
    finding.found = "the kernel steers packets to the " + std::to_string(options.workers) + " workers";
  } else if (options.workers == 1 || options.steering == "single_socket" || options.listen_fd != 0) {
    finding.found = "one socket";
  } else {
    finding.level = FindingLevel::kWarning;
    finding.found = "the kernel refuses the steering program; one worker receives for all";
    finding.advice = "look for a kernel without SO_ATTACH_REUSEPORT_CBPF, or a container sandbox";
  }
  return finding;
}

// The sockets are closed at the return.
void add_port(const ServerOptions& options, std::vector<Finding>& findings) {
  base::NullLogSink log;
  const auto sockets = server::open_sockets(options, log);
  if (!sockets) {
    return findings.push_back(failure("port", sockets.error()));
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
    return findings.push_back(failure("packets", probe.error()));
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
  std::ranges::move(server::judge_libraries(quic::library_list()), std::back_inserter(findings));
  findings.push_back(server::judge_clock(posix::clock_state()));
  if (!settings.options.key_log_path.empty()) {
    findings.push_back(
        {.name = "key log",
         .level = FindingLevel::kWarning,
         .found = "the secrets of all connections are written to " + settings.options.key_log_path,
         .advice = "leave out key_log_path; it is for debugging"});
  }
}

std::vector<Finding> inspect_settings(const server::ParsedSettings& settings) {
  std::vector<Finding> findings;
  add_certificates(settings.options, findings);
  add_port(settings.options, findings);
  add_admin(settings.options, findings);
  add_sockets(settings.options, findings);
  add_process(settings, findings);
  return findings;
}

}  // namespace

Result<std::vector<Finding>> inspect(std::string_view settings_json) {
  try {
    auto settings = server::parse_settings_json(settings_json);
    if (!settings) {
      return server::to_public(std::move(settings).error());
    }
    if (settings->options.workers == 0) {
      settings->options.workers = server::automatic_workers();
    }
    auto findings = inspect_settings(*settings);
    server::wipe_secrets(settings->options);
    return findings;
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kOutOfMemory, "inspect: out of memory"};
  }
}

}  // namespace krepis
