// Streams that end in unusual ways.
#include <gtest/gtest.h>

#include "quic/endpoint/endpoint_pair_test_support.hpp"
#include "quic/endpoint/raw_frames_test_support.hpp"

namespace knul::quic {
namespace {

using namespace std::chrono_literals;

// The peer resets `count` unidirectional streams, one after another, before any of their data arrives.
void reset_unseen_streams(EndpointPair& pair, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    auto stream = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
    ASSERT_TRUE(stream) << i << ": " << stream.error().message;
    pair.client_connection().streams().reset(**stream, 7);
    pair.advance(2s);
  }
}

TEST(StreamEnd, ComesForAUnidirectionalStreamOfWhichOnlyTheResetCame) {
  EndpointPair pair;
  pair.shake_hands();
  reset_unseen_streams(pair, 1);
  EXPECT_EQ(pair.server_counters.streams_reset_received.load(), 1U);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1U);
  EXPECT_EQ(pair.server_connection().streams().count(), 0U);
  pair.advance(5s);
  EXPECT_TRUE(pair.server_connection().is_hibernating());
}

class StopSendingCounts : public testing::Test {
 protected:
  void SetUp() override {
    if (ipsec_mb() == nullptr) {
      GTEST_SKIP() << "not in this build, or no AES instructions";
    }
    pair_.server_observer.on_data = [this](Connection& connection, Stream& stream, Fin) {
      connection.streams().write_copy(stream, bytes_of("an answer"), answer_fin_);
    };
    pair_.shake_hands();
  }
  void request(Fin fin) {
    Stream& stream = **pair_.client_connection().streams().open(StreamDirection::kBidirectional);
    ASSERT_EQ(stream.id, 0);
    pair_.client_connection().streams().write_copy(stream, bytes_of("a request"), fin);
    pair_.advance(1s);
  }
  // One STOP_SENDING for stream 0, then PADDING.
  void stop() {
    raw_.frames.assign(RawFrames::kLeastBytes, 0);
    raw_.frames[0] = 0x05;
    ASSERT_TRUE(
        pair_.client_connection().send_datagram(std::vector<std::uint8_t>(RawFrames::kLeastBytes, 0)));
    pair_.carry(*pair_.client, *pair_.server);
    raw_.frames.clear();
  }

  RawFrames raw_;
  EndpointPair pair_{[this](EndpointOptions&, EndpointOptions& client) { client.protection = &raw_; }};
  const stats::WorkerCounters& counters_ = pair_.server_counters;
  Fin answer_fin_ = Fin::kNo;
};

// RFC 9000 §3.5: the library sends RESET_STREAM itself.
TEST_F(StopSendingCounts, HaveTheResetThatAnswersTheFirst) {
  request(Fin::kNo);
  stop();
  pair_.advance(1s);
  EXPECT_EQ(counters_.stop_sending_received.load(), 1U);
  EXPECT_EQ(counters_.streams_reset_sent.load(), 1U);
  EXPECT_EQ(pair_.client_counters.streams_reset_received.load(), 1U);
  stop();
  EXPECT_EQ(counters_.stop_sending_received.load(), 2U) << "of a stream that sends no longer";
  EXPECT_EQ(counters_.streams_reset_sent.load(), 1U);
  EXPECT_EQ(pair_.server_observer.stops.size(), 1U) << "the program is told once";
}

TEST_F(StopSendingCounts, HaveStreamsThatHaveEnded) {
  answer_fin_ = Fin::kYes;
  request(Fin::kYes);
  ASSERT_EQ(pair_.server_connection().streams().count(), 0U);
  stop();
  EXPECT_EQ(counters_.stop_sending_received.load(), 1U);
  EXPECT_EQ(counters_.streams_reset_sent.load(), 0U);
}

TEST_F(StopSendingCounts, HaveNoResetWhereAllWasAcknowledged) {
  answer_fin_ = Fin::kYes;
  request(Fin::kNo);
  ASSERT_EQ(pair_.server_connection().streams().count(), 1U);
  stop();
  EXPECT_EQ(counters_.stop_sending_received.load(), 1U);
  EXPECT_EQ(counters_.streams_reset_sent.load(), 0U);
}

// The next stream may reuse the memory of the ended one.
TEST(StreamEnd, LeavesNothingToBeFound) {
  EndpointPair pair;
  pair.shake_hands();
  for (RecordingObserver* observer : {&pair.client_observer, &pair.server_observer}) {
    observer->on_end = [](Connection& connection, Stream& stream) {
      EXPECT_EQ(connection.streams().find(stream.id), &stream) << "within on_stream_closed it is still there";
    };
  }
  for (std::size_t i = 1; i <= 3; ++i) {
    auto opened = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
    ASSERT_TRUE(opened);
    const std::int64_t id = (*opened)->id;
    pair.client_connection().streams().write_copy(**opened, bytes_of("all of it"), Fin::kYes);
    EXPECT_EQ(pair.client_connection().streams().find(id), *opened);
    pair.advance(1s);
    EXPECT_EQ(pair.server_observer.streams_closed.size(), i);
    for (Connection* connection : {&pair.client_connection(), &pair.server_connection()}) {
      EXPECT_EQ(connection->streams().find(id), nullptr);
    }
  }
}

TEST(StreamEnd, ComesOnceForWhoRetainsAndReleasesItThen) {
  EndpointPair pair;
  pair.shake_hands();
  pair.server_observer.on_end = [](Connection& connection, Stream& stream) {
    connection.streams().retain(stream);
    connection.streams().release(stream);
  };
  auto opened = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
  ASSERT_TRUE(opened);
  pair.client_connection().streams().write_copy(**opened, bytes_of("all of it"), Fin::kYes);
  pair.advance(1s);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1U);
  EXPECT_EQ(pair.server_connection().streams().count(), 0U);
  EXPECT_EQ(pair.server_counters.streams_active.load(), 0U);
}

