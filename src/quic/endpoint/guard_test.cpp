// A dishonest peer gets the exact close code, and other connections are not affected.
#include <tuple>

#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/endpoint/raw_frames_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

std::uint64_t code_of_only_close(const EndpointPair& pair) {
  return pair.server_observer.closed.size() == 1 ? pair.server_observer.closed[0].code : ~std::uint64_t{0};
}

// Sends CRYPTO data that the client's TLS library never made.
void send_crypto(EndpointPair& pair, ngtcp2_encryption_level level, const std::string& bytes) {
  ASSERT_EQ(ngtcp2_conn_submit_crypto_data(pair.client_connection().native(), level, bytes_of(bytes).data(),
                                           bytes.size()),
            0);
  ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("wake")));
  pair.advance(1s);
}

TEST(Guard, EndsAConnectionThatSendsCryptoDataAfterTheHandshake) {
  for (const char type : {'\x04', '\x18', '\x01', '\x63'}) {
    EndpointPair pair;
    pair.shake_hands();
    send_crypto(pair, NGTCP2_ENCRYPTION_LEVEL_1RTT, std::string(1, type) + std::string("\0\0\1\0", 4));
    EXPECT_EQ(code_of_only_close(pair), 0x10aU);
    ASSERT_EQ(pair.client_observer.closed.size(), 1U);
    EXPECT_EQ(pair.client_observer.closed[0].code, 0x10aU);
    EXPECT_EQ(pair.server_counters.crypto_limit_violations.load(), 1U);
  }
}

// The library buffers such out-of-order data without a callback.
TEST(Guard, EndsAConnectionThatSendsCryptoDataAfterTheHandshakeBehindAGap) {
  EndpointPair pair;
  pair.shake_hands();
  ngtcp2_conn* const client = pair.client_connection().native();
  for (const bool is_first : {true, false}) {
    ASSERT_EQ(ngtcp2_conn_submit_crypto_data(client, NGTCP2_ENCRYPTION_LEVEL_1RTT,
                                             bytes_of("0123456789").data(), 10),
              0);
    ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("wake")));
    if (is_first) {
      ASSERT_FALSE(pair.intercept().empty());
      ASSERT_EQ(pair.server_observer.closed.size(), 0U);
    }
  }
  pair.run();
  EXPECT_EQ(code_of_only_close(pair), 0x10aU);
  EXPECT_EQ(pair.server_counters.crypto_limit_violations.load(), 1U);
  EXPECT_TRUE(pair.server_observer.datagrams.empty()) << "nothing else of the packet counts";
}

