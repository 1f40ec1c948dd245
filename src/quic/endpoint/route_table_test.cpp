#include "quic/endpoint/route_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace knul::quic {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Never dereferenced: the table only returns it.
Connection* connection(std::uintptr_t number) { return reinterpret_cast<Connection*>(number * 64); }

const Bytes kId{1, 2, 3, 4, 5, 6, 7, 8};
const Bytes kOtherId{1, 2, 3, 4, 5, 6, 7, 9};

Bytes short_packet(const Bytes& id) {
  Bytes packet(40, 0x40);
  std::ranges::copy(id, packet.begin() + 1);
  return packet;
}

TEST(RouteTable, FindsTheRecentRouteOfPacketsWithTheSameIdOnly) {
  RouteTable table({1, 2});
  table.assign(ConnectionId(kId), {connection(1), nullptr});
  table.assign(ConnectionId(kOtherId), {connection(2), nullptr});
  EXPECT_FALSE(table.find_recent(short_packet(kId)).is_known());
  EXPECT_EQ(table.find(ConnectionId(kId)).connection, connection(1));
  EXPECT_EQ(table.find_recent(short_packet(kId)).connection, connection(1));
  EXPECT_FALSE(table.find_recent(short_packet(kOtherId)).is_known());
}

TEST(RouteTable, LeavesLongHeadersAndShortDatagramsToTheFullLookUp) {
  RouteTable table({1, 2});
  table.assign(ConnectionId(kId), {connection(1), nullptr});
  ASSERT_TRUE(table.find(ConnectionId(kId)).is_known());
  Bytes packet = short_packet(kId);
  packet[0] |= 0x80;
  EXPECT_FALSE(table.find_recent(packet).is_known());
  EXPECT_FALSE(table.find_recent(Bytes{0x40, 1, 2, 3, 4, 5, 6, 7}).is_known());
}

TEST(RouteTable, ForgetsTheRecentRouteWhenItChanges) {
  RouteTable table({1, 2});
  table.assign(ConnectionId(kId), {connection(1), nullptr});
  ASSERT_TRUE(table.find(ConnectionId(kId)).is_known());
  table.erase(ConnectionId(kId));
  EXPECT_FALSE(table.find_recent(short_packet(kId)).is_known());
  table.assign(ConnectionId(kId), {connection(1), nullptr});
  ASSERT_TRUE(table.find(ConnectionId(kId)).is_known());
  table.assign(ConnectionId(kId), {connection(3), nullptr});
  EXPECT_NE(table.find_recent(short_packet(kId)).connection, connection(1));
}

}  // namespace
}  // namespace knul::quic
