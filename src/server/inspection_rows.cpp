#include "server/inspection_rows.hpp"

#include <algorithm>

#include "base/utc_text.hpp"
#include "server/expiry_warnings.hpp"
#include "server/known_holes.hpp"

namespace knul::server {
namespace {

using krepis::Finding;
using krepis::FindingLevel;

// 2026-01-01 and 2100-01-01: a clock outside was never set.
constexpr std::int64_t kFirstSaneTime = 1'767'225'600;
constexpr std::int64_t kLastSaneTime = 4'102'444'800;

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (text.empty() ? "" : ", ") + names[i];
  }
  return text + (names.size() > kShown ? " and " + std::to_string(names.size() - kShown) + " more" : "");
}

std::string affected_versions(const KnownHole& hole) {
  const std::string first = hole.since.empty() ? "" : " from " + std::string(hole.since) + " on,";
  return std::string(hole.library) + first + " before " + std::string(hole.fixed);
}

Finding row_of(const KnownHole& hole, const std::string& client_auth) {
  Finding finding{.name = std::string(hole.id),
                  .found = affected_versions(hole) + ": " + std::string(hole.what)};
  if (hole.reach == Reach::kNotCalled) {
    finding.found += "; this server does not call it";
    return finding;
  }
  if (hole.reach == Reach::kClientCertificates && client_auth == "none") {
    finding.found += "; a peer can cause it only with client_auth, which is \"none\"";
    return finding;
  }
  finding.level = FindingLevel::kWarning;
  finding.found +=
      hole.reach == Reach::kPeers ? "; a peer can cause it" : "; a peer can cause it, because of client_auth";
  finding.advice =
      "install the security updates of the distribution, which may repair a version without a new number";
  return finding;
}

}  // namespace

Finding judge_certificate(const std::string& source, const quic::CertificateFacts& facts, std::int64_t now) {
  Finding finding{
      .name = "certificate",
      .found = source + ": fits its key, for " + (facts.names.empty() ? "no DNS name" : joined(facts.names)) +
               ", valid until " + base::utc_text(facts.not_after) + ", " +
               std::to_string(std::max<std::int64_t>(facts.not_after - now, 0) / base::kSecondsPerDay) +
               " day(s) left"};
  if (facts.names.empty()) {
    finding.level = FindingLevel::kWarning;
    finding.advice = "clients that connect by a name will refuse it; expected the name in subjectAltName";
  }
  ExpiryWarnings warnings;
  if (const auto due = warnings.take_due(source, facts, now)) {
    finding.level = facts.has_expired(now) ? FindingLevel::kFailure : FindingLevel::kWarning;
    finding.found = *due;
    finding.advice = "renew the certificate; a running server reads it again on SIGHUP";
  }
  return finding;
}

Finding judge_authorities(const std::string& source, std::size_t count, const quic::CertificateFacts& facts,
                          std::int64_t now) {
  Finding finding{.name = "client authorities",
                  .found = source + ": " + std::to_string(count) + " certificate(s), all valid until " +
                           base::utc_text(facts.not_after)};
  ExpiryWarnings warnings;
  if (const auto due =
          warnings.take_due(source, facts, now, "the server refuses the certificates that it issued")) {
    finding.level = FindingLevel::kWarning;
    finding.found = *due;
    finding.advice = "renew the authority; a running server reads the file again on SIGHUP";
  }
  return finding;
}

Finding judge_buffer(const std::string& name, const udp::BufferSize& size, const std::string& limit) {
  Finding finding{.name = name, .found = std::to_string(size.got_bytes) + " bytes per socket"};
  if (size.got_bytes < size.asked_bytes) {
    finding.level = FindingLevel::kWarning;
    finding.found +=
        " instead of the requested " + std::to_string(size.asked_bytes) + "; fast transfers may lose packets";
    finding.advice = "as root: sysctl -w net.core." + limit + "=" + std::to_string(size.asked_bytes) +
                     " (and the same line in /etc/sysctl.d)";
  }
  return finding;
}

