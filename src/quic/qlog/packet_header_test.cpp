#include "quic/qlog/packet_header.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace knul::quic {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(PacketHeader, OfAnInitialHasIdsAndTheLengthOfItsToken) {
  const Bytes bytes{0xc1, 0, 0, 0, 1, 2, 0xaa, 0xbb, 1, 0xcc, 3, 't', 'o', 'k', 0x44, 0xd0, 0x12, 0x34};
  const PacketHeader header = read_header(bytes);
  EXPECT_EQ(header.type, "initial");
  EXPECT_EQ(header.space, NumberSpace::kInitial);
  EXPECT_EQ(header.version, 1U);
  EXPECT_EQ(Bytes(header.dcid.begin(), header.dcid.end()), (Bytes{0xaa, 0xbb}));
  EXPECT_EQ(Bytes(header.scid.begin(), header.scid.end()), Bytes{0xcc});
  EXPECT_EQ(header.token_bytes, 3U);
  EXPECT_EQ(header.length, 0x4d0U);
  EXPECT_EQ(header.packet_number, 0x1234U);
  EXPECT_EQ(header.number_bytes, 2U);
}

TEST(PacketHeader, KnowsTheTypesOfBothVersions) {
  const auto type = [](std::uint8_t first, const Bytes& version) {
    Bytes bytes{first};
    bytes.insert(bytes.end(), version.begin(), version.end());
    bytes.resize(12, 0);
    return read_header(bytes).type;
  };
  const Bytes one{0, 0, 0, 1};
  const Bytes two{0x6b, 0x33, 0x43, 0xcf};
  EXPECT_EQ(type(0xc0, one), "initial");
  EXPECT_EQ(type(0xd0, one), "0RTT");
  EXPECT_EQ(type(0xe0, one), "handshake");
  EXPECT_EQ(type(0xd0, two), "initial");
  EXPECT_EQ(type(0xe0, two), "0RTT");
  EXPECT_EQ(type(0xf0, two), "handshake");
  EXPECT_EQ(type(0x40, one), "1RTT");
}

TEST(PacketHeader, OfAnyLengthIsReadWithinItsBytes) {
  const Bytes whole{0xc3, 0, 0, 0, 1, 20, 1, 2, 3};
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    std::ignore = read_header(std::span(whole).first(size));
  }
  EXPECT_EQ(read_header({}).type, "unknown");
}

// The examples of RFC 9000 §A.3 and the ends of its window.
TEST(PacketHeader, HasTheNumberNextToTheExpectedOne) {
  const auto whole = [](std::uint64_t low, unsigned bytes, std::uint64_t expected) {
    PacketHeader header;
    header.packet_number = low;
    header.number_bytes = bytes;
    return whole_number(header, expected);
  };
  EXPECT_EQ(whole(0x9b32, 2, 0xa82f30ea + 1), 0xa82f9b32U);
  EXPECT_EQ(whole(0, 1, 0), 0U);
  EXPECT_EQ(whole(0xff, 1, 0x100), 0xffU);
  EXPECT_EQ(whole(0xff, 1, 0x10), 0xffU) << "a smaller one does not exist";
  EXPECT_EQ(whole(0x01, 1, 0x1fe), 0x201U);
}

}  // namespace
}  // namespace knul::quic
