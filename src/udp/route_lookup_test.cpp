#include "udp/route_lookup.hpp"

#include <gtest/gtest.h>

namespace knul::udp {
namespace {

TEST(RouteLookup, AnswersLoopbackFromLoopback) {
  const auto source = source_address_for(*base::SocketAddress::parse("127.0.0.1", 9));
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(source->to_string(), "127.0.0.1:0");
}

TEST(RouteLookup, KnowsTheBroadcastAddressOfANetwork) {
  EXPECT_TRUE(is_network_broadcast(*base::SocketAddress::parse("127.255.255.255", 0)));
  for (const char* host : {"127.0.0.1", "127.0.0.255", "0.0.0.0", "::1", "::"}) {
    EXPECT_FALSE(is_network_broadcast(*base::SocketAddress::parse(host, 0))) << host;
  }
}

}  // namespace
}  // namespace knul::udp
