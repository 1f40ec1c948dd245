#include "base/address_prefix.hpp"

#include <gtest/gtest.h>

namespace knul::base {
namespace {

bool contains(std::string_view prefix, std::string_view address) {
  return AddressPrefix::parse(prefix)->contains(*SocketAddress::parse(address, 4'433));
}

TEST(AddressPrefix, ContainsTheAddressesThatShareItsBits) {
  EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(contains("10.64.0.0/10", "10.127.255.255"));
  EXPECT_FALSE(contains("10.64.0.0/10", "10.128.0.0"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(AddressPrefix, IgnoresTheBitsBehindItsLength) {
  EXPECT_TRUE(contains("10.1.2.3/8", "10.9.9.9"));
  EXPECT_TRUE(contains("1.2.3.4/0", "200.0.0.1"));
}

TEST(AddressPrefix, WithoutALengthIsOneAddress) {
  EXPECT_TRUE(contains("::1", "::1"));
  EXPECT_FALSE(contains("127.0.0.1", "127.0.0.2"));
}

TEST(AddressPrefix, ContainsNoAddressOfTheOtherFamily) {
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_FALSE(contains("::/0", "127.0.0.1"));
}

TEST(AddressPrefix, RefusesInvalidPrefixes) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8x",
                           "a/8", "10.0.0/8", "10.0.0.0/ 8", "10.0.0.0/4294967300"}) {
    EXPECT_FALSE(AddressPrefix::parse(text)) << text;
  }
}

}  // namespace
}  // namespace knul::base
