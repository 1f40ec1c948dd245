#include "service/echo_service.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

#include "service/fake_connection_test_support.hpp"

namespace knul::service {
namespace {

using krepis::Fin;
using test_support::deliver;
using test_support::FakeConnection;

constexpr krepis::StreamId kStream = 0;
constexpr krepis::StreamId kUpload = 2;  // opened by the client
constexpr krepis::StreamId kReply = 3;   // the first stream of the server

class TheEchoService : public testing::Test {
 protected:
  EchoService service;
  FakeConnection connection;
};

TEST_F(TheEchoService, SendsBackBytesAndEnd) {
  deliver(service, connection, kStream, "hello ");
  deliver(service, connection, kStream, "world", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].sent, "hello world");
  EXPECT_TRUE(connection.streams[kStream].has_fin);
  EXPECT_EQ(connection.streams[kStream].consumed, 11U);
}

TEST_F(TheEchoService, SendsBackAnEndWithoutBytes) {
  deliver(service, connection, kStream, "", Fin::kYes);
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST_F(TheEchoService, ConsumesOnlyWhatAWriteAccepted) {
  connection.streams[kStream].room = 4;
  deliver(service, connection, kStream, "0123456789", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].consumed, 4U);
  EXPECT_FALSE(connection.streams[kStream].has_fin);
}

TEST_F(TheEchoService, GoesOnInOrderWhenWritable) {
  connection.streams[kStream].room = 4;
  deliver(service, connection, kStream, "0123456789");
  deliver(service, connection, kStream, "abc", Fin::kYes);
  connection.streams[kStream].room = 8;
  service.on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent, "0123456789ab");
  EXPECT_EQ(connection.streams[kStream].consumed, 12U);
  connection.streams[kStream].room = 8;
  service.on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent, "0123456789abc");
  EXPECT_TRUE(connection.streams[kStream].has_fin);
}

TEST_F(TheEchoService, KeepsTheOrderOverManySmallSteps) {
  std::string expected;
  connection.streams[kStream].room = 0;
  for (int step = 0; step < 500; ++step) {
    const std::string piece = std::to_string(step) + ",";
    expected += piece;
    deliver(service, connection, kStream, piece);
    connection.streams[kStream].room = static_cast<std::size_t>(step % 5);
    service.on_stream_writable(connection.streams[kStream]);
  }
  connection.streams[kStream].room = expected.size();
  service.on_stream_writable(connection.streams[kStream]);
  EXPECT_EQ(connection.streams[kStream].sent, expected);
  EXPECT_EQ(connection.streams[kStream].consumed, expected.size());
}

TEST_F(TheEchoService, AnswersAResetWithTheSameCodeAndReturnsTheCredit) {
  connection.streams[kStream].room = 1;
  deliver(service, connection, kStream, "0123456789");
  service.on_stream_reset(connection.streams[kStream], 42);
  EXPECT_EQ(connection.streams[kStream].reset_code, 42U);
  EXPECT_EQ(connection.streams[kStream].consumed, 10U);
}

TEST_F(TheEchoService, ResetsAStreamThatBeganWithAReset) {
  service.on_stream_opened(connection.streams[kStream]);
  service.on_stream_reset(connection.streams[kStream], 42);
  EXPECT_EQ(connection.streams[kStream].reset_code, 42U);
}

TEST_F(TheEchoService, AsksTheClientToStopAfterStopSending) {
  connection.streams[kStream].room = 1;
  deliver(service, connection, kStream, "0123456789");
  service.on_stop_sending(connection.streams[kStream], 43);
  EXPECT_EQ(connection.streams[kStream].stop_code, 43U);
  deliver(service, connection, kStream, "late", Fin::kYes);
  EXPECT_EQ(connection.streams[kStream].consumed, 14U);
  EXPECT_EQ(connection.streams[kStream].sent, "0");
}

TEST_F(TheEchoService, SendsAUnidirectionalStreamBackOnANewOne) {
  deliver(service, connection, kUpload, "one way");
  deliver(service, connection, kUpload, "", Fin::kYes);
  EXPECT_EQ(connection.streams[kReply].sent, "one way");
  EXPECT_TRUE(connection.streams[kReply].has_fin);
  EXPECT_EQ(connection.streams[kUpload].consumed, 7U);
}

TEST_F(TheEchoService, KeepsUnidirectionalBytesUnconsumedUntilAStreamMayBeOpened) {
  connection.stream_credit = 0;
  deliver(service, connection, kUpload, "one way", Fin::kYes);
  EXPECT_EQ(connection.streams[kUpload].consumed, 0U);
  connection.stream_credit = 1;
  service.on_streams_available(connection, krepis::StreamDirection::kUnidirectional);
  EXPECT_EQ(connection.streams[kReply].sent, "one way");
  EXPECT_TRUE(connection.streams[kReply].has_fin);
  EXPECT_EQ(connection.streams[kUpload].consumed, 7U);
}

// The client's windows and streams bound the service's memory, because both are returned only then.
TEST_F(TheEchoService, RetainsAUnidirectionalStreamUntilItsEchoWasAccepted) {
  connection.stream_credit = 0;
  const std::array<std::string, 3> texts{"one way", "", "other"};
  for (std::size_t n = 0; n < texts.size(); ++n) {
    deliver(service, connection, kUpload + 4 * n, texts[n], Fin::kYes);
  }
  EXPECT_EQ(connection.retained().size(), texts.size());
  connection.stream_credit = texts.size();
  connection.streams[kReply].room = 3;
  service.on_streams_available(connection, krepis::StreamDirection::kUnidirectional);
  EXPECT_EQ(connection.retained(), std::set<krepis::StreamId>{kUpload});
  connection.streams[kReply].room = 100;
  service.on_stream_writable(connection.streams[kReply]);
  EXPECT_TRUE(connection.retained().empty());
  for (std::size_t n = 0; n < texts.size(); ++n) {
    EXPECT_EQ(connection.streams[kReply + 4 * n].sent, texts[n]);
    EXPECT_TRUE(connection.streams[kReply + 4 * n].has_fin);
    EXPECT_EQ(connection.streams[kUpload + 4 * n].consumed, texts[n].size());
  }
}

