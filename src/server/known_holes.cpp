#include "server/known_holes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace knul::server {
namespace {

constexpr std::array<KnownHole, 5> kHoles = {{
    {"ngtcp2", "", "1.22.1", "CVE-2026-40170", "a stack overflow in the qlog of transport parameters",
     Reach::kNotCalled},
    {"GnuTLS", "", "3.8.9", "CVE-2024-12243",
     "time that grows with the square of the names in a certificate (libtasn1 before 4.20)",
     Reach::kClientCertificates},
    {"GnuTLS", "", "3.8.10", "CVE-2025-6395",
     "a null pointer if the second ClientHello after a HelloRetryRequest leaves out the pre-shared key",
     Reach::kPeers},
    {"GnuTLS", "3.8.11", "3.8.12", "CVE-2026-1584",
     "a null pointer for an invalid binder of a session ticket", Reach::kPeers},
    {"GnuTLS", "", "3.8.12", "CVE-2025-14831",
     "time that grows with the name constraints times the names of a certificate",
     Reach::kClientCertificates},
}};

// Takes the next number of a version; 0 at its end.
std::uint64_t take_number(std::string_view& version) {
  const std::size_t digit = std::min(version.find_first_of("0123456789"), version.size());
  version.remove_prefix(digit);
  std::uint64_t number = 0;
  const auto read = std::from_chars(version.data(), version.data() + version.size(), number);
  version.remove_prefix(static_cast<std::size_t>(read.ptr - version.data()));
  return number;
}

bool has(const quic::LibraryVersion& library, const KnownHole& hole) {
  return library.name == hole.library && is_lower_version(library.version, hole.fixed) &&
         (hole.since.empty() || !is_lower_version(library.version, hole.since));
}

}  // namespace

std::span<const KnownHole> known_holes() { return kHoles; }

bool is_lower_version(std::string_view version, std::string_view other) {
  while (!version.empty() || !other.empty()) {
    const std::uint64_t number = take_number(version);
    const std::uint64_t other_number = take_number(other);
    if (number != other_number) {
      return number < other_number;
    }
  }
  return false;
}

std::vector<KnownHole> holes_of(std::span<const quic::LibraryVersion> libraries) {
  std::vector<KnownHole> found;
  std::ranges::copy_if(kHoles, std::back_inserter(found), [&](const KnownHole& hole) {
    return std::ranges::any_of(libraries, [&](const auto& library) { return has(library, hole); });
  });
  return found;
}

}  // namespace knul::server
