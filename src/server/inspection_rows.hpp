// The judgements of krepis::inspect, from what was found to a row. They ask the system for nothing.
#pragma once

#include <krepis/inspect.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "posix/clock_state.hpp"
#include "quic/crypto/certificate_pair.hpp"
#include "quic/crypto/library_versions.hpp"
#include "quic/crypto/processor.hpp"
#include "udp/udp_socket.hpp"

namespace knul::server {

// `source` names the file; `now`: Unix seconds.
[[nodiscard]] krepis::Finding judge_certificate(const std::string& source,
                                                const quic::CertificateFacts& facts, std::int64_t now);

// `source` names the file; `facts`: of the authority that expires first; `now`: Unix seconds.
[[nodiscard]] krepis::Finding judge_authorities(const std::string& source, std::size_t count,
                                                const quic::CertificateFacts& facts, std::int64_t now);

// `limit`: "rmem_max" or "wmem_max".
[[nodiscard]] krepis::Finding judge_buffer(const std::string& name, const udp::BufferSize& size,
                                           const std::string& limit);

struct Offload {
  std::string name;
  bool is_wanted = true;  // by the settings
  bool works = false;
  std::string what = {};         // "cuts a message into its datagrams"
  std::string consequence = {};  // without it
};
[[nodiscard]] krepis::Finding judge_offload(const Offload& offload);

// `limit`: of open files; `needed`: what the server opens.
[[nodiscard]] krepis::Finding judge_descriptors(std::uint64_t limit, std::uint64_t needed);
// What a server with these options opens at most.
[[nodiscard]] std::uint64_t needed_descriptors(const krepis::ServerOptions& options,
                                               const std::string& service);

// `uses_ipsec_mb`: that library protects packets; `setting`: packet_protection.
[[nodiscard]] krepis::Finding judge_processor(const quic::Processor& processor, bool uses_ipsec_mb,
                                              const std::string& setting);

// The versions, and a row for each known hole in them, named by its number. `client_auth`: the setting.
[[nodiscard]] std::vector<krepis::Finding> judge_libraries(std::span<const quic::LibraryVersion> libraries,
                                                           const std::string& client_auth);

[[nodiscard]] krepis::Finding judge_clock(const posix::ClockState& clock);

}  // namespace knul::server