Finding judge_offload(const Offload& offload) {
  Finding finding{.name = offload.name};
  if (!offload.is_wanted) {
    finding.found = "switched off by its setting";
  } else if (offload.works) {
    finding.found = "works on loopback: " + offload.what;
  } else {
    finding.level = FindingLevel::kWarning;
    finding.found = "does not work on loopback; " + offload.consequence;
    finding.advice = "the kernel is older than 5.0, or a sandbox or packet filter interferes";
  }
  return finding;
}

Finding judge_descriptors(std::uint64_t limit, std::uint64_t needed) {
  Finding finding{.name = "descriptors",
                  .found = "at most " + std::to_string(limit) +
                           " open files, a server with these settings opens up to " + std::to_string(needed) +
                           "; connections need none"};
  if (limit < needed) {
    finding.level = FindingLevel::kFailure;
    finding.advice =
        "raise RLIMIT_NOFILE: LimitNOFILE= of the service, or ulimit -n " + std::to_string(needed);
  }
  return finding;
}

std::uint64_t needed_descriptors(const krepis::ServerOptions& options, const std::string& service) {
  constexpr std::uint64_t kProcess = 16;  // standard streams, the program's own, a file while it is read
  constexpr std::uint64_t kWorker = 3;    // socket, poller, waker
  constexpr std::uint64_t kAdmin = 4 + 32;
  constexpr std::uint64_t kFilesOfHq = 256;  // service/open_files.hpp
  const std::uint64_t logs = (options.key_log_path.empty() ? 0 : 1) +
                             (options.qlog_folder.empty() ? 0 : 1 + options.qlog_connections);
  return kProcess + logs + options.workers * (kWorker + (service == "hq" ? kFilesOfHq : 0)) +
         (options.admin.empty() ? 0 : kAdmin);
}

Finding judge_processor(const quic::Processor& processor, bool uses_ipsec_mb, const std::string& setting) {
  Finding finding{.name = "processor", .found = "packets are protected by "};
  if (uses_ipsec_mb) {
    finding.found += processor.has_vaes
                         ? "intel-ipsec-mb with AVX512 and VAES"
                         : "intel-ipsec-mb, one AES block per instruction (no AVX512 with VAES)";
  } else {
    finding.found += "GnuTLS";
  }
  finding.found +=
      processor.instructions.empty() ? "" : " (the processor has " + processor.instructions + ")";
  if (processor.is_known && !processor.has_aes) {
    finding.level = FindingLevel::kWarning;
    finding.advice = "a processor with AES instructions encrypts several times as fast";
  } else if (processor.is_known && !uses_ipsec_mb && setting != "gnutls") {
    finding.level = FindingLevel::kWarning;
    finding.advice = "build with intel-ipsec-mb (libipsec-mb-dev): packets take a third of the time";
  }
  return finding;
}

std::vector<Finding> judge_libraries(std::span<const quic::LibraryVersion> libraries,
                                     const std::string& client_auth) {
  std::vector<Finding> findings = {{.name = "libraries", .found = quic::library_versions(libraries)}};
  std::ranges::transform(holes_of(libraries), std::back_inserter(findings),
                         [&](const KnownHole& hole) { return row_of(hole, client_auth); });
  return findings;
}

Finding judge_clock(const posix::ClockState& clock) {
  Finding finding{.name = "clock", .found = base::utc_text(clock.unix_seconds)};
  if (clock.unix_seconds < kFirstSaneTime || clock.unix_seconds > kLastSaneTime) {
    finding.level = FindingLevel::kFailure;
    finding.found += ", expected a time from 2026 to 2100";
    finding.advice = "set the clock; certificates and tickets are checked against it";
  } else if (!clock.is_known) {
    finding.found += "; the kernel does not report whether it is synchronized";
  } else if (clock.is_synchronized) {
    finding.found += ", synchronized, error at most " + std::to_string(clock.error_us / 1'000) + " ms";
  } else {
    finding.level = FindingLevel::kWarning;
    finding.found += ", not synchronized";
    finding.advice = "run a time service such as chrony or systemd-timesyncd";
  }
  return finding;
}

}  // namespace knul::server
