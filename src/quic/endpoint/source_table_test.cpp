#include "quic/connection/source_table.hpp"

#include <gtest/gtest.h>

#include "quic/endpoint/source_buckets.hpp"

namespace knul::quic {
namespace {

base::SocketAddress address(const char* host, std::uint16_t port = 1) {
  return *base::SocketAddress::parse(host, port);
}

TEST(SourceTable, TakesAnIpv4AddressAndAnIpv6PrefixOf64BitsForASource) {
  EXPECT_EQ(source_prefix(address("192.0.2.1")), source_prefix(address("192.0.2.1", 2)));
  EXPECT_NE(source_prefix(address("192.0.2.1")), source_prefix(address("192.0.2.2")));
  EXPECT_EQ(source_prefix(address("2001:db8:1:2::1")), source_prefix(address("2001:db8:1:2:ffff::2", 2)));
  EXPECT_NE(source_prefix(address("2001:db8:1:2::1")), source_prefix(address("2001:db8:1:3::1")));
  EXPECT_NE(source_prefix(address("0.0.0.0")), source_prefix(address("::")));
}

TEST(SourceTable, KeepsASourceAsLongAsSomethingRefersToIt) {
  SourceTable table(base::SipKey{1, 2});
  {
    const SourceRef first = table.acquire(address("192.0.2.1"));
    const SourceRef second = table.acquire(address("192.0.2.1", 2));
    const SourceRef other = table.acquire(address("192.0.2.2"));
    EXPECT_EQ(first.get(), second.get());
    EXPECT_NE(first.get(), other.get());
    EXPECT_EQ(table.find(address("192.0.2.1")), first.get());
    {
      const SourceRef shared = other.share();
      EXPECT_EQ(shared.get(), other.get());
    }
    EXPECT_EQ(table.find(address("192.0.2.2")), other.get());
  }
  EXPECT_EQ(table.find(address("192.0.2.1")), nullptr);
  EXPECT_EQ(table.find(address("192.0.2.2")), nullptr);
}

TEST(SourceBuckets, PutsAddressesInDifferentSlotsByAKey) {
  std::size_t same = 0;
  std::size_t same_with_another_key = 0;
  for (int i = 0; i < 256; ++i) {
    const base::SocketAddress one = address(("192.0.2." + std::to_string(i)).c_str());
    const base::SocketAddress next = address(("192.0.3." + std::to_string(i)).c_str());
    const base::SipKey key{1, 2};
    same += source_slot(key, one) == source_slot(key, next) ? 1 : 0;
    same_with_another_key += source_slot(key, one) == source_slot({3, 4}, one) ? 1 : 0;
  }
  EXPECT_LE(same, 5U);
  EXPECT_LE(same_with_another_key, 5U);
}

}  // namespace
}  // namespace knul::quic
