#include "base/socket_address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/un.h>

#include <string>

namespace knul::base {
namespace {

SocketAddress address_of(std::string_view text, std::uint16_t port) {
  const auto address = SocketAddress::parse(text, port);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(SocketAddress{});
}

TEST(SocketAddress, IsUnspecifiedByDefault) {
  EXPECT_TRUE(SocketAddress{}.is_unspecified());
  EXPECT_EQ(SocketAddress{}.ip_to_string(), "unspecified");
}

TEST(SocketAddress, ParsesIPv4) {
  const SocketAddress address = address_of("192.0.2.7", 4433);
  EXPECT_TRUE(address.is_v4());
  EXPECT_EQ(address.size(), sizeof(sockaddr_in));
  EXPECT_EQ(address.to_string(), "192.0.2.7:4433");
}

TEST(SocketAddress, ParsesIPv6AndPrintsItInBrackets) {
  const SocketAddress address = address_of("2001:db8::1", 443);
  EXPECT_TRUE(address.is_v6());
  EXPECT_EQ(address.size(), sizeof(sockaddr_in6));
  EXPECT_EQ(address.to_string(), "[2001:db8::1]:443");
}

TEST(SocketAddress, TakesLocalhostAsTheIPv4Loopback) {
  EXPECT_EQ(address_of("localhost", 1), address_of("127.0.0.1", 1));
}

TEST(SocketAddress, RefusesWhatIsNoNumericAddress) {
  const std::string too_long(200, '1');
  for (const std::string_view text :
       {"", "example.org", "1.2.3", "1.2.3.4:5", "[::1]", "fe80::1%lo", " ::1"}) {
    EXPECT_FALSE(SocketAddress::parse(text, 1).has_value()) << text;
  }
  EXPECT_FALSE(SocketAddress::parse(too_long, 1).has_value());
}

TEST(SocketAddress, GivesItsIpInNetworkOrder) {
  const auto bytes = address_of("1.2.3.4", 9);
  ASSERT_EQ(bytes.ip_bytes().size(), 4U);
  EXPECT_EQ(bytes.ip_bytes()[0], 1);
  EXPECT_EQ(bytes.ip_bytes()[3], 4);
  EXPECT_EQ(address_of("::1", 9).ip_bytes().size(), 16U);
}

TEST(SocketAddress, DiffersByAddressAndByPort) {
  EXPECT_NE(address_of("127.0.0.1", 1), address_of("127.0.0.2", 1));
  EXPECT_NE(address_of("127.0.0.1", 1), address_of("127.0.0.1", 2));
  EXPECT_NE(address_of("::ffff:127.0.0.1", 1), address_of("127.0.0.1", 1));
}

TEST(SocketAddress, TellsLinkLocalAddressesOfTwoInterfacesApart) {
  sockaddr_in6 first{};
  first.sin6_family = AF_INET6;
  first.sin6_scope_id = 1;
  sockaddr_in6 second = first;
  second.sin6_scope_id = 2;
  EXPECT_NE(SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&first), sizeof first),
            SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&second), sizeof second));
}

TEST(SocketAddress, SurvivesTheTripThroughASockaddr) {
  for (const std::string_view text : {"10.1.2.3", "fd00::7"}) {
    const SocketAddress address = address_of(text, 65'535);
    EXPECT_EQ(SocketAddress::from_sockaddr(address.data(), address.size()), address);
  }
}

TEST(SocketAddress, IsUnspecifiedForOtherFamiliesAndShortAddresses) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_TRUE(
      SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&local), sizeof local).is_unspecified());
  const SocketAddress address = address_of("::1", 1);
  EXPECT_TRUE(SocketAddress::from_sockaddr(address.data(), sizeof(sockaddr_in)).is_unspecified());
}

}  // namespace
}  // namespace knul::base