TEST_F(TheEchoService, ReleasesAStreamWhoseEndIsEchoedAtOnce) {
  connection.streams[kReply].room = 3;
  deliver(service, connection, kUpload, "one way");
  connection.streams[kReply].room = 100;
  service.on_stream_writable(connection.streams[kReply]);
  EXPECT_EQ(connection.retained(), std::set<krepis::StreamId>{kUpload});
  deliver(service, connection, kUpload, "", Fin::kYes);
  EXPECT_TRUE(connection.retained().empty());
}

TEST_F(TheEchoService, ReleasesAStreamWhoseEchoIsGivenUp) {
  connection.stream_credit = 1;
  deliver(service, connection, kUpload + 4, "");  // uses up the credit
  deliver(service, connection, kUpload, "one", Fin::kYes);
  service.on_stream_reset(connection.streams[kUpload], 44);
  EXPECT_FALSE(connection.retained().contains(kUpload));
  connection.streams[kReply].room = 1;
  deliver(service, connection, kUpload + 4, "two", Fin::kYes);
  service.on_stop_sending(connection.streams[kReply], 45);
  EXPECT_TRUE(connection.retained().empty());
  EXPECT_EQ(connection.streams[kUpload + 4].consumed, 3U);
}

TEST_F(TheEchoService, ResetsTheReplyOfAResetUnidirectionalStream) {
  deliver(service, connection, kUpload, "one");
  service.on_stream_reset(connection.streams[kUpload], 44);
  EXPECT_EQ(connection.streams[kReply].reset_code, 44U);
}

TEST_F(TheEchoService, OpensNoReplyForAStreamThatWasResetWhileItWaited) {
  connection.stream_credit = 0;
  deliver(service, connection, kUpload, "one");
  deliver(service, connection, kUpload + 4, "two");
  service.on_stream_reset(connection.streams[kUpload], 44);
  EXPECT_EQ(connection.streams[kUpload].consumed, 3U);
  connection.stream_credit = 2;
  service.on_streams_available(connection, krepis::StreamDirection::kUnidirectional);
  EXPECT_EQ(connection.streams[kReply].sent, "two");
  EXPECT_EQ(connection.stream_credit, 1U);
}

TEST_F(TheEchoService, StopsTheSourceWhenItsReplyIsRefused) {
  deliver(service, connection, kUpload, "one");
  service.on_stop_sending(connection.streams[kReply], 45);
  EXPECT_EQ(connection.streams[kUpload].stop_code, 45U);
}

TEST_F(TheEchoService, ForgetsASourceThatClosedBeforeItsReply) {
  deliver(service, connection, kUpload, "one", Fin::kYes);
  service.on_stream_closed(connection.streams[kUpload]);
  EXPECT_EQ(connection.streams[kReply].user(), nullptr);
  service.on_stream_writable(connection.streams[kReply]);
  service.on_stop_sending(connection.streams[kReply], 45);
  service.on_stream_closed(connection.streams[kReply]);
  EXPECT_EQ(connection.streams[kReply].sent, "one");
  EXPECT_EQ(connection.streams[kUpload].stop_code, std::nullopt);
}

TEST_F(TheEchoService, DiscardsTheRestOfASourceWhoseReplyHasClosed) {
  deliver(service, connection, kUpload, "o");
  connection.streams[kReply].room = 0;
  deliver(service, connection, kUpload, "ne");
  service.on_stream_closed(connection.streams[kReply]);
  deliver(service, connection, kUpload, "!", Fin::kYes);
  EXPECT_EQ(connection.streams[kUpload].consumed, 4U);
  EXPECT_TRUE(connection.retained().empty());
  service.on_stream_closed(connection.streams[kUpload]);
}

TEST_F(TheEchoService, OpensNoReplyForASourceThatClosedWhileItWaited) {
  connection.stream_credit = 0;
  deliver(service, connection, kUpload, "one");
  service.on_stream_closed(connection.streams[kUpload]);
  connection.stream_credit = 1;
  service.on_streams_available(connection, krepis::StreamDirection::kUnidirectional);
  EXPECT_EQ(connection.stream_credit, 1U);
}

TEST_F(TheEchoService, LeavesNoStateBehindWhenAConnectionEndsWithOpenStreams) {
  connection.stream_credit = 1;
  for (const krepis::StreamId source : {kStream, kUpload, kUpload + 4}) {
    deliver(service, connection, source, "more follows");
  }
  service.on_connection_closed(connection, {});
  EXPECT_EQ(connection.user(), nullptr);
  for (const auto& [id, stream] : connection.streams) {
    EXPECT_EQ(stream.user(), nullptr) << id;
  }
}

TEST_F(TheEchoService, SendsBackDatagrams) {
  const std::array<std::uint8_t, 3> bytes{1, 2, 3};
  service.on_datagram(connection, bytes);
  EXPECT_EQ(connection.datagrams, (std::vector<std::string>{"\1\2\3"}));
}

TEST_F(TheEchoService, ForgetsAConnectionThatClosed) {
  connection.streams[kStream].room = 0;
  deliver(service, connection, kStream, "old");
  service.on_connection_closed(connection, {});
  connection.streams[kStream].room = 100;
  deliver(service, connection, kStream, "new");
  EXPECT_EQ(connection.streams[kStream].sent, "new");
}

}  // namespace
}  // namespace knul::service
