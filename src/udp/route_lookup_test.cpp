#include "udp/route_lookup.hpp"

#include <gtest/gtest.h>

namespace knul::udp {
namespace {

TEST(RouteLookup, AnswersLoopbackFromLoopback) {
  const auto source = source_address_for(*base::SocketAddress::parse("127.0.0.1", 9));
  ASSERT_TRUE(source.has_value());
  EXPECT_EQ(source->to_string(), "127.0.0.1:0");
}

}  // namespace
}  // namespace knul::udp
