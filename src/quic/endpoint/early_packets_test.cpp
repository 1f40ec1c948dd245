#include "quic/wire/early_packets.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quic/endpoint/endpoint_pair_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;
using Keys = EarlyPackets::HandshakeKeys;

constexpr std::uint8_t kInitial = 0xc0, kZeroRtt = 0xd0, kHandshake = 0xe0, kShort = 0x40;

// A packet of 1,000 to 16,000 bytes with IDs of 8 bytes. Its content is not read.
Bytes packet(std::uint8_t first_byte, std::size_t size) {
  Bytes out{first_byte, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  if (first_byte == kInitial) {
    out.push_back(0);  // no token
  }
  if ((first_byte & 0x80) != 0) {
    const std::size_t length = size - out.size() - 2;
    out.push_back(static_cast<std::uint8_t>(0x40 | length >> 8));
    out.push_back(static_cast<std::uint8_t>(length));
  }
  out.resize(size, 0x5a);
  return out;
}

Bytes operator+(Bytes front, const Bytes& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

TEST(EarlyPackets, AdmitAllThatThereAreKeysFor) {
  EarlyPackets early;
  for (int i = 0; i < 100; ++i) {
    const Bytes datagram = packet(kInitial, 1'200) + packet(kHandshake, 1'200);
    EXPECT_EQ(early.admit(datagram, Keys::kAvailable).size(), datagram.size());
  }
}

TEST(EarlyPackets, AreCountedWhateverTheirKind) {
  for (const std::uint8_t kind : {kShort, kZeroRtt, kHandshake}) {
    EarlyPackets early;
    const Bytes datagram = packet(kind, 2'000);
    for (std::size_t sum = 2'000; sum <= EarlyPackets::kMostBytes; sum += 2'000) {
      EXPECT_EQ(early.admit(datagram, Keys::kMissing).size(), datagram.size());
    }
    EXPECT_TRUE(early.admit(datagram, Keys::kMissing).empty());
    EXPECT_EQ(early.admit(packet(kShort, 300), Keys::kMissing).size(), 300U) << "what fits is taken";
  }
}

TEST(EarlyPackets, NeverCostWhatIsInFrontOfThem) {
  EarlyPackets early;
  const Bytes finished = packet(kInitial, 1'000) + packet(kHandshake, 1'000);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(early.admit(finished + packet(kShort, 60'000), Keys::kAvailable).size(),
              finished.size() + EarlyPackets::kSmallBytes);
    EXPECT_EQ(early.admit(finished + packet(kShort, 1'400), Keys::kAvailable).size(),
              finished.size() + 1'400);
  }
}

TEST(EarlyPackets, AreJunkWhenTheirHeaderIsNotOne) {
  EarlyPackets early;
  const Bytes junk(20'000, 0xff);
  EXPECT_TRUE(early.admit(junk, Keys::kAvailable).empty());
  EXPECT_EQ(early.admit(packet(kInitial, 1'000) + junk, Keys::kAvailable).size(),
            1'000 + EarlyPackets::kSmallBytes);
}

// A server that waits for its client's Finished, which the test withholds.
struct HalfOpen : EndpointPair {
  HalfOpen() {
    connect();
    for (int flight = 0; flight < 10 && client_observer.connections.empty(); ++flight) {
      now += 1ms;
      carry(*client, *server);
      carry(*server, *client);
    }
    drops = [&](std::span<const std::uint8_t> packet, bool) {
      held.emplace_back(packet.begin(), packet.end());
      return true;
    };
    for (int i = 0; i < 5; ++i) {
      now += 1ms;
      carry(*client, *server);
    }
    drops = nullptr;
    ngtcp2_version_cid header;
    EXPECT_EQ(ngtcp2_pkt_decode_version_cid(&header, held.at(0).data(), held.at(0).size(), 8), 0);
    id.assign(header.dcid, header.dcid + header.dcidlen);
  }
  void send(const Bytes& datagram) {
    std::ignore = server->handle_datagram({{path().remote, path().local}, base::Ecn::kNotEct, datagram}, now);
  }
  [[nodiscard]] Bytes one_rtt(std::size_t bytes) const {
    Bytes out{kShort};
    out.insert(out.end(), id.begin(), id.end());
    out.resize(bytes, 0x33);
    return out;
  }
  std::vector<Bytes> held;
  Bytes id;
};

TEST(EarlyPackets, OfAConnectionThatNeverFinishesAreDropped) {
  HalfOpen pair;
  for (int i = 0; i < 20; ++i) {
    pair.send(pair.one_rtt(60'000));
  }
  EXPECT_EQ(pair.server_counters.packets_dropped_early.load(), 20U);
  for (int i = 0; i < 20; ++i) {
    pair.send(pair.one_rtt(2'000));
  }
  EXPECT_EQ(pair.server_counters.packets_dropped_early.load(), 32U);
}

TEST(EarlyPackets, DoNotKeepTheHandshakeFromItsEnd) {
  HalfOpen pair;
  for (int i = 0; i < 20; ++i) {
    pair.send(pair.one_rtt(16'000));
  }
  for (const Bytes& datagram : pair.held) {
    pair.send(datagram + pair.one_rtt(20'000));
  }
  EXPECT_EQ(pair.server_observer.connections.size(), 1U);
  EXPECT_EQ(pair.server_counters.packets_dropped_early.load(), 20U);
}

TEST(EarlyPackets, OfAnHonestClientAreReadOnceTheFinishedHasCome) {
  HalfOpen pair;
  Connection& client = **pair.client_observer.connections.begin();
  auto stream = client.streams().open(StreamDirection::kBidirectional);
  ASSERT_TRUE(stream);
  EXPECT_EQ(client.streams().write_copy(**stream, bytes_of(std::string(3'000, 'x')), Fin::kYes), 3'000U);
  pair.carry(*pair.client, *pair.server);
  EXPECT_EQ(pair.server_observer.connections.size(), 0U);
  for (const Bytes& datagram : pair.held) {
    pair.send(datagram);
  }
  EXPECT_EQ(pair.server_observer.received[(*stream)->id].size(), 3'000U);
  EXPECT_EQ(pair.server_counters.packets_dropped_early.load(), 0U);
}

}  // namespace
}  // namespace knul::quic