// RFC 9000 §7.2. The library does not check the length if there is a token.
TEST(Guard, DropsAFirstInitialToAConnectionIdOfLessThanEightBytes) {
  for (std::size_t token_bytes : {0U, 1U, 32U, 100U}) {
    for (std::uint8_t id_bytes = 0; id_bytes <= NGTCP2_MAX_CIDLEN; ++id_bytes) {
      EndpointPair pair;
      std::vector<std::uint8_t> initial{0xc3, 0, 0, 0, 1, id_bytes};
      initial.resize(initial.size() + id_bytes, 0x5a);
      initial.insert(initial.end(), {8, 1, 2, 3, 4, 5, 6, 7, 8});
      initial.insert(initial.end(), {0x40, static_cast<std::uint8_t>(token_bytes)});
      initial.resize(initial.size() + token_bytes, 0x11);
      const std::size_t rest = 1'200 - initial.size() - 2;
      initial.insert(initial.end(),
                     {static_cast<std::uint8_t>(0x40 | rest >> 8), static_cast<std::uint8_t>(rest)});
      initial.resize(1'200, 0x77);
      std::ignore = pair.server->handle_datagram(
          {{EndpointPair::path().remote, EndpointPair::path().local}, base::Ecn::kNotEct, initial}, pair.now);
      const bool is_short = id_bytes < 8;
      EXPECT_EQ(pair.server_counters.packets_dropped_short_connection_id.load(), is_short ? 1U : 0U);
      EXPECT_EQ(pair.server_counters.connections_accepted.load(), is_short ? 0U : 1U)
          << int{id_bytes} << " bytes and a token of " << token_bytes;
    }
  }
}

class GuardOfFrames : public testing::TestWithParam<std::pair<const char*, std::vector<std::uint8_t>>> {
 protected:
  void SetUp() override {
    if (ipsec_mb() == nullptr) {
      GTEST_SKIP() << "not in this build, or no AES instructions";
    }
    pair_.shake_hands();
    Stream& stream = **pair_.client_connection().streams().open(
        StreamDirection::kBidirectional);  // the frames name this stream
    pair_.client_connection().streams().write_copy(stream, bytes_of("a request"), Fin::kNo);
    pair_.advance(1s);
  }
  void deliver(const std::vector<std::uint8_t>& packet) {
    std::ignore = pair_.server->handle_datagram(
        {{EndpointPair::path().remote, EndpointPair::path().local}, base::Ecn::kNotEct, packet}, pair_.now);
  }

  RawFrames raw_;
  EndpointPair pair_{[this](EndpointOptions&, EndpointOptions& client) { client.protection = &raw_; }};
};

// Repeats one packet: the library drops a duplicate only after it was decrypted and its frames were read.
TEST_P(GuardOfFrames, ReadsNoMoreOfAFloodThanItsBudgetAndKeepsTheConnection) {
  constexpr std::size_t kBytes = 1'150;
  raw_.frames = GetParam().second;
  ASSERT_TRUE(pair_.client_connection().send_datagram(std::vector<std::uint8_t>(kBytes, 0)));
  const std::vector<std::uint8_t> packet = pair_.intercept();
  ASSERT_FALSE(packet.empty());
  const auto frames = static_cast<std::uint32_t>(kBytes / GetParam().second.size());
  const std::uint32_t charge = FrameBudget::charged(frames, kBytes);
  ASSERT_GT(charge, 0U);
  const std::uint32_t most = FrameBudget::kBurst / charge + 2;

  const std::uint64_t before = pair_.server->frames_read();
  for (std::uint32_t i = 0; i < 2 * most; ++i) {
    deliver(packet);
  }
  EXPECT_GE(pair_.server_counters.packets_dropped_frame_budget.load(), most);
  EXPECT_LE(pair_.server->frames_read() - before, std::uint64_t{most} * (frames + 8));

  raw_.frames.clear();
  pair_.advance(6s);
  pair_.server_observer.datagrams.clear();
  ASSERT_TRUE(pair_.server_observer.closed.empty());
  ASSERT_TRUE(pair_.client_connection().send_datagram(bytes_of("no longer a flood")));
  pair_.run();
  EXPECT_EQ(pair_.server_observer.datagrams.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, GuardOfFrames,
    testing::Values(std::pair("Ping", std::vector<std::uint8_t>{0x01}),
                    std::pair("MaxStreamData", std::vector<std::uint8_t>{0x11, 0x00, 0x05}),
                    std::pair("StopSending", std::vector<std::uint8_t>{0x05, 0x00, 0x07}),
                    std::pair("MaxData", std::vector<std::uint8_t>{0x10, 0x05}),
                    std::pair("EmptyDatagram", std::vector<std::uint8_t>{0x31, 0x00})),
    [](const auto& test) { return std::string(test.param.first); });

TEST(Guard, RefusesAClientThatOffersNoProtocolAtAll) {
  EndpointPair pair(
      [](EndpointOptions&, EndpointOptions& client) { client.client_tls = EndpointPair::client_tls({}); });
  pair.shake_hands();
  EXPECT_EQ(code_of_only_close(pair), 0x178U);
}

TEST(Guard, DropsWhatOneConnectionBringsAboveItsBudgetOfATurn) {
  EndpointPair pair;
  pair.shake_hands();
  ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("again and again")));
  pair.now += 1s;
  const std::vector<std::uint8_t> packet = pair.intercept();
  ASSERT_FALSE(packet.empty());
  const auto flood = [&](unsigned packets) {
    for (unsigned i = 0; i < packets; ++i) {
      std::ignore = pair.server->handle_datagram(
          {{EndpointPair::path().remote, EndpointPair::path().local}, base::Ecn::kNotEct, packet}, pair.now);
    }
  };
  const std::uint64_t before = pair.server_counters.packets_received.load();
  flood(Connection::kPacketsPerTurn + 5);
  EXPECT_EQ(pair.server_counters.packets_received.load() - before, Connection::kPacketsPerTurn);
  EXPECT_EQ(pair.server_counters.packets_dropped_budget.load(), 5U);
  pair.now += 1ns;
  flood(1);
  EXPECT_EQ(pair.server_counters.packets_received.load() - before, Connection::kPacketsPerTurn + 1);
  EXPECT_EQ(pair.server_counters.packets_dropped_budget.load(), 5U)
      << "the next turn has a budget of its own";
  EXPECT_EQ(pair.server_observer.datagrams.size(), 1U) << "of a packet, the first copy counts";
}

