#include "server/known_holes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace knul::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string_view> ids(const char* library, const char* version) {
  const std::vector<quic::LibraryVersion> libraries = {{"other", "0.1"}, {library, version}};
  std::vector<std::string_view> found;
  for (const KnownHole& hole : holes_of(libraries)) {
    found.push_back(hole.id);
  }
  return found;
}

TEST(Version, IsComparedNumberByNumber) {
  EXPECT_TRUE(is_lower_version("1.9.0", "1.11.0"));
  EXPECT_TRUE(is_lower_version("1.22", "1.22.1"));
  EXPECT_FALSE(is_lower_version("1.22.1", "1.22.1"));
  EXPECT_FALSE(is_lower_version("2", "1.99.99"));
  EXPECT_FALSE(is_lower_version("1.22.1-DEV", "1.22.1"));
  EXPECT_FALSE(is_lower_version("", ""));
}

TEST(Holes, AreThoseOfTheVersion) {
  EXPECT_THAT(ids("ngtcp2", "1.22.0"), ElementsAre("CVE-2026-40170"));
  EXPECT_THAT(ids("ngtcp2", "1.22.1"), IsEmpty());
  EXPECT_THAT(ids("GnuTLS", "3.8.8"), ElementsAre("CVE-2024-12243", "CVE-2025-6395", "CVE-2025-14831"));
  EXPECT_THAT(ids("GnuTLS", "3.8.9"), ElementsAre("CVE-2025-6395", "CVE-2025-14831"));
  EXPECT_THAT(ids("GnuTLS", "3.8.10"), ElementsAre("CVE-2025-14831"));
  EXPECT_THAT(ids("GnuTLS", "3.8.11"), ElementsAre("CVE-2026-1584", "CVE-2025-14831"));
  EXPECT_THAT(ids("GnuTLS", "3.8.12"), IsEmpty());
}

TEST(Holes, NameLibrariesOfThisBuild) {
  const auto libraries = quic::library_list();
  for (const KnownHole& hole : known_holes()) {
    EXPECT_TRUE(std::ranges::any_of(libraries, [&](const auto& library) {
      return library.name == hole.library;
    })) << hole.library;
  }
}

}  // namespace
}  // namespace knul::server
