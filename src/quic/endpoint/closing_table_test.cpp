#include "quic/endpoint/closing_table.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <tuple>
#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;
using PeerAddress = ClosingConnection::PeerAddress;

constexpr base::Instant kNow{1h};

std::vector<ConnectionId> make_ids(std::size_t count, std::size_t bytes) {
  std::vector<ConnectionId> ids;
  for (std::size_t i = 0; i < count; ++i) {
    ids.emplace_back(std::vector<std::uint8_t>(bytes, static_cast<std::uint8_t>(i)));
  }
  return ids;
}

struct Table {
  void add(const base::SocketAddress& from, base::Duration until = 1s) {
    const SourceRef source = sources.acquire(from);
    evicted += table.make_place(source.get()) != nullptr ? 1 : 0;
    table.add(ClosingConnection::make({from, from}, {}, {}, PeerAddress::kValidated, source.share()),
              kNow + until);
  }
  SourceTable sources{base::SipKey{1, 2}};
  ClosingTable table{800};
  std::size_t evicted = 0;
};

const base::SocketAddress kOne = *base::SocketAddress::parse("192.0.2.1", 1);
const base::SocketAddress kOther = *base::SocketAddress::parse("192.0.2.2", 1);

TEST(ClosingTable, KeepsThePacketAndTheFirstRoutes) {
  const std::vector<std::uint8_t> packet{1, 2, 3};
  const std::vector<ConnectionId> ids = make_ids(9, 20);
  const auto entry = ClosingConnection::make({kOne, kOther}, ids, packet, PeerAddress::kValidated, {});
  EXPECT_EQ(std::vector(entry->packet().begin(), entry->packet().end()), packet);
  std::vector<ConnectionId> kept;
  entry->for_each_route([&](const ConnectionId& id) { kept.push_back(id); });
  EXPECT_TRUE(std::ranges::equal(kept, std::span(ids).first(ClosingConnection::kMostRoutes)));
}

TEST(ClosingTable, KeepsLittleForAConnection) {
  const std::vector<std::uint8_t> packet(60);
  const auto entry =
      ClosingConnection::make({kOne, kOther}, make_ids(3, 8), packet, PeerAddress::kValidated, {});
  constexpr std::size_t kAllocatorBytes = sizeof(std::size_t);
  EXPECT_LE(malloc_usable_size(entry.get()) + kAllocatorBytes, 210U);
}

TEST(ClosingTable, KeepsThePathsOfBothFamilies) {
  const auto v6 = *base::SocketAddress::parse("2001:db8::1", 6);
  for (const base::Path& path : {base::Path{kOne, kOther}, base::Path{v6, kOne}, base::Path{kOther, v6}}) {
    const std::vector<ConnectionId> ids = make_ids(2, 20);
    const auto entry = ClosingConnection::make(path, ids, ids[1].bytes(), PeerAddress::kValidated, {});
    EXPECT_EQ(entry->path().local, path.local);
    EXPECT_EQ(entry->path().remote, path.remote);
    EXPECT_TRUE(std::ranges::equal(entry->packet(), ids[1].bytes()));
  }
}

TEST(ClosingTable, LeavesAnEighthToOtherAddressesAndForgetsTheOldestOfItsOwn) {
  Table all;
  for (int i = 0; i < 2'000; ++i) {
    all.add(kOne);
  }
  EXPECT_EQ(all.table.size(), 700U);
  EXPECT_EQ(all.evicted, 1'300U);
  for (int i = 0; i < 80; ++i) {
    all.add(kOther);
  }
  EXPECT_EQ(all.evicted, 1'300U);
  EXPECT_EQ(all.table.size(), 780U);
  std::size_t due = 0;
  while (all.table.take_due(kNow + 1s) != nullptr) {
    ++due;
  }
  EXPECT_EQ(due, 780U) << "who was forgotten has no deadline";
}

TEST(ClosingTable, ForgetsASourceWithItsLastEntry) {
  Table all;
  all.add(kOne, 1s);
  all.add(kOne, 2s);
  ASSERT_NE(all.table.take_due(kNow + 1s), nullptr);
  EXPECT_NE(all.sources.find(kOne), nullptr);
  ASSERT_NE(all.table.take_due(kNow + 2s), nullptr);
  EXPECT_EQ(all.sources.find(kOne), nullptr);
  EXPECT_EQ(all.table.take_due(kNow + 1h), nullptr);
}

TEST(ClosingTable, AnswersALatePacketOfAConnectionThatIsOver) {
  EndpointPair pair;
  pair.shake_hands();
  ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("late")));
  const std::vector<std::uint8_t> late = pair.intercept();
  pair.drops = [](std::span<const std::uint8_t>, bool) { return true; };
  pair.server_connection().close(7, "over");
  pair.run();
  EXPECT_EQ(pair.server_counters.connections_closing.load(), 1U);
  pair.drops = nullptr;
  std::ignore = pair.server->handle_datagram(
      {{EndpointPair::path().remote, EndpointPair::path().local}, base::Ecn::kNotEct, late}, pair.now);
  pair.advance(100ms);
  ASSERT_EQ(pair.client_observer.closed.size(), 1U);
  EXPECT_EQ(pair.client_observer.closed[0].code, 7U);
  pair.advance(10s);
  EXPECT_EQ(pair.server_counters.connections_closing.load(), 0U);
}

}  // namespace
}  // namespace knul::quic