// A packet of 1,200 bytes full of PING frames is charged for 1,100 of them.
TEST(Guard, DropsThePacketsOfAConnectionThatSendsTooManySmallFrames) {
  if (ipsec_mb() == nullptr) {
    GTEST_SKIP() << "the frames are put in place of what ipsec_mb seals";
  }
  RawFrames raw;
  EndpointPair pair([&](EndpointOptions&, EndpointOptions& client) { client.protection = &raw; });
  pair.shake_hands();
  const std::vector<std::uint8_t> payload(1'100);
  raw.frames = {0x01};
  for (int i = 0; i < 5; ++i) {
    for (int k = 0; k < 10; ++k) {
      ASSERT_TRUE(pair.client_connection().send_datagram(payload));
    }
    pair.carry(*pair.client, *pair.server);
    pair.carry(*pair.server, *pair.client);
  }
  const std::uint64_t dropped = pair.server_counters.packets_dropped_frame_budget.load();
  EXPECT_GE(dropped, 20U);
  EXPECT_LE(dropped, 40U) << "a burst of 16,384 frames is taken";
  raw.frames.clear();
  pair.advance(2s);
  ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("welcome again")));
  pair.advance(1s);
  ASSERT_FALSE(pair.server_observer.datagrams.empty());
  EXPECT_TRUE(pair.server_observer.datagrams.back() == "welcome again");
}

TEST(Guard, AnswersNothingToPortsThatReflect) {
  EndpointPair pair;
  base::Path path = EndpointPair::path();
  path.local.set_port(53);
  std::vector<std::uint8_t> unknown_version(1'200, 0xff);
  unknown_version[5] = unknown_version[6 + 8] = 8;
  const std::vector<std::uint8_t> short_header(100, 0x40);
  for (const auto& packet : {unknown_version, short_header}) {
    std::ignore =
        pair.server->handle_datagram({{path.remote, path.local}, base::Ecn::kNotEct, packet}, pair.now);
  }
  EXPECT_FALSE(pair.server->wants_send());
  EXPECT_EQ(pair.server_counters.packets_dropped_source_port_blocked.load(), 2U);
}

TEST(Guard, ShowsTheOldAddressWhileANewOneIsNotProved) {
  EndpointPair pair;
  pair.shake_hands();
  const base::Path before = pair.server_connection().path();
  ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of("sent from an address that was forged")));
  const std::vector<std::uint8_t> stolen = pair.intercept();
  base::Path forged = before;
  forged.remote.set_port(9'999);

  std::ignore = pair.server->handle_datagram({forged, base::Ecn::kNotEct, stolen}, pair.now);
  base::SendBatch batch({});
  pair.server->poll_send(batch, pair.now);

  ASSERT_EQ(pair.server_observer.datagrams.size(), 1U) << "the packet itself is genuine";
  EXPECT_EQ(pair.server_connection().path().remote, before.remote);
  std::size_t bytes_to_forged = 0;
  for (const base::Train& train : batch.trains()) {
    bytes_to_forged += train.path.remote == forged.remote ? train.length_bytes : 0;
  }
  EXPECT_GT(bytes_to_forged, 0U) << "a PATH_CHALLENGE was expected";
  EXPECT_LE(bytes_to_forged, 3 * stolen.size());
}

TEST(Guard, SurvivesKeyUpdatesAfterTheTlsSessionIsGone) {
  EndpointPair pair;
  pair.shake_hands();
  const auto send = [&](const char* text) {
    ASSERT_TRUE(pair.client_connection().send_datagram(bytes_of(text)));
    pair.advance(5s);
  };
  for (std::size_t i = 1; i <= 5; ++i) {
    send("the library makes the next keys when it sends");
    // RFC 9001 §6.1: only after the last update is confirmed.
    ASSERT_TRUE(pair.client_connection().begin_key_update(pair.now));
    send("with the new keys");
    EXPECT_EQ(pair.server_observer.datagrams.size(), 2 * i);
    EXPECT_EQ(pair.server_counters.key_updates.load(), i - 1) << "counted when the next keys are made";
  }
}

}  // namespace
}  // namespace knul::quic
