// Known vulnerabilities of the libraries below this one, by version. A short list of those that a server of
// this library could meet; not a substitute for the security updates of the distribution.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quic/crypto/library_versions.hpp"

namespace knul::server {

enum class Reach : std::uint8_t {
  kNotCalled,           // this library does not call the function
  kPeers,               // a peer could cause it
  kClientCertificates,  // a peer could cause it if the server asks for client certificates
};

struct KnownHole {
  std::string_view library;  // as library_list() names it
  std::string_view since;    // the first affected version; empty: all before `fixed`
  std::string_view fixed;
  std::string_view id;
  std::string_view what;
  Reach reach;
};

[[nodiscard]] std::span<const KnownHole> known_holes();

// True: `version` is lower than `other`, number by number: 1.9.0 is lower than 1.11.0.
[[nodiscard]] bool is_lower_version(std::string_view version, std::string_view other);

// Those of known_holes() that the versions have.
[[nodiscard]] std::vector<KnownHole> holes_of(std::span<const quic::LibraryVersion> libraries);

}  // namespace knul::server