TEST(StreamEnd, GivesThePeerSuchAStreamBack) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_uni = 3; });
  pair.shake_hands();
  reset_unseen_streams(pair, 20);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 20U);
}

// Every second stream loses its data, so that the reset is the first frame that the server sees.
TEST(StreamEnd, ComesOnceWhetherDataCameBeforeTheResetOrNot) {
  EndpointPair pair([](EndpointOptions& server, EndpointOptions&) { server.transport.max_streams_uni = 3; });
  pair.shake_hands();
  for (std::size_t i = 1; i <= 20; ++i) {
    auto stream = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
    ASSERT_TRUE(stream) << i;
    pair.client_connection().streams().write_copy(**stream, bytes_of("x"), Fin::kNo);
    pair.drops = [&](std::span<const std::uint8_t>, bool is_from_client) {
      return is_from_client && i % 2 == 0;
    };
    pair.run();
    pair.drops = nullptr;
    pair.client_connection().streams().reset(**stream, 7);
    pair.advance(2s);
    EXPECT_EQ(pair.server_observer.streams_closed.size(), i);
    EXPECT_EQ(pair.server_connection().streams().count(), 0U);
  }
}

// The library closes a stream if it saw any data of it, even without delivery. Such a stream is not counted.
TEST(StreamEnd, IsNotCountedForStreamsThatTheLibraryClosesItself) {
  EndpointPair pair;
  pair.shake_hands();
  constexpr std::size_t kMany = 1'100;
  for (std::size_t i = 1; i <= kMany; ++i) {
    auto stream = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
    ASSERT_TRUE(stream) << i;
    pair.client_connection().streams().write_copy(**stream, std::vector<std::uint8_t>(2'000), Fin::kNo);
    bool is_first = true;
    pair.drops = [&is_first](std::span<const std::uint8_t>, bool is_from_client) {
      return is_from_client && std::exchange(is_first, false);
    };
    pair.run();
    pair.drops = nullptr;
    pair.client_connection().streams().reset(**stream, 7);
    pair.advance(2s);
    ASSERT_EQ(pair.server_observer.streams_closed.size(), i);
  }
  EXPECT_TRUE(pair.server_observer.received.empty());
  reset_unseen_streams(pair, 1);  // a thousand are allowed
  EXPECT_EQ(pair.server_observer.streams_closed.size(), kMany + 1);
  EXPECT_EQ(pair.server_connection().streams().count(), 0U);
}

TEST(StreamEnd, ComesForAThousandStreamsThatTheLibraryNeverClosesAndThenTheConnectionEnds) {
  EndpointPair pair;
  pair.shake_hands();
  reset_unseen_streams(pair, 1'000);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1'000U);
  EXPECT_EQ(pair.server_connection().streams().count(), 0U);
  EXPECT_TRUE(pair.server_observer.closed.empty());

  reset_unseen_streams(pair, 1);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1'001U);
  EXPECT_EQ(pair.server_observer.closed.size(), 1U);
  ASSERT_EQ(pair.client_observer.closed.size(), 1U);
  const CloseCause& cause = pair.client_observer.closed.front();
  EXPECT_EQ(cause.source, CloseCause::Source::kPeerTransport);
  EXPECT_EQ(cause.code, 1U);  // INTERNAL_ERROR, RFC 9000 §20.1
  EXPECT_EQ(cause.reason, "more than 1000 unidirectional streams were reset before their data arrived");
}

// Late packets, with the data that the reset overtook and with a second reset, change nothing.
TEST(StreamEnd, IsNotDisturbedByWhatComesLate) {
  EndpointPair pair;
  pair.shake_hands();
  auto stream = pair.client_connection().streams().open(StreamDirection::kUnidirectional);
  ASSERT_TRUE(stream);
  pair.client_connection().streams().write_copy(**stream, bytes_of("x"), Fin::kNo);
  std::vector<std::vector<std::uint8_t>> overtaken;
  pair.drops = [&](std::span<const std::uint8_t> packet, bool is_from_client) {
    if (is_from_client)
      overtaken.emplace_back(packet.begin(), packet.end());
    return is_from_client;
  };
  pair.run();
  ASSERT_FALSE(overtaken.empty());
  pair.client_connection().streams().reset(**stream, 7);
  pair.drops = [](std::span<const std::uint8_t>, bool is_from_client) { return !is_from_client; };
  pair.run();
  ASSERT_EQ(pair.server_observer.streams_closed.size(), 1U);

  for (const auto& packet : overtaken) {
    const base::Path path = EndpointPair::path();
    std::ignore = pair.server->handle_datagram({{path.remote, path.local}, {}, packet}, pair.now);
  }
  const std::uint64_t received = pair.server_counters.packets_received.load();
  pair.advance(300ms);  // without an acknowledgement the client sends it again
  EXPECT_GT(pair.server_counters.packets_received.load(), received);
  pair.drops = nullptr;
  pair.advance(2s);
  EXPECT_EQ(pair.server_observer.streams_closed.size(), 1U);
  EXPECT_EQ(pair.server_observer.opened.size(), 1U);
  EXPECT_EQ(pair.server_counters.streams_reset_received.load(), 1U);
  EXPECT_TRUE(pair.server_observer.received.empty());
  ASSERT_EQ(pair.server_observer.connections.size(), 1U);
  EXPECT_TRUE(pair.server_observer.closed.empty());
}

}  // namespace
}  // namespace knul::quic
